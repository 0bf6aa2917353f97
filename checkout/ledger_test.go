package checkout

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ropeline/ropeline"
)

// ledgerMachine drives the ledger with everything that can happen to it, and
// recounts after each step what must hold, from the entries alone.
type ledgerMachine struct {
	ledger *ledger
	kinds  []ropeline.TicketTypeID
	fans   []ropeline.FanID
	orders map[ropeline.ReservationID]OrderState // as the clerk's statements would leave them
	made   int
	ops    int
	sums   map[ropeline.TicketTypeID]stockChange // of the ledger's rows
}

const ledgerEvent = ropeline.EventID("00000000000000000000000000")

func newLedgerMachine(t *rapid.T) *ledgerMachine {
	m := &ledgerMachine{
		ledger: &ledger{
			now: time.Unix(1000, 0), hold: 10 * time.Second, opens: time.Unix(1002, 0), closes: time.Unix(1060, 0),
			shelves: map[ropeline.TicketTypeID]*shelf{}, fans: map[fanShelf]int{}, reservations: map[ropeline.ReservationID]*entry{},
			shared: map[identityShelf]int{}, decided: map[string]*decision{}, across: rapid.SampledFrom([]ropeline.Across{ropeline.AcrossNone, ropeline.AcrossBoth}).Draw(t, "across"),
		},
		orders: map[ropeline.ReservationID]OrderState{}, sums: map[ropeline.TicketTypeID]stockChange{},
	}
	for i := range 2 {
		id := ropeline.TicketTypeID(fmt.Sprintf("kind-%d", i))
		m.kinds = append(m.kinds, id)
		m.ledger.shelves[id] = &shelf{
			capacity: rapid.IntRange(0, 6).Draw(t, "capacity"), maxPerOrder: rapid.IntRange(1, 3).Draw(t, "perOrder"),
			maxPerFan: rapid.IntRange(1, 4).Draw(t, "perFan"), unit: ropeline.Money{Minor: 100, Currency: "EUR"},
		}
		m.sums[id] = stockChange{capacity: m.ledger.shelves[id].capacity}
	}
	for i := range 3 {
		m.fans = append(m.fans, ropeline.FanID(fmt.Sprintf("fan-%d", i)))
	}
	return m
}

func (m *ledgerMachine) any(t *rapid.T, states ...ReservationState) *entry {
	var found []*entry
	for i := range m.made {
		e := m.ledger.reservations[reservationNumber(i)]
		for _, s := range states {
			if e.State == s {
				found = append(found, e)
			}
		}
	}
	if len(found) == 0 {
		t.Skip("none")
	}
	return rapid.SampledFrom(found).Draw(t, "entry")
}

func reservationNumber(i int) ropeline.ReservationID {
	return ropeline.NewReservationID(ledgerEvent, [16]byte{byte(i >> 8), byte(i)})
}

// step ends a batch: what was fresh is a row now.
func (m *ledgerMachine) step(t *rapid.T) {
	l := m.ledger
	for _, c := range l.changes {
		sum := m.sums[c.ticketType]
		sum.capacity, sum.held, sum.sold = sum.capacity+c.capacity, sum.held+c.held, sum.sold+c.sold
		if sum.held < 0 || sum.sold < 0 || sum.held+sum.sold > sum.capacity {
			t.Fatalf("after %+v the ledger says %+v", c, sum)
		}
		m.sums[c.ticketType] = sum
	}
	l.rewritten, l.decisions = nil, nil
	for _, e := range append(l.fresh, l.changed...) {
		e.isNew, e.moved = false, false
		switch {
		case e.State == ReservationExpired && m.orders[e.ID] == OrderPending:
			m.orders[e.ID] = OrderExpired
		case e.State == ReservationReleased && m.orders[e.ID] == OrderPending:
			m.orders[e.ID] = OrderCanceled
		}
	}
	l.changes, l.fresh, l.changed, l.accepted, l.refused, l.unwound = nil, nil, nil, nil, nil, nil
}

