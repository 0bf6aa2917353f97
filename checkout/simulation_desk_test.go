package checkout

import (
	"slices"
	"time"

	"github.com/ropeline/ropeline"
)

// lock waits for a row that a clerk has locked.
func (a *actor) lock(row *bool) {
	for *row {
		a.pass(5 * time.Millisecond)
	}
}

// read is Checkout.read: what a batch concerns, under the lock; what the clerk
// is owed only when it looks.
func (w *world) read(letters []letter, looks bool) *desk {
	l := &ledger{
		now: w.now, hold: simOptions.Hold, opens: w.begin, closes: w.begin.Add(time.Hour), canceled: w.canceled,
		shelves: map[ropeline.TicketTypeID]*shelf{}, fans: map[fanShelf]int{}, reservations: map[ropeline.ReservationID]*entry{},
		shared: map[identityShelf]int{}, decided: map[string]*decision{}, seq: w.seq,
	}
	d := &desk{ledger: l, fence: w.fence}
	for id, s := range w.stock {
		each := *s
		l.shelves[id] = &each
	}
	asked := map[ropeline.ReservationID]bool{}
	for _, q := range letters {
		if !(w.without == lettersKnown && q.Kind == letterReserve) {
			asked[q.Reservation] = true
		}
		if known := w.decisions[q.id()]; known != nil && w.without != lettersKnown {
			l.decided[q.id()] = known
		}
	}
	for _, r := range w.reservations {
		e := &entry{Reservation: r.Reservation}
		o := w.orderOf(r)
		e.ordered = o != nil
		due := r.State == ReservationHeld && (l.canceled || !r.Deadline.After(w.now))
		owed := looks && o != nil && !o.pay.locked && (o.pay.duty == DutySettle || o.pay.duty == DutyUnwind) && !w.handed(o)
		doomed := looks && o != nil && o.cancel && o.state == OrderPending && !o.accepted
		back := looks && slices.ContainsFunc(w.books.returns, func(b *simReturn) bool { return b.reservation == r.ID && !b.done })
		if asked[r.ID] || due || owed || doomed || back {
			l.reservations[r.ID] = e
		}
		if due && w.without != holdsExpire {
			d.dueIDs = append(d.dueIDs, r.ID)
		}
		if doomed {
			d.doomed = append(d.doomed, r.ID)
		}
		if owed {
			c := claim{
				payment: o.pay.id, state: o.pay.state, duty: o.pay.duty, accepted: o.accepted, unjudged: o.review.Decision == RiskUndecided,
				order: o.id, orderState: o.state, reservation: r.ID, risk: RiskUndecided,
				provider: o.pay.provider, ref: o.pay.ref, key: o.pay.key, amount: o.pay.amount, fan: r.Fan, orderEnd: o.ended,
			}
			if v := o.pay.verdict; v != nil {
				c.risk, c.review = v.Decision, time.Duration(v.ReviewSeconds)*time.Second
			}
			d.claims = append(d.claims, c)
			o.pay.locked = true
		}
		if r.State == ReservationHeld || r.State == ReservationConverted {
			for _, i := range r.Items {
				l.fans[fanShelf{r.Fan, i.TicketType}] += i.Quantity - i.Returned
			}
		}
	}
	for _, b := range w.books.returns {
		if looks && !b.done {
			d.returns = append(d.returns, b.giveBack)
		}
	}
	return d
}

// handed tells whether the capture of an order is with whoever a clerk has handed
// it over to: notHanded's contrary.
func (w *world) handed(o *simOrder) bool {
	return o.pay.duty == DutySettle && o.accepted && o.acceptedAt.After(w.now.Add(-simOptions.Grip))
}

// commit is Checkout.write: the batch's transaction as the rows see it.
func (w *world) commit(d *desk) {
	l := d.ledger
	w.dirty = true
	for _, e := range l.fresh {
		if w.reservation(e.ID) == nil {
			w.reservations = append(w.reservations, &simReservation{Reservation: e.Reservation})
		}
	}
	for _, e := range l.changed {
		r := w.reservation(e.ID)
		r.State = e.State
		if r.ended.IsZero() {
			r.ended = l.now
		}
		order, ends := orderAfter(e.State)
		if o := w.orderOf(r); ends && o != nil && o.state == OrderPending {
			w.order(o, order)
			o.ended, o.accepted = &l.now, false
			if letsGo(order, o.pay.state) {
				o.pay.duty, o.pay.dutyAt, o.pay.attempts = DutyVoid, l.now, 0
			}
		}
	}
	for _, b := range w.books.returns {
		b.done = b.done || slices.Contains(l.returned, b.id)
	}
	for _, e := range l.rewritten {
		w.reservation(e.ID).Items = e.Items
	}
	for id, s := range l.shelves {
		if s.moved {
			w.stock[id].capacity, w.stock[id].held, w.stock[id].sold = s.capacity, s.held, s.sold
		}
	}
	for _, c := range l.changes {
		w.seq++
		sum := w.sums[c.ticketType]
		sum.capacity, sum.held, sum.sold = sum.capacity+c.capacity, sum.held+c.held, sum.sold+c.sold
		w.sums[c.ticketType] = sum
		if sum.held < 0 || sum.sold < 0 || sum.held+sum.sold > sum.capacity {
			w.breaks("I1", "after %+v: held %d + sold %d of %d", c, sum.held, sum.sold, sum.capacity)
		}
		if c.kind == changeReserve {
			if w.reserved[c]++; w.reserved[c] > 1 {
				w.breaks("I10", "%s was decided twice", c.reservation)
			}
		}
	}
	for _, each := range l.decisions {
		if w.decisions[each.letter] != nil {
			w.breaks("I10", "%s was decided twice", each.letter)
		}
		w.decisions[each.letter] = each
	}
	for _, c := range slices.Concat(l.accepted, l.refused) {
		o := w.payment(c.payment).order
		if c.judged() {
			v := o.pay.verdict
			w.risk(o, v.Decision)
			o.review.Deadline, o.review.Default = l.now.Add(c.review), v.AtDeadline
		}
	}
	for _, next := range l.duties() {
		p := w.payment(next.payment)
		if next.duty == DutyVoid && w.without == lateMoneyGoes {
			next.duty = DutyNone
		}
		p.duty, p.dutyAt, p.attempts = next.duty, next.at, 0
	}
	for _, c := range l.accepted {
		o := w.payment(c.payment).order
		o.accepted, o.acceptedAt = true, l.now
	}
	for _, c := range l.unwound {
		if o := w.payment(c.payment).order; o.state == OrderExpired {
			o.accepted = false
		}
	}
}

// order, pay and risk move a row along its table.
func (w *world) order(o *simOrder, next OrderState) {
	if err := orderMoves.move(o.state, next); err != nil {
		w.breaks("transition", "%s: %v", o.id, err)
	}
	o.state = next
}

func (w *world) pay(p *simPayment, next PaymentState) {
	if err := paymentMoves.move(p.state, next); err != nil {
		w.breaks("transition", "%s: %v", p.id, err)
	}
	p.state = next
}

func (w *world) risk(o *simOrder, next RiskDecision) {
	if err := riskMoves.move(o.review.Decision, next); err != nil {
		w.breaks("transition", "%s: %v", o.id, err)
	}
	o.review.Decision = next
}
