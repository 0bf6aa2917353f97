package checkout

import (
	"errors"
	flags "flag"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"
	"pgregory.net/rapid"

	"github.com/ropeline/ropeline"
)

// clerkMachine drives clerks over the real engines, and predicts with a plain
// model what they answer and leave behind.
type clerkMachine struct {
	h     *house
	event ropeline.Event

	clerks []*service // the last one has the highest fence
	lease  *service   // whose it is; nil: nobody's
	made   int

	// The model.
	capacity, held, sold int
	holds                []*modelHold
	fans                 []ropeline.FanID
	box                  []letter
	told                 map[string]string // by letter: what was decided about it, once and for all
}

type modelHold struct {
	id       ropeline.ReservationID
	fan      ropeline.FanID
	state    ReservationState
	quantity int
	due      bool // its deadline has come
	ordered  bool // and paid: there is a payment to settle
}

const modelPerFan = 4

func newClerkMachine(h *house, t *rapid.T) *clerkMachine {
	m := &clerkMachine{h: h, capacity: rapid.IntRange(1, 7).Draw(t, "capacity"), told: map[string]string{}}
	m.event = h.event(kind{m.capacity, 3, modelPerFan, 0})
	for range 3 {
		m.fans = append(m.fans, fan())
	}
	m.NewClerk(t)
	return m
}

func (m *clerkMachine) must(t *rapid.T, err error) {
	if err != nil {
		t.Fatal(err)
	}
}

// NewClerk breaks whoever's lease it is and begins to serve.
func (m *clerkMachine) NewClerk(t *rapid.T) {
	m.KillLease(t)
	m.made++
	s := &service{Checkout: m.h.Checkout, event: m.event.ID, token: fmt.Sprint("clerk ", m.made)}
	held, err := m.h.mailbox.lease(m.h.ctx, m.event.ID, s.token, true)
	m.must(t, err)
	if !held {
		t.Fatal("no lease, although it is nobody's")
	}
	s.fence, err = s.raiseFence(m.h.ctx)
	m.must(t, err)
	m.clerks, m.lease = append(m.clerks, s), s
	if len(m.clerks) > 2 {
		m.clerks = m.clerks[1:]
	}
}

func (m *clerkMachine) KillLease(t *rapid.T) {
	m.must(t, m.h.redis.Write.Del(m.h.ctx, keysOf(m.event.ID).lease).Err())
	m.lease = nil
}

// push puts a letter in: one that waits already is not put in twice.
func (m *clerkMachine) push(t *rapid.T, l letter) {
	_, _, err := m.h.mailbox.push(m.h.ctx, m.event.ID, []letter{l})
	m.must(t, err)
	for _, waiting := range m.box {
		if waiting.id() == l.id() {
			return
		}
	}
	m.box = append(m.box, l)
}

func (m *clerkMachine) items(t *rapid.T) []ropeline.Item {
	return []ropeline.Item{{TicketType: m.event.TicketTypes[0].ID, Quantity: rapid.IntRange(1, 4).Draw(t, "quantity")}}
}

func (m *clerkMachine) Reserve(t *rapid.T) {
	n := byte(rapid.IntRange(0, 9).Draw(t, "number")) // now and then one that was asked for before
	q := letter{Kind: letterReserve, Reservation: ropeline.NewReservationID(m.event.ID, [16]byte{n}), Fan: m.fans[int(n)%len(m.fans)], Pass: "pass", Items: m.items(t)}
	if known := m.hold(q.Reservation); known != nil {
		q.Items[0].Quantity = known.quantity
	}
	m.push(t, q)
}

func (m *clerkMachine) hold(id ropeline.ReservationID) *modelHold {
	for _, r := range m.holds {
		if r.id == id {
			return r
		}
	}
	return nil
}

func (m *clerkMachine) any(t *rapid.T) *modelHold {
	if len(m.holds) == 0 {
		t.Skip("none")
	}
	return rapid.SampledFrom(m.holds).Draw(t, "hold")
}

func (m *clerkMachine) Change(t *rapid.T) {
	r := m.any(t)
	op := decisionName(fmt.Sprint(r.id, rapid.IntRange(0, 2).Draw(t, "op")))
	m.push(t, letter{Kind: letterChange, Reservation: r.id, Fan: r.fan, Items: m.items(t), Op: op})
}

func (m *clerkMachine) Release(t *rapid.T) {
	r := m.any(t)
	m.push(t, letter{Kind: letterRelease, Reservation: r.id, Fan: r.fan})
}

