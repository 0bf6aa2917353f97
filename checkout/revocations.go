package checkout

import (
	"context"
	"strconv"

	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
)

// Void is a code that is void though its signature is good: every revision of
// the ticket up to this one.
type Void struct {
	Ticket   ropeline.TicketID
	Revision int
}

// Voids is the revocation list of an event, or what came to it.
type Voids struct {
	Cursor int64 // ask since this one next time
	Count  int64 // of the whole list: it only grows, so it names its state
	Voids  []Void
}

// Revocations lists the void codes of an event, since 0 all of them. A later
// list may repeat some, and never leaves one out: the cursor is the oldest
// transaction that was still under way, so whoever commits late is after it.
func (c *Checkout) Revocations(ctx context.Context, event ropeline.EventID, since int64) (Voids, error) {
	var list Voids
	err := pgx.BeginTxFunc(ctx, c.pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		if err := tx.QueryRow(ctx, "select pg_snapshot_xmin(pg_current_snapshot())::text::bigint, (select count(*) from revocations where event_id = $1)",
			event).Scan(&list.Cursor, &list.Count); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, `
			select ticket_id, max(revision) from revocations where event_id = $1 and xid >= $2::text::xid8 group by 1 order by 1`,
			event, strconv.FormatInt(since, 10))
		if err != nil {
			return err
		}
		list.Voids, err = pgx.CollectRows(rows, pgx.RowToStructByPos[Void])
		return err
	})
	return list, asError(err)
}
