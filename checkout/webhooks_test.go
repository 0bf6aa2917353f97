package checkout

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/ropeline/ropeline"
)

// stories are what payers do, told to either gateway. Each ends in one way, in
// whatever order its webhooks come.
var stories = []struct {
	name  string
	begin func(l *till, o Order)
	// after is what happens at the gateway once the order is paid.
	after func(l *till, o Order)
}{
	{"approved", func(l *till, o Order) { l.approve(o) }, nil},
	{"declined twice", func(l *till, o Order) { l.decline(o); l.decline(o); l.approve(o) }, nil},
	{"asked by the bank", func(l *till, o Order) { l.ask(o); l.answer(o, true) }, nil},
	{"not recognised by the bank", func(l *till, o Order) { l.ask(o); l.answer(o, false); l.approve(o) }, nil},
	{"refused at capture", func(l *till, o Order) { l.refuseCapture(o) }, nil},
	{"disputed and lost", func(l *till, o Order) { l.approve(o) }, func(l *till, o Order) {
		for _, state := range []string{"needs_response", "under_review", "lost"} {
			l.dispute(o, state)
		}
	}},
}

// end is what an order has come to.
func (l *till) end(o Order) string {
	now := l.look(o)
	disputes := ""
	for _, d := range now.Payment.Disputes {
		disputes += d.State
	}
	refunds := count(l.t, l.pair.Pool, "select count(*) from refunds where payment_id = $1", o.Payment.ID)
	state := string(now.Payment.State)
	if now.State == OrderCanceled {
		state = "" // a capture refused: failed at one gateway, canceled at the other
	}
	return fmt.Sprintf("order %s, payment %s, failure %q, %d tickets, %d refunds, dispute %q, %d taken", now.State, state, now.Payment.Failure,
		len(now.Tickets), refunds, disputes, l.left(o))
}

// Every webhook of a run three times, shuffled, and some of them ten minutes
// late: the same ends as with each once, in order.
func TestWebhooksThriceShuffledLate(t *testing.T) {
	const seed, each = 7, 2
	run := func(t *testing.T, l *till, deliver func(l *till, orders []Order)) (ends []string) {
		e := l.event(kind{100, 1, 100, 4250})
		var orders []Order
		for range each {
			for _, s := range stories {
				o := l.order(l.hold(e, fan(), 1))
				orders = append(orders, o)
				s.begin(l, o)
			}
		}
		deliver(l, orders)
		for _, o := range orders {
			ends = append(ends, l.end(o))
		}
		l.audit(e)
		return ends
	}
	settled := func(l *till, o Order) bool {
		now := l.look(o)
		return (now.State == OrderPaid || now.State == OrderCanceled) &&
			count(l.t, l.pair.Pool, "select count(*) from payments where id = $1 and (duty is not null or look_at is not null)", o.Payment.ID) == 0
	}
	afterwards := func(l *till, orders []Order) {
		for i, o := range orders {
			if after := stories[i%len(stories)].after; after != nil {
				after(l, o)
			}
		}
	}
	inOrder := func(l *till, orders []Order) {
		for _, o := range orders {
			l.settle("in order: "+o.Payment.Ref, func() bool { return settled(l, o) })
		}
		afterwards(l, orders)
		for _, body := range l.take() {
			l.post(body)
		}
	}
	shuffled := func(l *till, orders []Order) {
		random := rand.New(rand.NewPCG(seed, 0))
		var pool, late [][]byte
		gather := func() {
			for _, body := range l.take() {
				for range 3 {
					if random.IntN(4) == 0 {
						late = append(late, body)
					} else {
						pool = append(pool, body)
					}
				}
			}
		}
		drain := func() {
			for gather(); len(pool) > 0; gather() {
				i := random.IntN(len(pool))
				l.post(pool[i])
				pool[i] = pool[len(pool)-1]
				pool = pool[:len(pool)-1]
				if random.IntN(8) == 0 {
					l.sweep()
				}
			}
		}
		drain()
		// Ten minutes pass: what was told to nobody is found by asking.
		l.age(10 * time.Minute)
		for _, o := range orders {
			l.work("shuffled: "+o.Payment.Ref, func() bool { drain(); return settled(l, o) })
		}
		afterwards(l, orders)
		drain()
		random.Shuffle(len(late), func(i, j int) { late[i], late[j] = late[j], late[i] })
		for _, body := range late {
			l.post(body)
		}
		for _, o := range orders {
			l.work("late: "+o.Payment.Ref, func() bool { return settled(l, o) })
		}
	}
	tills(t, Options{Hold: 30 * time.Minute}, func(t *testing.T, l *till) {
		once := run(t, l, inOrder)
		thrice := run(t, l, shuffled)
		for i := range once {
			if once[i] != thrice[i] {
				t.Errorf("%s (seed %d)\nin order: %s\nshuffled: %s", stories[i%len(stories)].name, seed, once[i], thrice[i])
			}
		}
	})
}