func (m *clerkMachine) Capacity(t *rapid.T) {
	op := decisionName(fmt.Sprint(m.event.ID, rapid.IntRange(0, 5).Draw(t, "op")))
	m.push(t, letter{Kind: letterCapacity, Type: m.event.TicketTypes[0].ID, Capacity: rapid.IntRange(0, 9).Draw(t, "capacity"), By: "ann", Op: op})
}

func (m *clerkMachine) Expire(t *rapid.T) {
	r := m.any(t)
	if r.state != ReservationHeld || r.ordered {
		t.Skip("not held")
	}
	_, err := m.h.pair.Pool.Exec(m.h.ctx, "update reservations set deadline = now() - interval '1 second' where id = $1", r.id)
	m.must(t, err)
	r.due = true
}

// Settle orders a hold; the tickets are free, so its payment waits for the clerk.
func (m *clerkMachine) Settle(t *rapid.T) {
	r := m.any(t)
	if r.state != ReservationHeld || r.due || r.ordered {
		t.Skip("not held")
	}
	m.must(t, pgx.BeginFunc(m.h.ctx, m.h.pair.Pool, func(tx pgx.Tx) error {
		_, err := m.h.place(m.h.ctx, tx, Placing{Fan: r.fan, Reservation: r.id, Email: "a@example.com", Key: newKey()})
		return err
	}))
	// Whoever orders tells the clerk.
	_, _, err := m.h.mailbox.push(m.h.ctx, m.event.ID, []letter{{Kind: letterDue}})
	m.must(t, err)
	r.ordered = true
}

// Serve has a clerk, perhaps one that was overtaken, go on with the mailbox; it
// may die between commit and trim.
func (m *clerkMachine) Serve(t *rapid.T) {
	s := rapid.SampledFrom(m.clerks).Draw(t, "clerk")
	dies := rapid.IntRange(0, 3).Draw(t, "dies") == 0
	envelopes, held, err := m.h.mailbox.trim(m.h.ctx, m.event.ID, s.token, nil, batchSize)
	m.must(t, err)
	if held != (m.lease == s) {
		t.Fatalf("%s has the lease: %v", s.token, held)
	}
	if !held {
		// It read the mailbox before it lost the lease.
		for _, l := range m.box {
			envelopes = append(envelopes, envelope{l.id(), l.body()})
		}
		envelopes = append(envelopes, envelope{id: "due"})
	}
	if n := len(envelopes) - dues(envelopes); n != len(m.box) {
		t.Fatalf("%d letters, the model has %d", n, len(m.box))
	}
	asked := make([]<-chan answer, len(m.box))
	for i, l := range m.box {
		answers, leave := m.h.waiters.join(l.id())
		defer leave()
		asked[i] = answers
	}
	err = s.batch(m.h.ctx, envelopes)
	if s != m.clerks[len(m.clerks)-1] {
		if !errors.Is(err, errFenced) {
			t.Fatalf("an old clerk has decided: %v", err)
		}
		return
	}
	m.must(t, err)
	want := m.decide()
	m.compare(t, asked, want)
	if dies {
		m.KillLease(t)
		return
	}
	left, held, err := m.h.mailbox.trim(m.h.ctx, m.event.ID, s.token, envelopes, batchSize)
	m.must(t, err)
	if held != (m.lease == s) || len(left) > 0 {
		t.Fatalf("after the trim: held %v, %d letters", held, len(left))
	}
	if held {
		m.box = nil
	}
}

// dues counts the letters that only say that something is due.
func dues(envelopes []envelope) (n int) {
	for _, e := range envelopes {
		if e.id == "due" {
			n++
		}
	}
	return n
}

// decide is what a batch does by the book: payments, holds that are due, then
// the letters in their order.
func (m *clerkMachine) decide() (want []string) {
	for _, r := range m.holds {
		if r.ordered && r.state == ReservationHeld {
			r.state = ReservationConverted
			m.held, m.sold = m.held-r.quantity, m.sold+r.quantity
		}
	}
	for _, r := range m.holds {
		if r.due && r.state == ReservationHeld {
			r.state = ReservationExpired
			m.held -= r.quantity
		}
	}
	for _, l := range m.box {
		told := m.answer(l)
		if told != "" {
			want = append(want, l.id()+" "+told)
		}
	}
	return want
}

