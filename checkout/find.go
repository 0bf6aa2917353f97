package checkout

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
)

// Held finds the newest reservation that a fan holds and has not ordered yet.
func (c *Checkout) Held(ctx context.Context, event ropeline.EventID, fan ropeline.FanID) (Reservation, bool, error) {
	rows, err := c.pool.Query(ctx, "select "+reservationColumns+` from reservations r
		where event_id = $1 and fan_id = $2 and state = 'held' and deadline > now()
			and not exists (select from orders o where o.reservation_id = r.id)
		order by created_at desc limit 1`, event, fan)
	return oneReservation(rows, err)
}

// EventOf is the event that an order belongs to; order_not_found.
func (c *Checkout) EventOf(ctx context.Context, order ropeline.OrderID) (event ropeline.EventID, err error) {
	err = c.pool.QueryRow(ctx, "select event_id from orders where id = $1", order).Scan(&event)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", ropeline.Errorf(ropeline.CodeOrderNotFound, "There is no such order.")
	}
	return event, asError(err)
}

// OrderOfTicket is the order that a ticket belongs to; ticket_not_found.
func (c *Checkout) OrderOfTicket(ctx context.Context, ticket ropeline.TicketID) (order ropeline.OrderID, err error) {
	err = c.pool.QueryRow(ctx, "select order_id from tickets where id = $1", ticket).Scan(&order)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", errNoTicket
	}
	return order, asError(err)
}

// OrderByPayment finds a fan's order by the gateway's name for its payment;
// another fan's is order_not_found.
func (c *Checkout) OrderByPayment(ctx context.Context, provider, ref string, fan ropeline.FanID) (Order, error) {
	var id ropeline.OrderID
	err := c.pool.QueryRow(ctx, "select order_id from payments where provider = $1 and provider_ref = $2", provider, ref).Scan(&id)
	if errors.Is(err, pgx.ErrNoRows) {
		return Order{}, ropeline.Errorf(ropeline.CodeOrderNotFound, "There is no such order.")
	}
	if err != nil {
		return Order{}, ropeline.Unavailable(err)
	}
	return c.Order(ctx, id, fan)
}
