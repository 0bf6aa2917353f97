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
	acceptedAt  time.Time
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
		a.askAfter(p, n.object.Refunded)
	}
	if s.refund != "" && a.without != takenMoneyGoesBack {
		a.refund(p, p.key+":refund", p.amount)
	}
	if p.duty == DutySettle || p.duty == DutyUnwind {
		a.push(letter{Kind: letterDue})
	}
	return nil
}

// askAfter is queueAskAfter.
func (w *world) askAfter(p *simPayment, refunded int64) {
	var back int64
	for _, f := range w.books.refunds {
		if f.pay == p && (f.state == RefundTransit || f.state == RefundDone) {
			back += f.amount.Minor
		}
	}
	for _, f := range w.books.refunds {
		if f.pay == p && (f.state == RefundTransit || f.state == RefundDone && refunded != back) && f.dueAt.After(w.now) {
			f.dueAt = w.now
		}
	}
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

// recordPaid is Checkout.recordPaid.
func (a *actor) recordPaid(p *simPayment) error {
	a.lock(&p.locked)
	state := p.state
	if a.without == capturesKnown && state == PaymentConfirmed {
		p.captures++
		a.issue(p.order)
		return nil
	}
	if news, err := decidePaid(state, p.duty, p.order.accepted, p.order.state); !news || err != nil {
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