func (m *clerkMachine) answer(l letter) string {
	once := func(decide func() string) string {
		if _, known := m.told[l.id()]; !known {
			m.told[l.id()] = decide()
		}
		return m.told[l.id()]
	}
	switch r := m.hold(l.Reservation); {
	case l.Kind == letterReserve && r == nil:
		r = &modelHold{id: l.Reservation, fan: l.Fan, quantity: l.Items[0].Quantity, state: ReservationRejected}
		if r.quantity <= 3 && m.of(r.fan)+r.quantity <= modelPerFan && m.held+m.sold+r.quantity <= m.capacity {
			r.state = ReservationHeld
			m.held += r.quantity
		}
		m.holds = append(m.holds, r)
		return string(r.state)
	case l.Kind == letterReserve:
		return string(r.state)
	case l.Kind == letterRelease:
		if r.state == ReservationHeld {
			r.state = ReservationReleased
			m.held -= r.quantity
		}
		return string(r.state)
	case l.Kind == letterChange:
		return once(func() string {
			more := l.Items[0].Quantity - r.quantity
			if r.state != ReservationHeld || r.ordered || more > 0 && (l.Items[0].Quantity > 3 || m.of(r.fan)+more > modelPerFan || m.held+m.sold+more > m.capacity) {
				return "refused"
			}
			r.quantity += more
			m.held += more
			return "done"
		})
	case l.Kind == letterCapacity:
		return once(func() string {
			if l.Capacity < m.held+m.sold {
				return "refused"
			}
			m.capacity = l.Capacity
			return "done"
		})
	}
	return ""
}

func (m *clerkMachine) of(fan ropeline.FanID) (n int) {
	for _, r := range m.holds {
		if r.fan == fan && (r.state == ReservationHeld || r.state == ReservationConverted) {
			n += r.quantity
		}
	}
	return n
}

func (m *clerkMachine) compare(t *rapid.T, asked []<-chan answer, want []string) {
	if len(asked) != len(want) {
		t.Fatalf("%d letters, the model has %v", len(asked), want)
	}
	for i, answers := range asked {
		if len(answers) != 1 {
			t.Fatalf("no answer, the model says %s", want[i])
		}
		a := <-answers
		told := string(a.State)
		switch {
		case a.State == "" && a.Reason == "":
			told = "done"
		case a.State == "":
			told = "refused"
		}
		if a.Letter+" "+told != want[i] {
			t.Fatalf("answered %s %s, the model says %s", a.Letter, told, want[i])
		}
	}
}

// Check compares the rows with the model.
func (m *clerkMachine) Check(t *rapid.T) {
	now, err := m.h.StockNow(m.h.ctx, m.event.ID)
	m.must(t, err)
	if s := now.Types[m.event.TicketTypes[0].ID]; s.Capacity != m.capacity || s.Held != m.held || s.Sold != m.sold {
		t.Fatalf("the stock is %+v, the model has %d held and %d sold of %d", s, m.held, m.sold, m.capacity)
	}
	rows, err := m.h.pair.Pool.Query(m.h.ctx, "select id, state, (items->0->>'quantity')::int from reservations where event_id = $1", m.event.ID)
	m.must(t, err)
	n := 0
	var id ropeline.ReservationID
	var state ReservationState
	var quantity int
	_, err = pgx.ForEachRow(rows, []any{&id, &state, &quantity}, func() error {
		n++
		if r := m.hold(id); r == nil || r.state != state || r.quantity != quantity {
			return fmt.Errorf("%s is %s with %d, the model has %+v", id, state, quantity, r)
		}
		return nil
	})
	m.must(t, err)
	if n != len(m.holds) {
		t.Fatalf("%d reservations, the model has %d", n, len(m.holds))
	}
}

// Clerks that come, are overtaken and die over one mailbox do what a plain
// model of a sale does, letter by letter.
func TestClerksDoAsTheModel(t *testing.T) {
	h := newHouse(t, Options{}, true)
	// Each step is some round trips to two engines: fewer runs than in memory.
	checks := flags.Lookup("rapid.checks")
	before := checks.Value.String()
	if before == checks.DefValue {
		must(t, checks.Value.Set("30"))
		defer func() { must(t, checks.Value.Set(before)) }()
	}
	rapid.Check(t, func(t *rapid.T) {
		m := newClerkMachine(h, t)
		t.Repeat(rapid.StateMachineActions(m))
		found, err := Audit(h.ctx, h.pair.Pool, m.event.ID)
		m.must(t, err)
		for _, v := range found {
			if v.Invariant != "I9" && v.Invariant != "I7" { // deadlines were moved, and nobody captures here
				t.Errorf("audit: %s", v)
			}
		}
	})
}
