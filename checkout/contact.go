package checkout

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
)

// Contact is whom an order, a payment or a refund concerns.
type Contact struct {
	Event  ropeline.EventID
	Order  ropeline.OrderID  // "" for somebody who was given a ticket of another's order
	Ticket ropeline.TicketID // that was given; "" for who placed the order
	Fan    ropeline.FanID
	Email  string
	Money  ropeline.Money // the order's total, or what is refunded

	Reason   string // why an organizer ends the order, or its whole event; "": none does
	ByEvent  bool   // it ends with its event, of which one letter tells everybody
	Refund   bool   // its end gives money back, of which a letter tells when it has gone
	Declined bool   // it ran out, and the last card that was tried was declined
}

const contactColumns = "o.event_id, o.id, o.fan_id, o.email, "

// orderColumns are what is told of an order's end, and its money. A refund that
// belongs to a cancellation has its words.
const orderColumns = `o.cancel_reason, o.cancel_cause = 'event',
	o.cancel_reason <> '' and exists (select from payments p join refunds f on f.payment_id = p.id where p.order_id = o.id and f.reason = o.cancel_reason),
	o.state = 'expired' and exists (select from payments p where p.order_id = o.id and p.state = 'pending' and p.failure <> ''),
	o.total_minor, o.currency`

// ContactOfOrder finds who has placed an order; order_not_found for none.
func (c *Checkout) ContactOfOrder(ctx context.Context, id ropeline.OrderID) (Contact, error) {
	return c.contact(ctx, "select "+contactColumns+orderColumns+" from orders o where o.id = $1", id)
}

// ContactsOfOrders is ContactOfOrder for several at once; those that there are
// none of are left out.
func (c *Checkout) ContactsOfOrders(ctx context.Context, ids []ropeline.OrderID) (map[ropeline.OrderID]Contact, error) {
	rows, err := c.pool.Query(ctx, "select "+contactColumns+orderColumns+" from orders o where o.id = any($1)", ids)
	if err != nil {
		return nil, ropeline.Unavailable(err)
	}
	all, err := pgx.CollectRows(rows, scanContact)
	if err != nil {
		return nil, asError(err)
	}
	of := make(map[ropeline.OrderID]Contact, len(all))
	for _, k := range all {
		of[k.Order] = k
	}
	return of, nil
}

func scanContact(row pgx.CollectableRow) (k Contact, err error) {
	return k, row.Scan(&k.Event, &k.Order, &k.Fan, &k.Email, &k.Reason, &k.ByEvent, &k.Refund, &k.Declined, &k.Money.Minor, &k.Money.Currency)
}

// ContactOfRefund finds whose refund it is, and what goes back. Why it does is
// told when it belongs to a cancellation: other reasons are not for the fan.
func (c *Checkout) ContactOfRefund(ctx context.Context, id ropeline.RefundID) (Contact, error) {
	return c.contact(ctx, "select "+contactColumns+`case when r.reason = o.cancel_reason then r.reason else '' end, o.cancel_cause = 'event',
		true, false, r.amount_minor, r.currency
		from refunds r join payments p on p.id = r.payment_id join orders o on o.id = p.order_id where r.id = $1`, id)
}

func (c *Checkout) contact(ctx context.Context, sql string, id any) (Contact, error) {
	rows, err := c.pool.Query(ctx, sql, id)
	if err != nil {
		return Contact{}, ropeline.Unavailable(err)
	}
	k, err := pgx.CollectExactlyOneRow(rows, scanContact)
	if errors.Is(err, pgx.ErrNoRows) {
		return k, ropeline.Errorf(ropeline.CodeOrderNotFound, "There is no such order.")
	}
	return k, asError(err)
}

// Concerned lists the orders of an event that are open or have tickets that
// let somebody in or have done so, paged like TicketHolders.
func (c *Checkout) Concerned(ctx context.Context, event ropeline.EventID, after ropeline.OrderID, limit int) ([]Contact, error) {
	return c.contacts(ctx, "o.state = 'pending' or exists (select from tickets t where t.order_id = o.id and t.state in ('issued', 'checked_in'))", event, after, limit)
}

// TicketHolders lists the orders of an event that have got tickets, or that the
// event's cancellation ends before they have, in the order of their ids; after
// is the last one of the page before.
func (c *Checkout) TicketHolders(ctx context.Context, event ropeline.EventID, after ropeline.OrderID, limit int) ([]Contact, error) {
	return c.contacts(ctx, "o.cancel_cause = 'event' or exists (select from tickets t where t.order_id = o.id)", event, after, limit)
}

func (c *Checkout) contacts(ctx context.Context, which string, event ropeline.EventID, after ropeline.OrderID, limit int) ([]Contact, error) {
	rows, err := c.pool.Query(ctx, "select "+contactColumns+orderColumns+` from orders o
		where o.event_id = $1 and o.id > $2 and (`+which+`) order by o.id limit $3`, event, after, limit)
	if err != nil {
		return nil, ropeline.Unavailable(err)
	}
	all, err := pgx.CollectRows(rows, scanContact)
	return all, asError(err)
}