func (m *ledgerMachine) Reserve(t *rapid.T) {
	n := rapid.IntRange(0, m.made).Draw(t, "number") // also one that was decided
	q := letter{Kind: letterReserve, Reservation: reservationNumber(n), Fan: rapid.SampledFrom(m.fans).Draw(t, "fan")}
	for _, kind := range m.kinds {
		if quantity := rapid.IntRange(0, 3).Draw(t, "quantity"); quantity > 0 {
			q.Items = append(q.Items, ropeline.Item{TicketType: kind, Quantity: quantity})
		}
	}
	if len(q.Items) == 0 {
		t.Skip("nothing")
	}
	before, known := m.ledger.reservations[q.Reservation]
	var was entry
	if known {
		was = *before
	}
	e := m.ledger.reserve(q)
	if known {
		if e.State != was.State || e.Fan != was.Fan || e.Deadline != was.Deadline {
			t.Fatalf("a decided request was decided again: %+v, was %+v", e, was)
		}
		return
	}
	m.made++
	if e.State == ReservationHeld && (m.ledger.now.Before(m.ledger.opens) || !m.ledger.now.Before(m.ledger.closes)) {
		t.Fatal("held outside of the sale")
	}
	if e.State == ReservationRejected && e.Reason == "" {
		t.Fatal("rejected without a reason")
	}
	if e.State == ReservationRejected && e.Reason == ropeline.CodeSoldOut {
		for _, i := range e.Items {
			if m.ledger.shelves[i.TicketType].left() < i.Quantity {
				return
			}
		}
		t.Fatal("called sold out with stock for it")
	}
}

func (m *ledgerMachine) Change(t *rapid.T) {
	e := m.any(t, ReservationHeld, ReservationConverted, ReservationExpired)
	e.ordered = m.orders[e.ID] != ""
	m.ops++
	q := letter{Kind: letterChange, Reservation: e.ID, Fan: rapid.SampledFrom(m.fans).Draw(t, "fan"), Op: fmt.Sprint(m.ops)}
	for _, kind := range m.kinds {
		if quantity := rapid.IntRange(0, 3).Draw(t, "quantity"); quantity > 0 {
			q.Items = append(q.Items, ropeline.Item{TicketType: kind, Quantity: quantity})
		}
	}
	if len(q.Items) == 0 {
		t.Skip("nothing")
	}
	was, state, deadline := fmt.Sprint(e.Items), e.State, e.Deadline
	d := m.ledger.change(q)
	if e.State != state || e.Deadline != deadline {
		t.Fatal("a change moved the state or the deadline")
	}
	if d.reason != "" && fmt.Sprint(e.Items) != was {
		t.Fatalf("refused with %s, and changed all the same", d.reason)
	}
	if d.reason == "" && (state != ReservationHeld || e.ordered || q.Fan != e.Fan) {
		t.Fatalf("changed a reservation that is %s, ordered %v, of another fan %v", state, e.ordered, q.Fan != e.Fan)
	}
	if d.reason == "" && len(e.Items) != len(q.Items) {
		t.Fatalf("asked for %v, got %v", q.Items, e.Items)
	}
	changes := len(m.ledger.changes)
	if again := m.ledger.change(q); again != d || len(m.ledger.changes) != changes {
		t.Fatal("decided twice")
	}
}

func (m *ledgerMachine) Capacity(t *rapid.T) {
	m.ops++
	q := letter{Kind: letterCapacity, Type: rapid.SampledFrom(m.kinds).Draw(t, "kind"), Capacity: rapid.IntRange(0, 8).Draw(t, "capacity"), Op: fmt.Sprint(m.ops)}
	s := m.ledger.shelves[q.Type]
	fits := q.Capacity >= s.held+s.sold
	if d := m.ledger.capacity(q); fits != (d.reason == "") || fits && s.capacity != q.Capacity {
		t.Fatalf("%d for %+v: %+v", q.Capacity, s, d)
	}
}

func (m *ledgerMachine) Release(t *rapid.T) {
	e := m.any(t, ReservationHeld, ReservationConverted, ReservationExpired, ReservationReleased, ReservationRejected)
	fan := rapid.SampledFrom(m.fans).Draw(t, "fan")
	was := e.State
	got := m.ledger.release(letter{Kind: letterRelease, Reservation: e.ID, Fan: fan})
	if fan != e.Fan && (got != nil || e.State != was) {
		t.Fatal("another fan's was released")
	}
	if fan == e.Fan && was == ReservationHeld && e.State != ReservationReleased {
		t.Fatal("not released")
	}
}

func (m *ledgerMachine) Order(t *rapid.T) {
	if e := m.any(t, ReservationHeld); m.orders[e.ID] == "" {
		m.orders[e.ID] = OrderPending
	}
}

