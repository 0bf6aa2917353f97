package checkout

import (
	"fmt"
	"slices"

	"github.com/ropeline/ropeline"
)

// refund writes a refund, once for a key.
func (w *world) refund(p *simPayment, key string, amount ropeline.Money) *simRefunding {
	for _, f := range w.books.refunds {
		if f.key == key {
			return f
		}
	}
	w.dirty = true
	f := &simRefunding{id: ropeline.RefundID(fmt.Sprintf("refund-%d", len(w.books.refunds)+1)), pay: p, key: key, state: RefundCreated, amount: amount, dueAt: w.now}
	w.books.refunds = append(w.books.refunds, f)
	return f
}

// desk is lockRefund with ticketsToRefund.
func (w *world) refundDesk(o *simOrder) (d refundDesk, issued []issuedTicket) {
	d = refundDesk{payment: o.pay.id, state: o.pay.state, amount: o.pay.amount, order: o.id, orderState: o.state, reservation: o.reservation.ID, items: o.reservation.Items}
	for _, f := range w.books.refunds {
		if f.pay == o.pay && f.state != RefundFailed {
			d.given += f.amount.Minor
		}
	}
	for _, t := range w.tickets {
		if t.order == o {
			each := t.issuedTicket
			each.gone = t.refund != nil && t.refund.state != RefundFailed
			issued = append(issued, each)
		}
	}
	return d, issued
}

// askRefund is Checkout.AskRefund.
func (w *world) askRefund(o *simOrder, q Refunding) error {
	d, issued := w.refundDesk(o)
	minor, tickets, err := d.decide(q, issued)
	if err != nil {
		return err
	}
	f := w.refund(o.pay, fmt.Sprintf("ask-%d", len(w.books.refunds)), ropeline.Money{Minor: minor, Currency: "EUR"})
	w.void(o, tickets, f, q.Restock)
	return nil
}

// void is Checkout.voidTickets.
func (w *world) void(o *simOrder, tickets []ropeline.TicketID, f *simRefunding, restock bool) {
	w.dirty = true
	back := giveBack{id: fmt.Sprintf("return-%d", len(w.books.returns)), reservation: o.reservation.ID}
	for _, t := range w.tickets {
		if !slices.Contains(tickets, t.id) {
			continue
		}
		if t.state != TicketRevoked {
			if err := ticketMoves.move(t.state, TicketRevoked); err != nil {
				w.breaks("transition", "%s: %v", t.id, err)
			}
		}
		t.state, t.refund = TicketRevoked, f
		if restock && !t.returned {
			t.returned = true
			back.items = append(back.items, ropeline.Item{TicketType: t.kind, Quantity: 1})
		}
	}
	if len(back.items) > 0 {
		w.books.returns = append(w.books.returns, &simReturn{giveBack: back})
	}
}

// cancelPaid is Checkout.cancelPaid.
func (w *world) cancelPaid(o *simOrder) {
	q := Refunding{Order: o.id, Restock: o.restock}
	d, issued := w.refundDesk(o)
	var err error
	if d.amount.Minor > d.given {
		err = w.askRefund(o, q)
	} else {
		var tickets []ropeline.TicketID
		_, tickets, err = d.choose(q, issued, 0)
		w.void(o, tickets, nil, q.Restock)
	}
	if err != nil {
		w.breaks("I6", "%s cannot be canceled: %v", o.id, err)
	}
	w.order(o, OrderCanceled)
}
