package sandbox

import (
	"context"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline/checkout/payment"
)

const pageSize = 100

// Intents lists intents, the newest first.
func (g *Gateway) Intents(ctx context.Context, q payment.Query) iter.Seq2[payment.Object, error] {
	return list(ctx, g, listing{"select " + columns + " from sandbox_intents", "ref", "created_at", "ref"}, q, func(row pgx.CollectableRow) (payment.Object, error) {
		var b book
		err := b.scan(row)
		return b.object, err
	}, func(o payment.Object) (time.Time, string) { return o.Created, o.Ref })
}

// Refunds lists refunds, the newest first.
func (g *Gateway) Refunds(ctx context.Context, q payment.Query) iter.Seq2[payment.Refund, error] {
	return list(ctx, g, listing{selectRefunds, "r.intent", "r.created_at", "r.ref"}, q,
		func(row pgx.CollectableRow) (payment.Refund, error) { return scanRefund(row) },
		func(r payment.Refund) (time.Time, string) { return r.Created, r.Ref })
}

// Disputes lists disputes, the newest first.
func (g *Gateway) Disputes(ctx context.Context, q payment.Query) iter.Seq2[payment.Dispute, error] {
	return list(ctx, g, listing{selectDisputes, "d.intent", "d.created_at", "d.ref"}, q,
		func(row pgx.CollectableRow) (payment.Dispute, error) { return scanDispute(row) },
		func(d payment.Dispute) (time.Time, string) { return d.Created, d.Ref })
}

// listing is a list's query and the names of its columns.
type listing struct{ sql, intent, created, ref string }

// page is the query of one page: what q asks for, after the row where the page
// before ended. It names only the bounds that there are, so that an index over
// time and name begins where the page does; pages of a list that was walked from
// its beginning each time would cost the square of its length.
func (l listing) page(q payment.Query, after *time.Time, last string) (sql string, args []any) {
	var bounds []string
	bound := func(words string, values ...any) {
		places := make([]any, len(values))
		for i, v := range values {
			args = append(args, v)
			places[i] = "$" + strconv.Itoa(len(args))
		}
		bounds = append(bounds, fmt.Sprintf(words, places...))
	}
	if q.Intent != "" {
		bound(l.intent+" = %s", q.Intent)
	}
	if !q.Since.IsZero() {
		bound(l.created+" >= %s", q.Since)
	}
	switch {
	case after != nil:
		bound("("+l.created+", "+l.ref+") < (%s, %s)", *after, last)
	case !q.Until.IsZero():
		bound(l.created+" < %s", q.Until)
	}
	if len(bounds) > 0 {
		l.sql += " where " + strings.Join(bounds, " and ")
	}
	return l.sql + " order by " + l.created + " desc, " + l.ref + " desc limit " + strconv.Itoa(pageSize), args
}

// list reads page by page; the last row of one is where the next begins.
func list[T any](ctx context.Context, g *Gateway, l listing, q payment.Query, scan pgx.RowToFunc[T], at func(T) (time.Time, string)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var after *time.Time
		var last string
		for {
			sql, args := l.page(q, after, last)
			rows, err := g.pool.Query(ctx, sql, args...)
			var page []T
			if err == nil {
				page, err = pgx.CollectRows(rows, scan)
			}
			if err != nil {
				var none T
				yield(none, transient(err))
				return
			}
			for _, one := range page {
				if !yield(one, nil) {
					return
				}
			}
			if len(page) < pageSize {
				return
			}
			created, ref := at(page[len(page)-1])
			after, last = &created, ref
		}
	}
}
