package sandbox

import (
	"context"
	"iter"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline/checkout/payment"
)

const pageSize = 100

// Intents lists intents, the newest first.
func (g *Gateway) Intents(ctx context.Context, q payment.Query) iter.Seq2[payment.Object, error] {
	sql := "select " + columns + ` from sandbox_intents where ($1 = '' or ref = $1)` + between("created_at", "ref")
	return list(ctx, g, sql, q, func(row pgx.CollectableRow) (payment.Object, error) {
		var b book
		err := b.scan(row)
		return b.object, err
	}, func(o payment.Object) (time.Time, string) { return o.Created, o.Ref })
}

// Refunds lists refunds, the newest first.
func (g *Gateway) Refunds(ctx context.Context, q payment.Query) iter.Seq2[payment.Refund, error] {
	return list(ctx, g, selectRefunds+` where ($1 = '' or r.intent = $1)`+between("r.created_at", "r.ref"), q,
		func(row pgx.CollectableRow) (payment.Refund, error) { return scanRefund(row) },
		func(r payment.Refund) (time.Time, string) { return r.Created, r.Ref })
}

// Disputes lists disputes, the newest first.
func (g *Gateway) Disputes(ctx context.Context, q payment.Query) iter.Seq2[payment.Dispute, error] {
	return list(ctx, g, selectDisputes+` where ($1 = '' or d.intent = $1)`+between("d.created_at", "d.ref"), q,
		func(row pgx.CollectableRow) (payment.Dispute, error) { return scanDispute(row) },
		func(d payment.Dispute) (time.Time, string) { return d.Created, d.Ref })
}

// between is the rest of a list's query: its time, its page, its order.
func between(created, ref string) string {
	return ` and ` + created + ` >= coalesce($2, '-infinity'::timestamptz) and ` + created + ` < coalesce($3, 'infinity'::timestamptz)
		and ($4::timestamptz is null or (` + created + `, ` + ref + `) < ($4, $5::text))
		order by ` + created + ` desc, ` + ref + ` desc limit $6`
}

// list reads page by page; the last row of one is where the next begins.
func list[T any](ctx context.Context, g *Gateway, sql string, q payment.Query, scan pgx.RowToFunc[T], at func(T) (time.Time, string)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var after *time.Time
		var last string
		for {
			rows, err := g.pool.Query(ctx, sql, q.Intent, maybe(q.Since), maybe(q.Until), after, last, pageSize)
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

func maybe(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
