package checkout

import (
	"fmt"
	"slices"
	"time"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/checkout/payment"
)

// books are the rows of one sale as they are committed. Whatever changes them
// does so without a pause in between, as a transaction does; only the clerk
// pauses inside of one, and keeps locks meanwhile.
type books struct {
	kinds        []ropeline.TicketTypeID
	stock        map[ropeline.TicketTypeID]*shelf
	sums         map[ropeline.TicketTypeID]stockChange // of the ledger of stock
	seq          int64
	reserved     map[stockChange]int // entries "reserve" of the ledger, the same
	reservations []*simReservation
	orders       []*simOrder
	payments     []*simPayment
	refunds      []*simRefunding
	tickets      []*simTicket
	returns      []*simReturn
	decisions    map[string]*decision
	webhooks     map[string]bool
	fence        int64
	locked       bool // the sale's row
	canceled     bool
	dirty        bool // something was committed since the last check
}

type simReservation struct {
	Reservation
	ended time.Time
}

type simOrder struct {
	id          ropeline.OrderID
	reservation *simReservation
	key         string
	state       OrderState
	accepted    bool
	ended       *time.Time
	total       ropeline.Money
	review      Reviewed // Decision is RiskUndecided at first
	cancel      bool
	restock     bool
	pay         *simPayment
}

type simPayment struct {
	id       ropeline.PaymentID
	order    *simOrder
	provider string
	ref, key string
	state    PaymentState
	duty     Duty
	dutyAt   time.Time
	lookAt   *time.Time
	attempts int
	declines int
	amount   ropeline.Money
	verdict  *Verdict
	locked   bool
	captures int // how often it was written that its money is ours
}

type simRefunding struct {
	id       ropeline.RefundID
	pay      *simPayment
	key, ref string
	state    RefundState
	amount   ropeline.Money
	dueAt    time.Time
	attempts int
}

type simTicket struct {
	issuedTicket
	order    *simOrder
	state    TicketState
	returned bool
	refund   *simRefunding
}

type simReturn struct {
	giveBack
	done bool
}

func (b *books) reservation(id ropeline.ReservationID) *simReservation {
	for _, r := range b.reservations {
		if r.ID == id {
			return r
		}
	}
	return nil
}

func (b *books) orderOf(r *simReservation) *simOrder {
	for _, o := range b.orders {
		if o.reservation == r {
			return o
		}
	}
	return nil
}