// age moves everything that is due into the past, as if the time had passed:
// the house reads its own clock in Postgres.
func (l *till) age(by time.Duration) {
	l.t.Helper()
	for _, sql := range []string{
		"update payments set duty_at = duty_at - $1::interval, look_at = look_at - $1::interval, created_at = created_at - $1::interval",
		"update refunds set due_at = due_at - $1::interval",
		"update reservations set deadline = deadline - $1::interval where state = 'held'",
	} {
		if _, err := l.pair.Pool.Exec(l.t.Context(), sql, by); err != nil {
			l.t.Fatal(err)
		}
	}
}

// Each webhook three times, in every kind of order, with work in between: the
// end is always the same.
func TestWebhooksShuffled(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Options{}, false)
	e := h.event(kind{100, 1, 100, 100})
	for round := range 8 {
		o := h.order(h.hold(e, fan(), 1))
		h.confirm(o, "decline")
		h.confirm(o, "three_d_secure")
		h.confirm(o, "reorder")
		var bodies [][]byte
		take := func() {
			due, err := h.sandbox.Claim(t.Context(), 100)
			must(t, err)
			for _, d := range due {
				bodies = append(bodies, d.Body, d.Body, d.Body)
				must(t, h.sandbox.Delivered(t.Context(), d.Seq))
			}
		}
		take()
		rand.Shuffle(len(bodies), func(i, j int) { bodies[i], bodies[j] = bodies[j], bodies[i] })
		var all sync.WaitGroup
		for i, body := range bodies {
			if (i+round)%2 == 0 {
				all.Go(func() {
					if err := h.webhook(body); err != nil {
						t.Error(err)
					}
				})
			} else if err := h.webhook(body); err != nil {
				t.Error(err)
			}
		}
		all.Wait()
		h.work("paid", func() bool { return h.state(o) == OrderPaid })
		bodies = nil
		eventually(t, "the older webhook", func() bool { take(); return len(bodies) >= 6 })
		for _, body := range bodies {
			must(t, h.webhook(body))
		}
		if o = h.look(o); o.State != OrderPaid || o.Payment.State != PaymentConfirmed || len(o.Tickets) != 1 {
			t.Fatalf("round %d: %+v", round, o)
		}
	}
	h.audit(e)
}

func TestWebhookSignature(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Options{}, false)
	e := h.event(kind{1, 1, 1, 100})
	o := h.order(h.hold(e, fan(), 1))
	h.confirm(o, "approve")
	due, err := h.sandbox.Claim(t.Context(), 1)
	must(t, err)
	wantCode(t, h.Webhook(t.Context(), nil, due[0].Body), ropeline.CodeBadSignature)
	if h.look(o).Payment.State != PaymentPending || count(t, h.pair.Pool, "select count(*) from webhook_events") != 0 {
		t.Error("a forged webhook had an effect")
	}
	for _, field := range []string{"id", "intent", "payment"} {
		var message map[string]any
		must(t, json.Unmarshal(due[0].Body, &message))
		message[field] = "a\x00b"
		body, err := json.Marshal(message)
		must(t, err)
		wantCode(t, h.webhook(body), ropeline.CodeInvalidRequest)
	}
}

// A pending payment whose webhook was lost is found by asking.
func TestLostWebhook(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Options{Watch: 50 * time.Millisecond}, false)
	e := h.event(kind{1, 1, 1, 100})
	o := h.order(h.hold(e, fan(), 1))
	h.confirm(o, "approve")
	h.work("paid without a webhook", func() bool { return h.state(o) == OrderPaid })
	h.audit(e)
}
