package checkout

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
)

// Cancellation is how far the end of an event that does not take place has
// come: its orders that were paid, and what has become of their money.
type Cancellation struct {
	Event      ropeline.EventID
	Reason     string
	By         string
	AskedAt    time.Time
	FinishedAt *time.Time
	Total      int64 // orders that were paid, and those that still may be
	Done       int64 // ended, with the money back at the gateway's word
	Failed     int64 // the gateway refuses the refund for good: a person must look
	Holds      int64 // not released yet
	Open       int64 // payments that are not let go yet
}

// CancelEvent ends an event's sale for good, in the caller's transaction: its
// phase is closed from now on, the clerk sells nothing more and releases what
// is held, open payments are let go, and each captured one is refunded by a
// paced sweep. Asked again it changes nothing.
//
// Errors: event_not_found, invalid_request.
func (c *Checkout) CancelEvent(ctx context.Context, tx pgx.Tx, event ropeline.EventID, reason, by string) error {
	if err := checkReason(reason); err != nil {
		return err
	}
	// The lock on the sale keeps the clerk out: no batch is half in the old world.
	if err := tx.QueryRow(ctx, "select event_id from sales where event_id = $1 for update", event).Scan(new(string)); err != nil {
		if errors.Is(err, pgx.ErrNoRows) {
			return ropeline.Errorf(ropeline.CodeEventNotFound, "There is no such event.")
		}
		return err
	}
	tag, err := tx.Exec(ctx, "insert into cancellations (event_id, reason, asked_by) values ($1, $2, $3) on conflict do nothing", event, reason, by)
	if err != nil || tag.RowsAffected() == 0 {
		return err
	}
	batch := &pgx.Batch{}
	batch.Queue("update events set canceled_at = clock_timestamp() where id = $1", event)
	// Also those whose money came late and was accepted: they are paid in a moment.
	batch.Queue(`
		update orders set cancel_at = clock_timestamp(), cancel_by = $2, cancel_reason = $3, message = $3, cancel_cause = 'event', cancel_restock = false
		where event_id = $1 and (state in ('pending', 'paid') or state = 'expired' and accepted_at is not null)`, event, by, reason)
	// Money that came late and waits for a review goes back unseen.
	batch.Queue(`
		update payments p set duty = 'unwind', duty_at = clock_timestamp(), attempts = 0 from orders o
		where p.event_id = $1 and o.id = p.order_id and o.state = 'expired' and p.duty = 'review'`, event)
	// Money that might come late for orders that have run out is not waited for.
	batch.Queue(`
		update payments p set duty = 'void', duty_at = clock_timestamp(), attempts = 0 from orders o
		where p.event_id = $1 and o.id = p.order_id and o.state = 'expired' and p.duty in ('create', 'watch')`, event)
	batch.Queue("insert into outbox (event_id, kind, subject, payload) values ($1, 'EventCanceled', $1, jsonb_build_object('reason', $2::text))", event, reason)
	return tx.SendBatch(ctx, batch).Close()
}

// CancellationOf tells how far it has come; event_not_found for an event that
// was not canceled. An order that owes money of which nothing is on its way back
// has failed; one that was accepted late and got no money is none.
func (c *Checkout) CancellationOf(ctx context.Context, event ropeline.EventID) (Cancellation, error) {
	x := Cancellation{Event: event}
	err := c.pool.QueryRow(ctx, `
		select x.reason, x.asked_by, x.asked_at, x.finished_at, n.total, n.done, n.failed,
			(select count(*) from reservations r where r.event_id = x.event_id and r.state = 'held'),
			(select count(*) from payments p where p.event_id = x.event_id and p.state in ('created', 'pending', 'authorized'))
		from cancellations x cross join lateral (
			select count(*) as total, count(*) filter (where o.state = 'canceled' and not m.owed) as done,
				count(*) filter (where o.state = 'canceled' and m.owed and not m.under_way) as failed
			from orders o cross join lateral (
				select coalesce(bool_or(p.state in ('pending', 'authorized', 'confirmed')), false) as some,
					coalesce(bool_or(p.state = 'confirmed' and p.amount_minor > f.done), false) as owed, coalesce(bool_or(f.under_way), false) as under_way
				from payments p cross join lateral (
					select coalesce(sum(f.amount_minor) filter (where f.state = 'done'), 0) as done,
						coalesce(bool_or(f.state in ('created', 'transit')), false) as under_way
					from refunds f where f.payment_id = p.id
				) as f where p.order_id = o.id
			) as m where o.event_id = x.event_id and o.cancel_cause = 'event' and o.accepted_at is not null and (o.state <> 'expired' or m.some)
		) as n where x.event_id = $1`, event).
		Scan(&x.Reason, &x.By, &x.AskedAt, &x.FinishedAt, &x.Total, &x.Done, &x.Failed, &x.Holds, &x.Open)
	if errors.Is(err, pgx.ErrNoRows) {
		return x, ropeline.Errorf(ropeline.CodeEventNotFound, "This event was not canceled.")
	}
	return x, asError(err)
}

// FinishCancellations notes the ends of cancellations to which nothing is owed
// any more. It returns how many are still under way.
func (c *Checkout) FinishCancellations(ctx context.Context) (underWay int, err error) {
	events, err := collect[ropeline.EventID](ctx, c, "select event_id from cancellations where finished_at is null order by asked_at")
	if err != nil {
		return 0, err
	}
	for _, event := range events {
		x, err := c.CancellationOf(ctx, event)
		if err != nil {
			return underWay, err
		}
		if x.Holds > 0 || x.Open > 0 || x.Done+x.Failed < x.Total {
			underWay++
			if x.Holds > 0 {
				err = c.Nudge(ctx, event)
			}
		} else {
			_, err = c.pool.Exec(ctx, "update cancellations set finished_at = clock_timestamp() where event_id = $1 and finished_at is null", event)
			c.log.InfoContext(ctx, "event's cancellation is finished", "event", event, "orders", x.Total, "refused refunds", x.Failed)
		}
		if err != nil {
			return underWay, err
		}
	}
	return underWay, nil
}
