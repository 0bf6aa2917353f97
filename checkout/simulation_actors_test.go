package checkout

import (
	"fmt"
	"slices"
	"time"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/checkout/payment"
)

// mailroom is the mailbox of the one sale, with its lease and its wake-ups.
type mailroom struct {
	letters []letter
	lease   string
	until   time.Time // the end of the lease
	waking  time.Time // until then nobody else is woken
}

// push puts a letter in that is not there yet, and wakes a clerk when nobody
// serves; now and then the wake-up is lost.
func (w *world) push(letters ...letter) {
	for _, q := range letters {
		if !slices.ContainsFunc(w.letters, func(l letter) bool { return l.id() == q.id() && l.Op != wasRead }) {
			w.letters = append(w.letters, q)
		}
	}
	if len(w.letters) == 0 || w.now.Before(w.until) || w.now.Before(w.waking) {
		return
	}
	w.waking = w.now.Add(wakeTime)
	w.clerks++
	name := fmt.Sprintf("clerk %d", w.clerks)
	fate := w.fate("wake " + name)
	if !w.calm && w.cast.has(deaths) && fate.IntN(20) == 0 {
		w.tell(name, "is not woken")
		w.clerkFell = w.now
		return
	}
	w.enter(name, time.Duration(fate.IntN(30))*time.Millisecond, false, (*actor).serve)
}

// wasRead marks the letter "due" once a clerk has read it: another one that
// comes after that is not the same.
const wasRead = "read"

// serve is Serve: one clerk's turn.
func (a *actor) serve() {
	if a.now.Before(a.until) {
		return
	}
	a.lease, a.until, a.waking = a.name, a.now.Add(leaseTime), time.Time{}
	a.step()
	a.fence++
	fence := a.fence
	a.step()
	var decided []letter
	looked := false
	for quiet := time.Duration(0); ; {
		if a.lease != a.name || !a.now.Before(a.until) {
			a.say("has lost its lease")
			return
		}
		a.until = a.now.Add(leaseTime)
		a.letters = slices.DeleteFunc(a.letters, func(l letter) bool {
			return slices.ContainsFunc(decided, func(d letter) bool { return d.id() == l.id() }) && (l.Kind != letterDue || l.Op == wasRead)
		})
		looks := !looked
		for i := range a.letters[:min(len(a.letters), batchSize)] {
			if a.letters[i].Kind == letterDue {
				a.letters[i].Op, looks = wasRead, true
			}
		}
		decided = slices.Clone(a.letters[:min(len(a.letters), batchSize)])
		if len(decided) == 0 {
			if quiet += 100 * time.Millisecond; quiet > linger {
				a.lease, a.until = "", time.Time{}
				return
			}
			a.pass(100 * time.Millisecond)
			continue
		}
		quiet = 0
		a.fall("before its batch")
		if !a.batch(fence, decided, looks) {
			return
		}
		looked = true
		a.fall("between commit and trim")
	}
}

// fall is where a clerk may die, or sleep until it has lost its lease.
func (a *actor) fall(where string) {
	fate := 1000
	if !a.calm {
		fate = a.dice.IntN(1000)
	}
	switch {
	case fate < 40 && a.cast.has(deaths):
		a.say("dies %s", where)
		a.clerkFell = a.now
		panic(died{})
	case fate >= 40 && fate < 80 && a.cast.has(sleeps):
		a.say("sleeps %s", where)
		a.clerkFell = a.now
		a.pass(a.between(time.Second, 12*time.Second))
	default:
		a.step()
	}
}

// batch is service.batch: a transaction with the sale's row locked.
func (a *actor) batch(fence int64, letters []letter, looks bool) bool {
	if a.without != saleLocked {
		a.lock(&a.locked)
		a.locked = true
	}
	var locked []*simPayment
	unlock := func() {
		a.locked = a.locked && a.without == saleLocked
		for _, p := range locked {
			p.locked = false
		}
	}
	d := a.read(letters, looks)
	d.ledger.takesUp = a.chance(2)
	for _, c := range d.claims {
		locked = append(locked, a.payment(c.payment))
	}
	if d.fence != fence && a.without != saleLocked {
		unlock()
		a.say("gives way to another")
		return false
	}
	a.holds = append(a.holds, unlock)
	if a.without == saleLocked {
		a.pass(a.between(time.Millisecond, 300*time.Millisecond))
	} else {
		a.fallOpen()
	}
	if a.without == lateLooksAgain {
		a.settleBlindly(d)
	}
	answers := d.decide(letters)
	a.commit(d)
	a.holds = nil
	unlock()
	for _, c := range d.ledger.accepted {
		if d.ledger.takes(c) {
			a.handOver(c)
		}
	}
	a.say("commits %d answers, %d accepted, %d refused, %d unwound, %d ended", len(answers), len(d.ledger.accepted), len(d.ledger.refused),
		len(d.ledger.unwound), len(d.ledger.changed))
	return true
}

