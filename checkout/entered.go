package checkout

import (
	"context"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
)

// Entry is that a ticket came in, or that this was undone.
type Entry struct {
	Seq      int64
	Ticket   ropeline.TicketID
	Revision int
	Turn     int // an undoing ends the turn; a later entry has the next one
	In       bool
	At       time.Time
	Gate     string
}

// Entries is a page of them, oldest first.
type Entries struct {
	Cursor  int64 // of the first page: ask since this one next time
	More    bool  // there is another page, after the last one's Seq
	Entries []Entry
}

const mostEntries = 5000 // on a page

// Entered lists who is in, so that a gate that loses the network afterwards
// knows. since and its cursor are those of Revocations; after is the sequence
// number where the next page of one listing begins.
func (c *Checkout) Entered(ctx context.Context, event ropeline.EventID, since, after int64) (Entries, error) {
	var list Entries
	err := pgx.BeginTxFunc(ctx, c.pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		if err := tx.QueryRow(ctx, "select pg_snapshot_xmin(pg_current_snapshot())::text::bigint").Scan(&list.Cursor); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, `
			select seq, ticket_id, revision, turn, result = 'accepted', scanned_at, gate from checkins
			where event_id = $1 and result in ('accepted', 'undone') and xid >= $2::text::xid8 and seq > $3 order by seq limit $4`,
			event, strconv.FormatInt(since, 10), after, mostEntries)
		if err != nil {
			return err
		}
		list.Entries, err = pgx.CollectRows(rows, pgx.RowToStructByPos[Entry])
		list.More = len(list.Entries) == mostEntries
		return err
	})
	return list, asError(err)
}
