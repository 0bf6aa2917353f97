package checkout

import (
	"context"
	"errors"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/internal/batch"
)

// SaleStock is what is left of one sale.
type SaleStock struct {
	Event   ropeline.EventID
	Version int64
	Left    int64
}

// OpenSales lists the events whose mailboxes may get letters, those whose sale
// has not ended for a day, with what is left of their tickets.
func (c *Checkout) OpenSales(ctx context.Context) ([]SaleStock, error) {
	rows, err := c.pool.Query(ctx, `
		select s.event_id, s.version, sum(k.capacity - k.held - k.sold)::bigint
		from sales s join events e on e.id = s.event_id join stock k on k.event_id = s.event_id
		where e.closes_at > now() - interval '1 day' group by 1, 2 order by 1`)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[SaleStock])
}

// DueEvents lists the events whose clerk has something to do in Postgres: a
// hold that has run out, a payment to settle, an order to unwind or to cancel,
// stock to put back.
func (c *Checkout) DueEvents(ctx context.Context) ([]ropeline.EventID, error) {
	return collect[ropeline.EventID](ctx, c, `
		select s.event_id from sales s
		where exists (select from reservations r where r.event_id = s.event_id and r.state = 'held' and r.deadline <= now())
		union select event_id from stock_returns where done_at is null
		union select event_id from orders where ending and state = 'pending' and accepted_at is null
		union select p.event_id from payments p join orders o on o.id = p.order_id where `+owedToClerk+` and p.duty_at <= now() and `+notHanded("$1"), c.options.Grip)
}

// OwedRefunds lists refunds that are to be made or asked after, the longest
// waiting first.
func (c *Checkout) OwedRefunds(ctx context.Context, limit int) ([]ropeline.RefundID, error) {
	return collect[ropeline.RefundID](ctx, c, `
		select id from refunds where state <> 'failed' and due_at <= now() order by due_at limit $1`, limit)
}

func collect[T any](ctx context.Context, c *Checkout, sql string, args ...any) ([]T, error) {
	rows, err := c.pool.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[T])
}

// Nudge makes the event's clerk look at what is due in Postgres, and wakes one
// when nobody serves.
func (c *Checkout) Nudge(ctx context.Context, event ropeline.EventID) error {
	generation, _, err := c.mailbox.push(ctx, event, []letter{{Kind: letterDue}})
	if err != nil {
		return err
	}
	c.wake(ctx, event, generation)
	return nil
}

// nudgeSoon is Nudge after a commit, by the event's clerk if it is here, and
// together with what others have committed if not:
// the row is what counts, and the sweep finds it when the nudge fails.
func (c *Checkout) nudgeSoon(ctx context.Context, event ropeline.EventID) {
	ctx = context.WithoutCancel(ctx)
	_, err := c.rounds.hand(ctx, post{event: event, letter: letter{Kind: letterDue}})
	if errors.Is(err, errNoClerk) {
		_, err = c.nudges.Do(ctx, event)
	}
	if err != nil {
		c.log.WarnContext(ctx, "clerk not nudged, the sweep will", "event", event, "err", err)
	}
}

// nudgeAll is the batcher's call: one nudge an event, all in one round trip.
func (c *Checkout) nudgeAll(ctx context.Context, events []ropeline.EventID) []batch.Result[struct{}] {
	var posts []post
	of := map[ropeline.EventID]int{}
	for _, event := range events {
		if _, known := of[event]; !known {
			of[event] = len(posts)
			posts = append(posts, post{event: event, letter: letter{Kind: letterDue}})
		}
	}
	nudged := c.pushBatch(ctx, posts)
	results := make([]batch.Result[struct{}], len(events))
	for i, event := range events {
		results[i].Err = nudged[of[event]].Err
	}
	return results
}

// WakeUnserved wakes a clerk for each event where letters wait and nobody serves,
// and returns how many it has woken.
func (c *Checkout) WakeUnserved(ctx context.Context, sales []SaleStock) (woken int, err error) {
	var errs []error
	for some := range slices.Chunk(sales, mostTogether) {
		bundles := make([]bundle, len(some))
		for i, s := range some {
			bundles[i].event = s.Event
		}
		for _, p := range c.mailbox.pushAll(ctx, bundles) {
			if p.generation != 0 {
				woken++
				c.wake(ctx, p.event, p.generation)
			}
			errs = append(errs, p.err)
		}
	}
	return woken, errors.Join(errs...)
}
