package checkout

import (
	"fmt"
	"time"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/checkout/payment"
)

// check looks, after each step, whether every promise holds in what is
// committed; it is the audit in plain Go.
func (w *world) check() {
	for _, r := range w.reservations {
		limit := r.Deadline
		if w.clerkFell.After(limit) {
			limit = w.clerkFell
		}
		if r.State == ReservationHeld && w.now.After(limit.Add(5*time.Second)) {
			w.breaks("I9", "%s is still held, %v after its deadline", r.ID, w.now.Sub(r.Deadline))
		}
	}
	if !w.dirty {
		return
	}
	w.dirty = false
	w.checkStock()
	issued := map[*simOrder]int{}
	for _, t := range w.tickets {
		issued[t.order]++
		if t.order.pay.state != PaymentConfirmed {
			w.breaks("I7", "%s without a captured payment", t.id)
		}
	}
	ordered := map[*simReservation]bool{}
	for _, o := range w.orders {
		if ordered[o.reservation] {
			w.breaks("I10", "two orders of %s", o.reservation.ID)
		}
		ordered[o.reservation] = true
		w.checkOrder(o, issued[o])
	}
}

func (w *world) checkStock() {
	held, sold, fans := map[ropeline.TicketTypeID]int{}, map[ropeline.TicketTypeID]int{}, map[fanShelf]int{}
	for _, r := range w.reservations {
		for _, i := range r.Items {
			switch r.State {
			case ReservationHeld:
				held[i.TicketType] += i.Quantity
			case ReservationConverted:
				sold[i.TicketType] += i.Quantity - i.Returned
			default:
				continue
			}
			fans[fanShelf{r.Fan, i.TicketType}] += i.Quantity - i.Returned
			if n := fans[fanShelf{r.Fan, i.TicketType}]; n > w.stock[i.TicketType].maxPerFan {
				w.breaks("limit", "%s has %d of %s", r.Fan, n, i.TicketType)
			}
		}
	}
	for _, kind := range w.kinds {
		s, sum := w.stock[kind], w.sums[kind]
		if held[kind]+sold[kind] > s.capacity || s.held+s.sold > s.capacity {
			w.breaks("I1", "%s: held %d + sold %d of %d", kind, held[kind], sold[kind], s.capacity)
		}
		if s.held != held[kind] || s.sold != sold[kind] || sum.held != s.held || sum.sold != s.sold || sum.capacity != s.capacity {
			w.breaks("stock", "%s: %d held and %d sold, the rows say %d and %d, the ledger %+v", kind, s.held, s.sold, held[kind], sold[kind], sum)
		}
	}
}

func (w *world) checkOrder(o *simOrder, issued int) {
	p, bought := o.pay, 0
	for _, i := range o.reservation.Items {
		bought += i.Quantity
	}
	refunded := false
	for _, f := range w.books.refunds {
		refunded = refunded || f.pay == p && f.state != RefundFailed
	}
	if wanted := o.state == OrderPaid || o.state == OrderCanceled && o.accepted; wanted && issued != bought || !wanted && issued > 0 {
		w.breaks("I7", "%s is %s with %d tickets of %d", o.id, o.state, issued, bought)
	}
	if p.state == PaymentConfirmed && p.amount.Minor > 0 && !refunded && !(o.state == OrderPaid && issued > 0) {
		w.breaks("I6", "%s is captured, without tickets and without a refund", p.id)
	}
	if p.state == PaymentAuthorized && p.duty == DutyNone {
		w.breaks("I6", "%s is authorized, and owed nothing", p.id)
	}
	if i := w.gateway.intent(p.ref); i != nil && p.declines > i.declined {
		w.breaks("I10", "%s counts %d declines of %d", p.id, p.declines, i.declined)
	}
	state := o.reservation.State
	if o.accepted != (state == ReservationConverted) || o.state == OrderPending && state != ReservationHeld && state != ReservationConverted ||
		o.state == OrderPaid && state != ReservationConverted {
		w.breaks("order", "%s is %s (accepted: %v), its reservation %s", o.id, o.state, o.accepted, state)
	}
	if o.review.Decision == RiskReject && o.state == OrderPaid {
		w.breaks("review", "%s was rejected, and is paid", o.id)
	}
}

// nextDue is when something is to be done next by its row.
func (w *world) nextDue() time.Time {
	next := w.now.Add(15 * time.Second)
	sooner := func(at time.Time) {
		if at.Before(next) {
			next = at
		}
	}
	for _, r := range w.reservations {
		if r.State == ReservationHeld {
			sooner(r.Deadline)
		}
	}
	for _, p := range w.payments {
		switch {
		case p.duty == DutySettle && p.order.accepted:
			sooner(p.order.acceptedAt.Add(simOptions.Grip))
		case p.duty != DutyNone:
			sooner(p.dutyAt)
		}
		if p.lookAt != nil {
			sooner(*p.lookAt)
		}
	}
	for _, f := range w.books.refunds {
		if f.state != RefundFailed {
			sooner(f.dueAt)
		}
	}
	return next
}

// lying is what is left lying; empty when nothing is owed to anybody.
func (w *world) lying() []string {
	var all []string
	add := func(id any, what string) { all = append(all, fmt.Sprint(id, " ", what)) }
	if len(w.letters) > 0 {
		add("mailbox", "letters wait")
	}
	for _, r := range w.reservations {
		if r.State == ReservationHeld {
			add(r.ID, "is held")
		}
	}
	for _, o := range w.orders {
		if o.state == OrderPending || o.cancel && o.state != OrderCanceled && o.state != OrderExpired {
			add(o.id, "is "+string(o.state))
		}
	}
	for _, p := range w.payments {
		if p.state.open() || p.duty != DutyNone || p.lookAt != nil {
			add(p.id, "is "+string(p.state)+", owed "+string(p.duty))
		}
	}
	for _, f := range w.books.refunds {
		if f.state == RefundCreated || f.state == RefundTransit {
			add(f.id, "is "+string(f.state))
		}
	}
	for _, b := range w.books.returns {
		if !b.done {
			add(b.id, "is not put back")
		}
	}
	for _, i := range w.gateway.intents {
		if i.Status == payment.StatusAuthorized || i.Status == payment.StatusPending {
			add(i.Ref, "is "+string(i.Status)+" at the gateway")
		}
	}
	return all
}

// checkMoney compares, at the end, whose money the gateway has with who has
// tickets.
func (w *world) checkMoney() {
	for _, i := range w.gateway.intents {
		p := w.payment(i.PaymentID)
		var back int64
		for _, f := range w.books.refunds {
			if f.pay == p && f.state == RefundDone {
				back += f.amount.Minor
			}
		}
		switch captured := i.Status == payment.StatusCaptured; {
		case captured && p.ref != i.Ref:
			w.breaks("I10", "%s has another intent that was captured: %s", p.id, i.Ref)
		case captured && p.state != PaymentConfirmed && i.Refunded < i.Amount.Minor:
			w.breaks("I6", "%s is captured, and %s here", i.Ref, p.state)
		case captured && i.Refunded < i.Amount.Minor && p.order.state != OrderPaid:
			w.breaks("I6", "%d of %s is kept, its order is %s", i.Amount.Minor-i.Refunded, i.Ref, p.order.state)
		case !captured && p.state == PaymentConfirmed:
			w.breaks("I7", "%s is confirmed, and %s at the gateway", p.id, i.Status)
		case i.Refunded != back:
			w.breaks("I6", "%d of %s went back, %d by the books", i.Refunded, i.Ref, back)
		}
	}
}