// handOver has the capture of an accepted order performed in the clerk's process,
// beside it; it is lost with a process that dies.
func (a *actor) handOver(c claim) {
	name := "capture of " + string(c.payment)
	fate := a.fate(name)
	if !a.calm && a.cast.has(deaths) && fate.IntN(4) == 0 {
		a.tell(name, "is lost")
		return
	}
	o := c.owed("", a.now)
	a.enter(name, time.Duration(fate.IntN(30))*time.Millisecond, false, func(a *actor) {
		p := a.payment(o.payment)
		o.gateway = a.gateway
		a.nap()
		if err := a.do(p, o); err != nil {
			a.lock(&p.locked)
			if p.duty == DutySettle {
				p.duty, p.dutyAt = DutyCapture, a.now.Add(500*time.Millisecond)
			}
			a.dirty = true
		}
	})
}

// settleBlindly accepts late money as if there were stock without end.
func (a *actor) settleBlindly(d *desk) {
	for _, s := range d.ledger.shelves {
		s.capacity += 1000
	}
	d.claims = slices.DeleteFunc(d.claims, func(c claim) bool {
		late := c.duty == DutySettle && c.orderState == OrderExpired
		if late {
			d.ledger.settle(c)
		}
		return late
	})
	for _, s := range d.ledger.shelves {
		s.capacity -= 1000
	}
}

// fallOpen is a death with the transaction open: nothing of it is kept.
func (a *actor) fallOpen() {
	if !a.calm && a.cast.has(deaths) && a.chance(3) {
		a.say("dies before its commit")
		a.clerkFell = a.now
		panic(died{})
	}
	a.step()
}

// sweep is what finds whatever was forgotten.
func (a *actor) sweep() {
	for {
		due := false
		for _, r := range a.reservations {
			o := a.orderOf(r)
			due = due || r.State == ReservationHeld && !a.now.Before(r.Deadline) || o != nil && (o.cancel && o.state == OrderPending && !o.accepted ||
				(o.pay.duty == DutySettle || o.pay.duty == DutyUnwind) && !a.now.Before(o.pay.dutyAt) && !a.handed(o) || a.canceled && r.State == ReservationHeld)
		}
		for _, b := range a.books.returns {
			due = due || !b.done
		}
		if due {
			a.push(letter{Kind: letterDue})
		} else {
			a.push()
		}
		for _, o := range a.orders {
			switch {
			case !o.cancel:
			case o.state == OrderPaid:
				a.lock(&o.pay.locked)
				if o.state == OrderPaid {
					a.cancelPaid(o)
				}
			case o.state == OrderPending && o.pay.duty == DutyReview && !o.pay.locked:
				_ = a.decideOrder(o, RiskReject)
			}
		}
		a.rest()
	}
}

// rest is the pause of a sweep; once nobody wants anything, until the next
// thing is due.
func (a *actor) rest() {
	pause := time.Second
	if a.calm {
		if next := a.nextDue(); next.After(a.now) {
			pause = max(pause, next.Sub(a.now))
		}
	}
	a.pass(pause)
}

// work is a worker: it does what payments and refunds are owed.
func (a *actor) work() {
	for {
		for _, p := range slices.Clone(a.payments) {
			if owedToWorker(p) && !p.dutyAt.After(a.now) || p.lookAt != nil && !p.lookAt.After(a.now) {
				a.perform(p, false)
			}
		}
		for _, f := range slices.Clone(a.books.refunds) {
			if f.state != RefundFailed && !f.dueAt.After(a.now) {
				a.performRefund(f)
			}
		}
		a.rest()
	}
}

func owedToWorker(p *simPayment) bool {
	switch p.duty {
	case DutyCreate, DutyWatch, DutyReview, DutyCapture, DutyVoid:
		return true
	}
	return false
}

