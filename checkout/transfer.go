package checkout

import (
	"context"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
)

// mostGiven bounds how often tickets of one order change hands.
const mostGiven = 100

// Given is a ticket that changed hands.
type Given struct {
	From, To ropeline.TicketID // the one that is void now, and the one in its place
	Email    string            // whose the new one is
}

// Transfer gives a ticket of holder's to whoever reads an e-mail address, in
// the caller's transaction: the ticket becomes transferred and its code void,
// and a new one of the same order is issued in its place, for a fan that nobody
// is. Stock, money and what the buyer's limit counts stay as they are.
//
// Errors: invalid_email, also for the address that has the ticket already;
// ticket_not_found, also for somebody else's; ticket_ended for one that cannot
// be given away (any more).
func (c *Checkout) Transfer(ctx context.Context, tx pgx.Tx, id ropeline.TicketID, holder ropeline.FanID, email string) (Given, error) {
	email, err := ParseEmail(email)
	if err != nil {
		return Given{}, err
	}
	given, err := transfer(ctx, tx, id, holder, email)
	return given, asError(err)
}

// transfer locks the order before the ticket, as refunds do.
func transfer(ctx context.Context, tx pgx.Tx, id ropeline.TicketID, holder ropeline.FanID, email string) (Given, error) {
	var t givenTicket
	var order ropeline.OrderID
	err := tx.QueryRow(ctx, `
		select o.id, o.email, o.state, o.cancel_at is not null from orders o
		where o.id = (select order_id from tickets where id = $1) for no key update`, id).Scan(&order, &t.email, &t.order, &t.canceling)
	if err != nil {
		return Given{}, noTicket(err)
	}
	var fan ropeline.FanID
	err = tx.QueryRow(ctx, "select fan_id, state, coalesce(email, $2) from tickets where id = $1 for update", id, t.email).Scan(&fan, &t.state, &t.email)
	if err != nil {
		return Given{}, noTicket(err)
	}
	if fan != holder {
		return Given{}, errNoTicket
	}
	var ordinal int
	err = tx.QueryRow(ctx, "select max(ordinal), count(*) filter (where given_by is not null) from tickets where order_id = $1", order).Scan(&ordinal, &t.given)
	if err != nil {
		return Given{}, err
	}
	if err := t.decide(email); err != nil {
		return Given{}, err
	}
	given := Given{From: id, To: ropeline.NewID[ropeline.TicketID](), Email: email}
	_, err = tx.Exec(ctx, `
		with given as (
			update tickets set state = $2 where id = $1 returning id, order_id, event_id, ticket_type_id, fan_id, revision
		), issued as (
			insert into tickets (id, order_id, event_id, ticket_type_id, ordinal, fan_id, state, given_by, email)
			select $3::text, order_id, event_id, ticket_type_id, $4, $5, $6, id, $7::text from given
		), listed as (
			insert into revocations (event_id, ticket_id, revision, cause, reason, by)
			select event_id, id, revision, $8, 'given to ' || $7::text, $9 from given
		)
		insert into outbox (event_id, kind, subject, payload)
		select event_id, 'TicketTransferred', id, jsonb_build_object('ticket', id, 'order', order_id, 'fan', fan_id,
			'revision', revision, 'to', $3::text) from given`,
		id, TicketTransferred, given.To, ordinal+1, ropeline.NewID[ropeline.FanID](), TicketIssued, email, CauseTransfer, t.email)
	return given, err
}

// givenTicket is a ticket that somebody wants to give away, under the locks of
// its order and itself.
type givenTicket struct {
	state     TicketState
	email     string // who has it
	order     OrderState
	canceling bool // the order is to end
	given     int  // how often tickets of the order changed hands before
}

// decide says whether it may be given to an address.
func (t givenTicket) decide(to string) error {
	switch {
	case t.state == TicketTransferred:
		return ropeline.Errorf(ropeline.CodeTicketEnded, "This ticket was given away already.")
	case t.state == TicketCheckedIn:
		return ropeline.Errorf(ropeline.CodeTicketEnded, "This ticket was used at the gate; it cannot be given away any more.")
	case t.state == TicketRevoked || t.order != OrderPaid || t.canceling:
		return ropeline.Errorf(ropeline.CodeTicketEnded, "This ticket is not valid any more; it cannot be given away.")
	case strings.EqualFold(t.email, to):
		return ropeline.Errorf(ropeline.CodeInvalidEmail, "The ticket belongs to this address already.")
	case t.given >= mostGiven:
		return ropeline.Errorf(ropeline.CodeTicketEnded, "The tickets of this order changed hands too often.")
	}
	return ticketMoves.move(t.state, TicketTransferred)
}

// HeldTicket is a ticket with who has it.
type HeldTicket struct {
	Ticket
	Holder string // the address that it was given to, or that of its order
	Giver  string // who gave it; "": nobody, it was bought
}

// HeldTicket reads any ticket, for letters: ticket_not_found.
func (c *Checkout) HeldTicket(ctx context.Context, id ropeline.TicketID) (h HeldTicket, err error) {
	tickets, err := c.tickets(ctx, "t.id = $1", id, 1)
	if err != nil {
		return h, err
	}
	if len(tickets) == 0 {
		return h, errNoTicket
	}
	h.Ticket = tickets[0]
	err = c.pool.QueryRow(ctx, `
		select coalesce(t.email, o.email), case when t.given_by is not null then coalesce(b.email, o.email) else '' end
		from tickets t join orders o on o.id = t.order_id left join tickets b on b.id = t.given_by where t.id = $1`, id).Scan(&h.Holder, &h.Giver)
	return h, asError(err)
}

// GivenHolders lists who has a ticket of an event that was given to them and
// not given on, in the order of the tickets' ids, without their orders, which
// are others'; live: only if it lets somebody in or has done so. after is the
// last ticket of the page before.
func (c *Checkout) GivenHolders(ctx context.Context, event ropeline.EventID, live bool, after ropeline.TicketID, limit int) ([]Contact, error) {
	rows, err := c.pool.Query(ctx, `
		select id, event_id, fan_id, email from tickets
		where event_id = $1 and email is not null and id > $2 and state <> 'transferred' and (state <> 'revoked' or not $3)
		order by id limit $4`, event, after, live, limit)
	if err != nil {
		return nil, ropeline.Unavailable(err)
	}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (k Contact, err error) {
		return k, row.Scan(&k.Ticket, &k.Event, &k.Fan, &k.Email)
	})
	return all, asError(err)
}