func (m *ledgerMachine) Expire(t *rapid.T) {
	e := m.any(t, ReservationHeld, ReservationExpired)
	due := !m.ledger.now.Before(e.Deadline)
	was := e.State
	m.ledger.expire(e.ID)
	if was == ReservationHeld && (e.State == ReservationExpired) != due {
		t.Fatalf("due %v, but %s", due, e.State)
	}
}

func (m *ledgerMachine) Settle(t *rapid.T) {
	e := m.any(t, ReservationHeld, ReservationConverted, ReservationExpired, ReservationReleased)
	order := m.orders[e.ID]
	if order == "" {
		t.Skip("no order")
	}
	was := e.State
	risk := rapid.SampledFrom([]RiskDecision{RiskUndecided, RiskAllow, RiskReview, RiskReject}).Draw(t, "risk")
	card := rapid.SampledFrom([]string{"", "one", "another"}).Draw(t, "card")
	m.ledger.settle(claim{duty: DutySettle, orderState: order, reservation: e.ID, card: card, risk: risk})
	for _, kind := range m.kinds {
		if n := m.ledger.shared[identityShelf{identity{"card", "one"}, kind}]; n > m.ledger.shelves[kind].maxPerFan {
			t.Fatalf("one card has %d", n)
		}
	}
	if len(m.ledger.accepted)+len(m.ledger.refused) != 1 {
		t.Fatal("neither accepted nor refused")
	}
	accepted := len(m.ledger.accepted) == 1
	if len(m.ledger.refused) == 1 && m.ledger.refused[0].reason != nil && m.ledger.across == ropeline.AcrossBoth {
		return // its card has enough
	}
	if accepted != (was != ReservationConverted && e.State == ReservationConverted) {
		t.Fatalf("accepted %v, from %s to %s", accepted, was, e.State)
	}
	if risk == RiskReject {
		if accepted || e.State == ReservationHeld && order == OrderPending {
			t.Fatalf("rejected, and %s", e.State)
		}
		return
	}
	if was == ReservationHeld && order == OrderPending && !accepted {
		t.Fatal("a hold was not honoured")
	}
}

func (m *ledgerMachine) Unwind(t *rapid.T) {
	e := m.any(t, ReservationHeld, ReservationConverted, ReservationExpired, ReservationReleased)
	m.ledger.unwind(claim{duty: DutyUnwind, orderState: m.orders[e.ID], reservation: e.ID})
	if e.State == ReservationHeld || e.State == ReservationConverted {
		t.Fatalf("still %s", e.State)
	}
}

func (m *ledgerMachine) Time(t *rapid.T) {
	m.ledger.now = m.ledger.now.Add(time.Duration(rapid.IntRange(1, 8).Draw(t, "seconds")) * time.Second)
}

// Check recounts the desk.
func (m *ledgerMachine) Check(t *rapid.T) {
	m.step(t)
	held, sold, fans := map[ropeline.TicketTypeID]int{}, map[ropeline.TicketTypeID]int{}, map[fanShelf]int{}
	for _, e := range m.ledger.reservations {
		for _, i := range e.Items {
			switch e.State {
			case ReservationHeld:
				held[i.TicketType] += i.Quantity
				fans[fanShelf{e.Fan, i.TicketType}] += i.Quantity
			case ReservationConverted:
				sold[i.TicketType] += i.Quantity
				fans[fanShelf{e.Fan, i.TicketType}] += i.Quantity
			}
		}
	}
	for id, s := range m.ledger.shelves {
		if s.held != held[id] || s.sold != sold[id] {
			t.Fatalf("%s: held %d, counted %d; sold %d, counted %d", id, s.held, held[id], s.sold, sold[id])
		}
		if sum := m.sums[id]; sum.capacity != s.capacity || sum.held != s.held || sum.sold != s.sold {
			t.Fatalf("%s: the ledger says %+v, the shelf %+v", id, sum, s)
		}
		if s.held+s.sold > s.capacity || s.held < 0 || s.sold < 0 {
			t.Fatalf("%s: held %d + sold %d of %d", id, s.held, s.sold, s.capacity)
		}
		for _, fan := range m.fans {
			if n := fans[fanShelf{fan, id}]; n > s.maxPerFan || n != m.ledger.fans[fanShelf{fan, id}] {
				t.Fatalf("%s has %d of %s, the desk says %d, the limit is %d", fan, n, id, m.ledger.fans[fanShelf{fan, id}], s.maxPerFan)
			}
		}
	}
}

func TestLedgerKeepsItsPromises(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newLedgerMachine(t)
		t.Repeat(rapid.StateMachineActions(m))
	})
}