// perform is Checkout.perform.
func (a *actor) perform(p *simPayment, ours bool) {
	a.lock(&p.locked)
	due := owedToWorker(p) && (ours || !p.dutyAt.After(a.now))
	looks := p.lookAt != nil && !p.lookAt.After(a.now)
	if !due && !looks {
		return
	}
	p.attempts++
	until := a.now.Add(simOptions.Grip)
	o := owed{payment: p.id, provider: p.provider, gateway: a.gateway, ref: p.ref, key: p.key, state: p.state, duty: p.duty, due: due, attempts: p.attempts,
		amount: p.amount, order: p.order.id, orderState: p.order.state, orderEnd: p.order.ended, now: a.now}
	if due {
		p.dutyAt = until
	}
	if looks {
		p.lookAt, o.looks = &until, &until
	}
	a.nap()
	var err error
	if o.looks != nil {
		n := news{gateway: o.provider, asked: o.now, looks: o.looks}
		if err = n.ask(a.context(), o.gateway, o.ref, gatewayTime); err == nil {
			err = a.learn(o.payment, n)
		}
	}
	if err == nil && due {
		err = a.do(p, o)
	}
	if err != nil {
		pause := a.now.Add(min(500*time.Millisecond<<min(p.attempts, 10), time.Minute))
		a.lock(&p.locked)
		if due && p.duty == o.duty {
			p.dutyAt = pause
		}
		if looks && p.lookAt != nil && p.lookAt.Equal(*o.looks) {
			p.lookAt = &pause
		}
		a.dirty = true
	}
}

// nap is a worker that stands still, longer than a duty is its own.
func (a *actor) nap() {
	if !a.calm && a.cast.has(sleeps) && a.chance(4) {
		a.say("stands still")
		a.pass(a.between(time.Second, 30*time.Second))
	}
	a.step()
}

func (a *actor) do(p *simPayment, o owed) error {
	observe := func(object payment.Object) error {
		return a.learn(o.payment, news{gateway: o.provider, object: object, asked: o.now})
	}
	switch o.duty {
	case DutyCreate:
		object, err := o.askCreate(a.context())
		if err != nil {
			return err
		}
		return observe(object)
	case DutyWatch:
		n := news{gateway: o.provider, asked: o.now}
		if err := n.ask(a.context(), o.gateway, o.ref, gatewayTime); err != nil {
			return err
		}
		if err := a.learn(o.payment, n); err != nil {
			return err
		}
		a.lock(&p.locked)
		if next, pause := o.afterWatch(simOptions); p.duty == DutyWatch {
			p.duty, p.dutyAt = next, a.now.Add(pause)
		}
		return nil
	case DutyReview:
		if err := a.decideOrder(p.order, p.order.review.Default); err != nil && ropeline.CodeOf(err) != ropeline.CodeReviewDecided {
			return err
		}
		return nil
	case DutyCapture:
		if o.provider != NoProvider {
			object, err := o.askCapture(a.context())
			if err != nil {
				return err
			}
			if object.Status != payment.StatusCaptured {
				return observe(object)
			}
		}
		a.nap()
		return a.recordPaid(p)
	}
	object, err := o.askVoid(a.context())
	if err != nil {
		return err
	}
	return observe(object)
}

// performRefund is Checkout.PerformRefund.
func (a *actor) performRefund(f *simRefunding) {
	f.attempts++
	grip := a.now.Add(simOptions.Grip)
	f.dueAt = grip
	from := f.state
	a.step()
	var told payment.Refund
	var err error
	if from == RefundCreated {
		told, err = a.gateway.Refund(a.context(), f.pay.ref, f.amount, f.key)
	} else {
		told, err = a.gateway.GetRefund(a.context(), f.ref)
	}
	if payment.Permanent(err) {
		told, err = payment.Refund{Ref: f.ref, Status: payment.RefundFailed}, nil
	}
	if err != nil {
		f.dueAt = a.now.Add(min(500*time.Millisecond<<min(f.attempts, 10), time.Minute))
		return
	}
	steps, err := refundSteps(from, told.Status)
	if err != nil {
		a.breaks("transition", "%s: %v", f.id, err)
	}
	for _, next := range steps {
		if f.state == from {
			f.state, from = next, next
			a.dirty = true
		}
	}
	if f.ref == "" {
		f.ref = told.Ref
	}
	if f.state == from && f.dueAt.Equal(grip) {
		f.dueAt = a.now.Add(never)
		if from == RefundTransit {
			f.dueAt = a.now.Add(min(simOptions.Grip<<min(f.attempts-1, 20), mostTransit))
		}
	}
}

const never = 1000 * time.Hour

// webhook is Checkout.Webhook, after the signature.
func (a *actor) webhook(e payment.Event) {
	if a.webhooks[e.ID] && a.without != webhooksKnown {
		return
	}
	n := news{gateway: simGatewayName, webhook: e.ID, asked: a.now}
	if err := n.ask(a.context(), a.gateway, e.Ref, askTime); err == nil {
		_ = a.learn(n.object.PaymentID, n)
		return
	}
	// lookLater
	p := a.payment(e.PaymentID)
	a.lock(&p.locked)
	if a.webhooks[e.ID] {
		return
	}
	a.webhooks[e.ID] = true
	now := a.now
	p.lookAt = &now
	if p.ref == "" {
		p.ref = e.Ref
	}
}
