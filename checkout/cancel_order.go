package checkout

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
)

// CancelOrder ends an order at an organizer's wish, in the caller's
// transaction. A pending one loses its hold, and its payment is let go; of a
// paid one the tickets are revoked and what is left of the money goes back.
// restock puts a paid order's stock back on sale. What is done now and what a
// clerk or a sweep does in a moment is the same to the caller: the wish is in
// the order's row. Asked again it changes nothing.
//
// Errors: order_not_found, order_ended for one that is expired, invalid_request.
func (c *Checkout) CancelOrder(ctx context.Context, tx pgx.Tx, order ropeline.OrderID, reason, by string, restock bool) error {
	if err := checkReason(reason); err != nil {
		return err
	}
	d, err := lockRefund(ctx, tx, order)
	if err != nil {
		return err
	}
	wish, giveBack, err := decideCancel(d.orderState)
	if err != nil || !wish {
		return err
	}
	_, err = tx.Exec(ctx, `
		update orders set cancel_at = clock_timestamp(), cancel_by = $2, cancel_reason = $3, message = $3, cancel_restock = $4
		where id = $1 and cancel_at is null`, order, by, reason, restock)
	if err != nil || !giveBack {
		return err
	}
	return c.cancelPaid(ctx, tx, d)
}

// cancelPaid gives everything of a paid order back; the caller holds its locks.
func (c *Checkout) cancelPaid(ctx context.Context, tx pgx.Tx, d refundDesk) error {
	var by, reason, cause string
	var restock bool
	err := tx.QueryRow(ctx, "select cancel_by, cancel_reason, cancel_restock, cancel_cause from orders where id = $1", d.order).Scan(&by, &reason, &restock, &cause)
	if err != nil {
		return err
	}
	if err := orderMoves.move(d.orderState, OrderCanceled); err != nil {
		return err
	}
	q := Refunding{Order: d.order, Reason: reason, By: by, Restock: restock, cause: CauseRefund}
	if cause == "event" {
		q.cause = CauseCanceled
	}
	if d.amount.Minor > d.given {
		_, _, err = c.AskRefund(ctx, tx, q)
	} else {
		var issued []issuedTicket
		if issued, err = ticketsToRefund(ctx, tx, d.order); err == nil {
			var tickets []ropeline.TicketID
			if _, tickets, err = d.choose(q, issued, 0); err == nil {
				err = c.voidTickets(ctx, tx, d, tickets, "", q)
			}
		}
	}
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `
		with ended as (
			update orders set state = $2 where id = $1 returning id, event_id, fan_id, reservation_id
		)
		insert into outbox (event_id, kind, subject, payload)
		select event_id, 'OrderCanceled', id, jsonb_build_object('order', id, 'fan', fan_id, 'reservation', reservation_id) from ended`,
		d.order, OrderCanceled)
	return err
}

// CancelDue ends up to limit orders that are to be canceled and have been paid,
// or wait for a review. It returns how many it ended.
func (c *Checkout) CancelDue(ctx context.Context, limit int) (done int, err error) {
	ids, err := collect[ropeline.OrderID](ctx, c, `
		select o.id from orders o where o.ending and (o.state = 'paid' or o.state = 'pending' and exists (
			select from payments p where p.order_id = o.id and p.duty = 'review'))
		order by o.cancel_at, o.id limit $1`, limit)
	if err != nil {
		return 0, err
	}
	var errs []error
	for _, id := range ids {
		if err := c.cancelDue(ctx, id); err != nil {
			errs = append(errs, err)
			continue
		}
		done++
	}
	return done, errors.Join(errs...)
}

func (c *Checkout) cancelDue(ctx context.Context, id ropeline.OrderID) error {
	var event ropeline.EventID
	err := pgx.BeginFunc(ctx, c.pool, func(tx pgx.Tx) error {
		d, err := lockRefund(ctx, tx, id)
		if err != nil {
			return err
		}
		event = d.event
		if d.orderState == OrderPaid {
			return c.cancelPaid(ctx, tx, d)
		}
		_, err = c.Review(ctx, tx, id, RiskReject, "canceled", "")
		if code := ropeline.CodeOf(err); code == ropeline.CodeReviewDecided || code == ropeline.CodeOrderNotFound {
			return nil // it is on its way by another decision
		}
		return err
	})
	if err == nil {
		c.nudgeSoon(ctx, event)
	}
	return err
}

// Pace says whether a loop that runs in many processes may run now: once in a
// time for all of them together.
func (c *Checkout) Pace(ctx context.Context, name string, every time.Duration) (bool, error) {
	tag, err := c.pool.Exec(ctx, `
		insert into paces (name, at) values ($1, clock_timestamp())
		on conflict (name) do update set at = excluded.at where paces.at <= excluded.at - $2::interval`, name, every)
	return tag.RowsAffected() == 1, err
}
