package checkout

import "github.com/ropeline/ropeline"

// issuedTicket is a ticket of an order whose money is to go back. It is gone
// when its own money did so before; one whose refund failed for good may be
// named again. One that was given away has no price of its own any more: the one
// in its place has it, and the money goes to whoever paid.
type issuedTicket struct {
	id   ropeline.TicketID
	kind ropeline.TicketTypeID
	gone bool
	to   ropeline.TicketID // in its place, when it was given away
}

// check holds the form of what an organizer wants to give back.
func (q Refunding) check() error {
	if err := checkReason(q.Reason); err != nil {
		return err
	}
	whole := q.Minor == 0 && len(q.Tickets) == 0
	switch {
	case q.Minor < 0:
		return ropeline.Errorf(ropeline.CodeInvalidRequest, "amount must be more than nothing.")
	case q.Restock && !whole && len(q.Tickets) == 0:
		return ropeline.Errorf(ropeline.CodeInvalidRequest, "restock needs tickets: an amount alone revokes none.")
	}
	return nil
}

// decide says how much of a payment goes back, and which tickets end with it.
// Never more goes back than was taken.
func (d refundDesk) decide(q Refunding, issued []issuedTicket) (minor int64, tickets []ropeline.TicketID, err error) {
	if d.state != PaymentConfirmed || d.amount.Minor == 0 {
		return 0, nil, ropeline.Errorf(ropeline.CodeNotRefundable, "No money of this order has been taken.")
	}
	rest := d.amount.Minor - d.given
	if minor, tickets, err = d.choose(q, issued, rest); err != nil {
		return 0, nil, err
	}
	switch {
	case rest <= 0:
		return 0, nil, ropeline.Errorf(ropeline.CodeNotRefundable, "The whole payment has gone back already.")
	case minor > rest:
		return 0, nil, ropeline.Errorf(ropeline.CodeRefundTooHigh, "%s of this payment can still be given back.",
			ropeline.Money{Minor: rest, Currency: d.amount.Currency})
	case minor <= 0:
		return 0, nil, ropeline.Errorf(ropeline.CodeNotRefundable, "These tickets cost nothing.")
	}
	return minor, tickets, nil
}

// choose finds what is given back and which tickets end with it.
func (d refundDesk) choose(q Refunding, issued []issuedTicket, rest int64) (minor int64, tickets []ropeline.TicketID, err error) {
	if q.Minor > 0 && len(q.Tickets) == 0 {
		return q.Minor, nil, nil
	}
	wanted := map[ropeline.TicketID]bool{}
	for _, id := range q.Tickets {
		wanted[id] = true
	}
	for _, t := range issued {
		switch {
		case len(q.Tickets) > 0 && !wanted[t.id], len(q.Tickets) == 0 && (t.gone || t.to != ""):
			continue
		case t.to != "":
			return 0, nil, ropeline.Errorf(ropeline.CodeTicketEnded, "Ticket %s was given away; name the one that came in its place, %s.", t.id, t.to)
		case t.gone:
			return 0, nil, ropeline.Errorf(ropeline.CodeNotRefundable, "The money of a ticket that is named went back already.")
		}
		delete(wanted, t.id)
		tickets = append(tickets, t.id)
		for _, item := range d.items {
			if item.TicketType == t.kind {
				minor += item.UnitMinor
			}
		}
	}
	switch {
	case len(wanted) > 0:
		return 0, nil, errNoTicket
	case q.Minor > 0:
		return q.Minor, tickets, nil
	case len(q.Tickets) == 0:
		return rest, tickets, nil
	}
	return minor, tickets, nil
}

// decideCancel says what an organizer's wish to end an order leads to: it is
// written down, and of a paid one everything is given back at once. An order
// that is canceled already stays as it is.
func decideCancel(order OrderState) (wish, giveBack bool, refusal error) {
	switch order {
	case OrderCanceled:
		return false, false, nil
	case OrderExpired:
		return false, false, ropeline.Errorf(ropeline.CodeOrderEnded, "The order has run out; money that comes late is given back or honoured by itself.")
	}
	return true, order == OrderPaid, nil
}
