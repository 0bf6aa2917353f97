package checkout

import (
	"crypto/sha256"
	"fmt"
	"time"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/checkout/payment"
)

const simEvent = ropeline.EventID("00000000000000000000000000")

// visit is a fan who wants tickets, a few times: and changes the mind, forgets,
// asks twice, pays in time, just in time or too late.
func (a *actor) visit() {
	fan := ropeline.FanID(a.name)
	for n := range 1 + a.dice.IntN(3) {
		a.pass(a.between(0, 20*time.Second))
		if a.calm {
			return
		}
		sum := sha256.Sum256(fmt.Appendf(nil, "%s %d", fan, n))
		q := letter{Kind: letterReserve, Reservation: ropeline.NewReservationID(simEvent, [16]byte(sum[:16])), Fan: fan, Items: a.wish()}
		r := a.ask(q)
		if r == nil || r.State != ReservationHeld {
			continue
		}
		a.say("holds %s", q.Reservation[27:33])
		a.pass(a.between(0, 4*time.Second))
		if a.chance(15) {
			change := letter{Kind: letterChange, Reservation: r.ID, Fan: fan, Items: a.wish(), Op: fmt.Sprint("op-", n)}
			a.ask(change)
			a.ask(change)
		}
		switch a.dice.IntN(10) {
		case 0:
			a.ask(letter{Kind: letterRelease, Reservation: r.ID, Fan: fan})
			continue
		case 1:
			continue // and forgets it
		}
		a.buy(r, fmt.Sprint(a.name, " key ", n))
	}
}

func (a *actor) wish() (items []ropeline.Item) {
	for i, kind := range a.kinds {
		if n := a.dice.IntN(3); n > 0 || i == len(a.kinds)-1 && items == nil {
			items = append(items, ropeline.Item{TicketType: kind, Quantity: max(n, 1)})
		}
	}
	return items
}

// ask sends a letter, now and then once more, until it is decided.
func (a *actor) ask(q letter) *simReservation {
	a.push(q)
	for range 40 {
		a.pass(a.between(50*time.Millisecond, 400*time.Millisecond))
		r := a.reservation(q.Reservation)
		switch {
		case q.Kind == letterReserve && r != nil, q.Kind == letterRelease && r.State != ReservationHeld,
			(q.Kind == letterChange || q.Kind == letterCapacity) && a.decisions[q.id()] != nil:
			if a.chance(15) {
				a.push(q) // the answer was not heard
			}
			return r
		case a.chance(20):
			a.push(q)
		}
	}
	return nil
}

func (a *actor) buy(r *simReservation, key string) {
	o, err := a.place(r.ID, r.Fan, key)
	if err != nil {
		return
	}
	a.say("orders %s for %s", o.id, o.total)
	if o.total.Minor == 0 {
		a.push(letter{Kind: letterDue})
		return
	}
	a.step() // here the node may die that is to open the intent
	a.perform(o.pay, true)
	if again, err := a.place(r.ID, r.Fan, key); err == nil && again != o {
		a.breaks("I10", "one key, two orders: %s and %s", o.id, again.id)
	}
	if a.chance(10) {
		a.push(letter{Kind: letterRelease, Reservation: r.ID, Fan: r.Fan})
	}
	for range 60 {
		if o.pay.ref != "" {
			break
		}
		a.pass(500 * time.Millisecond)
	}
	i := a.gateway.intent(o.pay.ref)
	if i == nil {
		return
	}
	wait := a.between(0, 4*time.Second)
	switch a.dice.IntN(5) {
	case 0:
		wait = r.Deadline.Sub(a.now) + a.between(-time.Second, 2*time.Second)
	case 1:
		wait = r.Deadline.Sub(a.now) + a.between(0, 150*time.Second)
	}
	a.pass(max(wait, time.Millisecond))
	i.refuses = a.chance(8)
	if a.chance(30) {
		a.say("is declined for %s", o.id)
		a.gateway.pay(i, true)
		a.pass(a.between(0, 3*time.Second))
	}
	if a.chance(90) {
		a.say("pays for %s", o.id)
		a.gateway.pay(i, false)
	}
}

// organize is an organizer who cannot leave the sale alone.
func (a *actor) organize() {
	for n := range 4 {
		a.pass(a.between(time.Second, 20*time.Second))
		if a.calm {
			return
		}
		switch a.dice.IntN(8) {
		case 0, 1:
			q := letter{Kind: letterCapacity, Type: a.kinds[a.dice.IntN(len(a.kinds))], Capacity: a.dice.IntN(6), Op: fmt.Sprint("capacity-", n)}
			a.say("sets the capacity to %d", q.Capacity)
			a.ask(q)
		case 2, 3:
			a.someOrder(func(o *simOrder) {
				wish, giveBack, err := decideCancel(o.state)
				if err != nil || !wish || o.cancel {
					return
				}
				a.say("cancels %s", o.id)
				o.cancel, o.restock, a.dirty = true, a.chance(50), true
				if giveBack {
					a.cancelPaid(o)
				}
			})
		case 4, 5:
			a.someOrder(func(o *simOrder) {
				q := Refunding{Order: o.id, Reason: "kindness", Restock: a.chance(50)}
				switch a.dice.IntN(3) {
				case 0:
					q.Minor, q.Restock = 30, false
				case 1:
					for _, t := range a.tickets {
						if t.order == o && len(q.Tickets) == 0 {
							q.Tickets = append(q.Tickets, t.id)
						}
					}
				}
				if q.check() == nil && a.askRefund(o, q) == nil {
					a.say("gives money of %s back", o.id)
				}
			})
		case 6:
			a.someOrder(func(o *simOrder) {
				decision := []RiskDecision{RiskAllow, RiskReject}[a.dice.IntN(2)]
				if a.decideOrder(o, decision) == nil {
					a.say("decides about %s: %s", o.id, decision)
				}
			})
		case 7:
			if a.chance(30) {
				a.cancelEvent()
			} else {
				a.captureBehind()
			}
		}
	}
}

func (a *actor) someOrder(do func(*simOrder)) {
	if len(a.orders) > 0 {
		o := a.orders[a.dice.IntN(len(a.orders))]
		a.lock(&o.pay.locked)
		do(o)
	}
}

// captureBehind takes money at the gateway's own desk, past the house.
func (a *actor) captureBehind() {
	for _, i := range a.gateway.intents {
		if i.Status == payment.StatusAuthorized {
			a.say("captures %s behind the house's back", i.Ref)
			i.Status = payment.StatusCaptured
			a.gateway.post(i)
			return
		}
	}
}

// cancelEvent is Checkout.CancelEvent.
func (a *actor) cancelEvent() {
	a.lock(&a.locked)
	a.say("cancels the event")
	a.canceled, a.dirty = true, true
	for _, o := range a.orders {
		switch o.state {
		case OrderPending, OrderPaid:
			o.cancel, o.restock = true, false
		case OrderExpired:
			if o.pay.duty == DutyCreate || o.pay.duty == DutyWatch {
				o.pay.duty, o.pay.dutyAt, o.pay.attempts = DutyVoid, a.now, 0
			}
		}
	}
}
