package worker

import (
	"context"
	"fmt"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/checkout"
	"github.com/ropeline/ropeline/internal/outbox"
	"github.com/ropeline/ropeline/notify"
)

// noticesOfTicket tells both sides of a ticket that was given away, and whoever
// has one of those when its code becomes void by another's word. That the whole
// event is canceled they hear by that.
func (w *Worker) noticesOfTicket(ctx context.Context, e outbox.Event) ([]notify.Notice, error) {
	if e.Kind == outbox.TicketTransferred {
		given, err := outbox.Decode[outbox.Transferred](e)
		if err != nil {
			return nil, err
		}
		from, err := w.noticeOfTicket(ctx, given.Ticket.Ticket, notify.TicketPassed, "passed:"+string(given.Ticket.Ticket))
		if err != nil {
			return nil, err
		}
		to, err := w.noticeOfTicket(ctx, given.To, notify.TicketGiven, "given:"+string(given.To)+":1")
		return append(from, to...), err
	}
	revoked, err := outbox.Decode[outbox.Revoked](e)
	if err != nil || revoked.Cause == string(checkout.CauseCanceled) {
		return nil, err
	}
	ticket, err := w.checkout.HeldTicket(ctx, revoked.Ticket.Ticket)
	if err != nil || ticket.Email == "" {
		return nil, err
	}
	if revoked.Cause == string(checkout.CauseReissue) {
		return w.noticeOfTicket(ctx, ticket.ID, notify.TicketGiven, fmt.Sprintf("given:%s:%d", ticket.ID, revoked.Revision+1))
	}
	notices, err := w.noticeOfTicket(ctx, ticket.ID, notify.TicketVoid, fmt.Sprintf("void:%s:%d", ticket.ID, e.Seq))
	if err == nil && revoked.Cause == string(checkout.CauseRefund) {
		notices[0].Data.Note = revoked.Cause
	}
	return notices, err
}

// noticeOfTicket is for whoever has the ticket. An order's page is for its
// buyer alone.
func (w *Worker) noticeOfTicket(ctx context.Context, id ropeline.TicketID, kind notify.Kind, key string) ([]notify.Notice, error) {
	ticket, err := w.checkout.HeldTicket(ctx, id)
	if err != nil {
		return nil, err
	}
	n := notify.Notice{Dedupe: key, Kind: kind, Channel: notify.Email, To: ticket.Holder, Event: ticket.Event, Subject: string(ticket.Order),
		Data: notify.Data{Fan: ticket.Fan, Ticket: id}}
	if ticket.Email == "" {
		n.Data.Order = ticket.Order
	}
	return []notify.Notice{n}, nil
}

// toGiven gives post, in pages, everybody who was given a ticket of an event.
func (w *Worker) toGiven(ctx context.Context, event ropeline.EventID, live bool, post func([]checkout.Contact) error) error {
	var after ropeline.TicketID
	for {
		holders, err := w.checkout.GivenHolders(ctx, event, live, after, holdersAtOnce)
		if err != nil || len(holders) == 0 {
			return err
		}
		if err := post(holders); err != nil {
			return err
		}
		after = holders[len(holders)-1].Ticket
	}
}

// factsOfTicket are what a letter about one ticket says. Nothing is said of a
// ticket that was given on meanwhile, or let somebody in.
func factsOfTicket(ctx context.Context, c *checkout.Checkout, n notify.Notice, facts notify.Facts) (notify.Facts, error) {
	ticket, err := c.HeldTicket(ctx, n.Data.Ticket)
	if err != nil {
		return facts, err
	}
	facts.From, facts.To = ticket.Giver, ticket.GivenTo
	switch {
	case n.Kind == notify.TicketGiven && ticket.State != checkout.TicketIssued:
		return facts, notify.ErrMoot
	case n.Kind == notify.TicketGiven:
		facts.Tickets = []notify.Ticket{{ID: ticket.ID, Name: ticket.Name, Code: ticket.Code}}
	}
	return facts, nil
}