func (b *books) payment(id ropeline.PaymentID) *simPayment {
	for _, p := range b.payments {
		if p.id == id {
			return p
		}
	}
	return nil
}

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
		owed := looks && o != nil && !o.pay.locked && (o.pay.duty == DutySettle || o.pay.duty == DutyUnwind)
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
			c := claim{payment: o.pay.id, state: o.pay.state, duty: o.pay.duty, order: o.id, orderState: o.state, reservation: r.ID, risk: RiskUndecided}
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
		if c.duty == DutySettle && c.risk != RiskUndecided && o.review.Decision == RiskUndecided {
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
		w.payment(c.payment).order.accepted = true
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

// place is Checkout.place.
func (a *actor) place(id ropeline.ReservationID, fan ropeline.FanID, key string) (*simOrder, error) {
	r := a.reservation(id)
	if r == nil {
		return nil, errNoReservation
	}
	var known *knownOrder
	o := a.orderOf(r)
	if o != nil {
		known = &knownOrder{key: o.key, same: true}
	}
	again, err := decidePlace(r.Reservation, fan, a.now, known, key, a.canceled)
	if err != nil || again {
		return o, err
	}
	a.dirty = true
	o = &simOrder{id: ropeline.OrderID(fmt.Sprintf("order-%d", len(a.orders)+1)), reservation: r, key: key, state: OrderPending, total: r.Total(),
		review: Reviewed{Decision: RiskUndecided}}
	p := &simPayment{id: ropeline.PaymentID(fmt.Sprintf("pay-%d", len(a.payments)+1)), order: o, provider: simGatewayName, state: PaymentCreated,
		amount: o.total, duty: DutyCreate, dutyAt: a.now.Add(simOptions.Grip)}
	p.key, o.pay = string(p.id), p
	if o.total.Minor == 0 {
		p.provider, p.duty, p.dutyAt = NoProvider, DutySettle, a.now
		a.world.pay(p, PaymentAuthorized)
	}
	a.orders, a.payments = append(a.orders, o), append(a.payments, p)
	return o, nil
}

// learn is Checkout.learn.
func (a *actor) learn(id ropeline.PaymentID, n news) error {
	p := a.payment(id)
	if p == nil {
		return nil
	}
	a.lock(&p.locked)
	if n.webhook != "" && a.without != webhooksKnown {
		if a.webhooks[n.webhook] {
			return nil
		}
		a.webhooks[n.webhook] = true
	}
	s := sight{news: n, attempt: n.webhook != "" || n.looks != nil, payment: id, state: p.state, duty: p.duty, ref: p.ref, now: a.now}
	if s.ref != "" && n.object.Ref != "" && s.ref != n.object.Ref {
		return nil
	}
	if err := s.take(simOptions.Watch); err != nil {
		return err
	}
	a.dirty = true
	if (p.state == PaymentCreated || p.state == PaymentPending) && slices.Contains(s.moves, PaymentAuthorized) {
		p.verdict = a.assess(p)
	}
	for _, next := range s.moves {
		a.world.pay(p, next)
		a.say("%s is %s", p.id, next)
	}
	if p.ref == "" {
		p.ref = n.object.Ref
	}
	p.duty = s.duty
	if !s.dutyAt.IsZero() {
		p.dutyAt, p.attempts = s.dutyAt, 0
	}
	p.declines += s.declines()
	if n.looks != nil && p.lookAt != nil && p.lookAt.Equal(*n.looks) {
		p.lookAt = nil
	}
	if s.state == PaymentConfirmed && s.attempt {
		for _, f := range a.books.refunds {
			if f.pay == p && f.state == RefundTransit && f.dueAt.After(a.now) {
				f.dueAt = a.now
			}
		}
	}
	if s.refund != "" && a.without != takenMoneyGoesBack {
		a.refund(p, p.key+":refund", p.amount)
	}
	if p.duty == DutySettle || p.duty == DutyUnwind {
		a.push(letter{Kind: letterDue})
	}
	return nil
}

// assess is somebody's verdict on a payment, the same each time.
func (w *world) assess(p *simPayment) *Verdict {
	switch w.fate("verdict " + string(p.id)).IntN(10) {
	case 0:
		return &Verdict{Decision: RiskReject}
	case 1:
		return &Verdict{Decision: RiskReview, ReviewSeconds: 30, AtDeadline: RiskAllow}
	case 2:
		return &Verdict{Decision: RiskReview, ReviewSeconds: 30, AtDeadline: RiskReject}
	}
	return &Verdict{Decision: RiskAllow}
}

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

// recordPaid is Checkout.recordPaid.
func (a *actor) recordPaid(p *simPayment) error {
	a.lock(&p.locked)
	state := p.state
	if a.without == capturesKnown && state == PaymentConfirmed {
		p.captures++
		a.issue(p.order)
		return nil
	}
	if news, err := decidePaid(state, p.duty, p.order.state); !news || err != nil {
		return err
	}
	a.dirty = true
	a.world.pay(p, PaymentConfirmed)
	p.duty = DutyNone
	a.world.order(p.order, OrderPaid)
	ended := a.now
	p.order.ended = &ended
	a.issue(p.order)
	a.say("%s is paid", p.order.id)
	return nil
}

func (w *world) issue(o *simOrder) {
	w.dirty = true
	for _, i := range o.reservation.Items {
		for range i.Quantity {
			w.tickets = append(w.tickets, &simTicket{order: o, state: TicketIssued,
				issuedTicket: issuedTicket{id: ropeline.TicketID(fmt.Sprintf("ticket-%d", len(w.tickets)+1)), kind: i.TicketType}})
		}
	}
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

// decideOrder is Checkout.Review.
func (w *world) decideOrder(o *simOrder, decision RiskDecision) error {
	if o.review.Deadline.IsZero() {
		return ropeline.Errorf(ropeline.CodeOrderNotFound, "There is no such order to review.")
	}
	next, err := decideReview(o.review, o.pay.duty, decision)
	if err != nil || next == DutyNone {
		return err
	}
	w.dirty = true
	o.pay.duty, o.pay.dutyAt, o.pay.attempts = next, w.now, 0
	w.risk(o, decision)
	return nil
}

var simOptions = Options{Hold: 20 * time.Second, Abandon: 2 * time.Minute, Watch: 10 * time.Second, Grip: 15 * time.Second}.withDefaults()

var _ payment.Provider = (*simGateway)(nil)
