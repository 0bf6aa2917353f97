package checkout

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
)

// Ticket lets one person in.
type Ticket struct {
	ID         ropeline.TicketID
	Order      ropeline.OrderID
	Event      ropeline.EventID
	TicketType ropeline.TicketTypeID
	Name       string // of the ticket type
	Fan        ropeline.FanID
	Revision   int // a code of an older revision is void
	State      TicketState
	IssuedAt   time.Time
	Code       string // signed; what the QR code carries
	GivenTo    string // of a transferred one: the address that has it now
	Email      string // to whom it was given; "": it is its order's own
}

const (
	mostTickets = 500                      // that one fan's page shows
	mostOfOrder = mostItems * mostQuantity // an order shows all of its own
)

// Tickets lists a fan's newest tickets, the newest first.
func (c *Checkout) Tickets(ctx context.Context, fan ropeline.FanID) ([]Ticket, error) {
	return c.tickets(ctx, "t.fan_id = $1", fan, mostTickets)
}

// Ticket reads one ticket of a fan; another fan's is ticket_not_found.
func (c *Checkout) Ticket(ctx context.Context, id ropeline.TicketID, fan ropeline.FanID) (Ticket, error) {
	tickets, err := c.tickets(ctx, "t.id = $1", id, 1)
	if err != nil {
		return Ticket{}, err
	}
	if len(tickets) == 0 || tickets[0].Fan != fan {
		return Ticket{}, errNoTicket
	}
	return tickets[0], nil
}

var errNoTicket = ropeline.Errorf(ropeline.CodeTicketNotFound, "There is no such ticket.")

// noTicket makes the absence of a row ticket_not_found.
func noTicket(err error) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return errNoTicket
	}
	return err
}

// ownTickets are those that an order was given. A ticket that came in the place
// of one that was given away is not its buyer's to see.
func (c *Checkout) ownTickets(ctx context.Context, order ropeline.OrderID) ([]Ticket, error) {
	return c.tickets(ctx, "t.order_id = $1 and t.given_by is null", order, mostOfOrder)
}

func (c *Checkout) tickets(ctx context.Context, where string, arg any, limit int) ([]Ticket, error) {
	rows, err := c.pool.Query(ctx, `
		select t.id, t.order_id, t.event_id, t.ticket_type_id, y.name, t.fan_id, t.revision, t.state, t.issued_at,
			coalesce(t.email, ''), coalesce((select n.email from tickets n where n.given_by = t.id), '')
		from tickets t join ticket_types y on y.id = t.ticket_type_id
		where `+where+" order by t.issued_at desc, t.order_id, t.ordinal limit $2", arg, limit)
	if err != nil {
		return nil, ropeline.Unavailable(err)
	}
	tickets, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Ticket, error) {
		var t Ticket
		err := row.Scan(&t.ID, &t.Order, &t.Event, &t.TicketType, &t.Name, &t.Fan, &t.Revision, &t.State, &t.IssuedAt, &t.Email, &t.GivenTo)
		t.Code = Code(c.keys, TicketFacts{Event: t.Event, Ticket: t.ID, Revision: t.Revision})
		return t, err
	})
	if err != nil {
		return nil, ropeline.Unavailable(err)
	}
	return tickets, nil
}

// newTickets are tickets on their way into the tables.
type newTickets struct {
	ids, orders, events, types, fans []string
	ordinals                         []int32
	times                            []time.Time
}

// issue adds the tickets of an order that has just been paid, numbered in the
// order of its items: a second try would hit the same numbers. It returns
// their ids.
func (t *newTickets) issue(o ropeline.OrderID, event ropeline.EventID, fan ropeline.FanID, items []ReservedItem, now time.Time) (ids []ropeline.TicketID) {
	for _, i := range items {
		for range i.Quantity {
			id := ropeline.NewID[ropeline.TicketID]()
			ids = append(ids, id)
			t.ids, t.orders, t.events = append(t.ids, string(id)), append(t.orders, string(o)), append(t.events, string(event))
			t.types, t.fans = append(t.types, string(i.TicketType)), append(t.fans, string(fan))
			t.ordinals, t.times = append(t.ordinals, int32(len(ids))), append(t.times, now)
		}
	}
	return ids
}

func (t *newTickets) queue(batch *pgx.Batch) {
	batch.Queue(`
		insert into tickets (id, order_id, event_id, ticket_type_id, ordinal, fan_id, state, issued_at)
		select u.id, u.o, u.event, u.type, u.n, u.fan, $1, u.at
		from unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::int[], $7::text[], $8::timestamptz[]) as u(id, o, event, type, n, fan, at)`,
		TicketIssued, t.ids, t.orders, t.events, t.types, t.ordinals, t.fans, t.times)
}
