package checkout

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/ropeline/ropeline/checkout/payment"
)

// fault is where a call to the gateway goes wrong, once.
type fault string

const (
	unreached fault = "the call does not arrive"
	unheard   fault = "the answer is lost"
	hangs     fault = "the answer does not come"
)

// shaky is the sandbox behind a bad line: the next call named goes wrong.
type shaky struct {
	payment.Provider
	mu    sync.Mutex
	next  map[string]fault
	calls map[string]int
}

func (s *shaky) fail(call string, f fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next[call] = f
}

func (s *shaky) through(call string, do func() (payment.Object, error)) (payment.Object, error) {
	s.mu.Lock()
	f := s.next[call]
	delete(s.next, call)
	s.calls[call]++
	s.mu.Unlock()
	switch f {
	case unreached:
		return payment.Object{}, &payment.Error{Reason: string(unreached)}
	case unheard:
		_, err := do()
		return payment.Object{}, errors.Join(err, context.DeadlineExceeded)
	}
	return do()
}

func (s *shaky) Create(ctx context.Context, i payment.Intent) (payment.Object, error) {
	return s.through("create", func() (payment.Object, error) { return s.Provider.Create(ctx, i) })
}

func (s *shaky) Get(ctx context.Context, ref string) (payment.Object, error) {
	s.mu.Lock()
	f := s.next["get"]
	s.mu.Unlock()
	if f == hangs {
		s.fail("get", "")
		<-ctx.Done()
		return payment.Object{}, ctx.Err()
	}
	return s.through("get", func() (payment.Object, error) { return s.Provider.Get(ctx, ref) })
}

func (s *shaky) Capture(ctx context.Context, ref, key string) (payment.Object, error) {
	return s.through("capture", func() (payment.Object, error) { return s.Provider.Capture(ctx, ref, key) })
}

func (s *shaky) Cancel(ctx context.Context, ref, key string) (payment.Object, error) {
	return s.through("cancel", func() (payment.Object, error) { return s.Provider.Cancel(ctx, ref, key) })
}

func shakyHouse(t *testing.T, options Options) (*house, *shaky) {
	s := &shaky{next: map[string]fault{}, calls: map[string]int{}}
	h := newHouse(t, options, false, s)
	s.Provider = h.sandbox
	return h, s
}

// The order is placed although the gateway does not answer, and is paid once
// it does, with one intent.
func TestGatewayAwayAtCreate(t *testing.T) {
	t.Parallel()
	for _, f := range []fault{unreached, unheard} {
		t.Run(string(f), func(t *testing.T) {
			h, s := shakyHouse(t, Options{Grip: 200 * time.Millisecond})
			e := h.event(kind{1, 1, 1, 100})
			s.fail("create", f)
			o := h.order(h.hold(e, fan(), 1))
			if o.Payment.State != PaymentCreated || o.Payment.ClientSecret != "" {
				t.Fatalf("%+v", o.Payment)
			}
			h.work("opened", func() bool { o = h.look(o); return o.Payment.State == PaymentPending && o.Payment.ClientSecret != "" })
			h.confirm(o, "approve")
			h.deliver(1)
			h.work("paid", func() bool { return h.state(o) == OrderPaid })
			if n := count(t, h.pair.Pool, "select count(*) from sandbox_intents"); n != 1 {
				t.Errorf("%d intents", n)
			}
			h.audit(e)
		})
	}
}

// A node dies between the order's commit and the call to the gateway: nobody
// calls, the row says what is owed.
func TestCrashBetweenOrderAndGateway(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Options{Grip: 200 * time.Millisecond}, false)
	e := h.event(kind{1, 1, 1, 100})
	r := h.hold(e, fan(), 1)
	tx, err := h.pair.Pool.Begin(t.Context())
	must(t, err)
	placed, err := h.place(t.Context(), tx, Placing{Fan: r.Fan, Reservation: r.ID, Email: "a@example.com", Key: newKey()})
	must(t, err)
	must(t, tx.Commit(t.Context()))
	o, err := h.Order(t.Context(), placed.order, r.Fan)
	must(t, err)
	h.work("opened", func() bool { return h.look(o).Payment.State == PaymentPending })
	h.audit(e)
}

// The money is taken and the worker dies before it writes that down: the
// tickets come all the same, once.
func TestCrashBetweenCaptureAndRecord(t *testing.T) {
	t.Parallel()
	for _, f := range []fault{unreached, unheard} {
		t.Run(string(f), func(t *testing.T) {
			h, s := shakyHouse(t, Options{Grip: 200 * time.Millisecond})
			e := h.event(kind{2, 2, 2, 100})
			o := h.order(h.hold(e, fan(), 2))
			h.confirm(o, "approve")
			s.fail("capture", f)
			h.deliver(1)
			h.work("paid", func() bool { h.deliver(1); return h.state(o) == OrderPaid })
			if s.calls["capture"] < 2 || len(h.look(o).Tickets) != 2 {
				t.Errorf("%d captures, %d tickets", s.calls["capture"], len(h.look(o).Tickets))
			}
			if n := count(t, h.pair.Pool, "select count(*) from refunds"); n != 0 {
				t.Errorf("%d refunds", n)
			}
			h.audit(e)
		})
	}
}

// Several workers find the same capture: it is recorded once.
func TestCaptureByManyWorkers(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Options{Grip: time.Millisecond}, false) // nobody keeps a duty for long
	e := h.event(kind{1, 1, 1, 100})
	o := h.order(h.hold(e, fan(), 1))
	h.confirm(o, "approve")
	h.deliver(1)
	eventually(t, "accepted", func() bool {
		return count(t, h.pair.Pool, "select count(*) from payments where duty = 'capture'") == 1
	})
	var all sync.WaitGroup
	var mu sync.Mutex
	paid := 0
	for range 8 {
		all.Go(func() {
			taken, err := h.TakeUp(t.Context(), 10)
			if err != nil {
				t.Error(err)
			}
			for _, one := range taken {
				done, err := h.Perform(t.Context(), one)
				if err != nil {
					t.Error(err)
				}
				if done.Paid {
					mu.Lock()
					paid++
					mu.Unlock()
				}
			}
		})
	}
	all.Wait()
	h.work("paid", func() bool { return h.state(o) == OrderPaid })
	if n := len(h.look(o).Tickets); n != 1 || paid > 1 {
		t.Errorf("%d tickets, paid %d times", n, paid)
	}
	h.audit(e)
}

// A void whose answer is lost is repeated.
func TestVoidAnswerLost(t *testing.T) {
	t.Parallel()
	h, s := shakyHouse(t, Options{Grip: 200 * time.Millisecond})
	e := h.event(kind{1, 1, 1, 100})
	o := h.order(h.hold(e, fan(), 1))
	s.fail("cancel", unheard)
	must(t, h.giveUp(t.Context(), o.Reservation, o.Fan, 5*time.Second))
	h.work("canceled", func() bool { o = h.look(o); return o.State == OrderCanceled && o.Payment.State == PaymentCanceled })
	h.audit(e)
}

// The gateway refuses the payment for good: order and hold end.
func TestGatewayRefusesPayment(t *testing.T) {
	t.Parallel()
	refusing := &refuser{}
	h := newHouse(t, Options{}, false, refusing)
	refusing.Provider = h.sandbox
	e := h.event(kind{1, 1, 1, 100})
	o := h.order(h.hold(e, fan(), 1))
	h.work("canceled", func() bool { return h.state(o) == OrderCanceled })
	if o = h.look(o); o.Payment.State != PaymentFailed || o.Payment.Failure != "currency_not_supported" {
		t.Errorf("%+v", o.Payment)
	}
	h.hold(e, o.Fan, 1)
	h.audit(e)
}

type refuser struct{ payment.Provider }

func (*refuser) Name() string { return "sandbox" }
func (*refuser) Create(context.Context, payment.Intent) (payment.Object, error) {
	return payment.Object{}, &payment.Error{Permanent: true, Reason: "currency_not_supported"}
}

// A webhook overtakes the answer to our own Create, and the payment is known
// by its metadata.
func TestWebhookOvertakesCreate(t *testing.T) {
	t.Parallel()
	h, s := shakyHouse(t, Options{Grip: 10 * time.Second})
	e := h.event(kind{1, 1, 1, 100})
	s.fail("create", unheard)
	o := h.order(h.hold(e, fan(), 1))
	var ref, secret string
	must(t, h.pair.Pool.QueryRow(t.Context(), "select ref, client_secret from sandbox_intents").Scan(&ref, &secret))
	_, err := h.sandbox.Confirm(t.Context(), ref, secret, "approve")
	must(t, err)
	h.deliver(1)
	h.work("paid", func() bool { return h.state(o) == OrderPaid })
	h.audit(e)
}

// A gateway that is away when its webhook comes: the webhook is taken all the
// same, and a worker asks what it was about.
func TestWebhookWhileGatewayIsAway(t *testing.T) {
	t.Parallel()
	h, s := shakyHouse(t, Options{})
	e := h.event(kind{1, 1, 1, 100})
	o := h.order(h.hold(e, fan(), 1))
	h.confirm(o, "approve")
	due, err := h.sandbox.Claim(t.Context(), 1)
	must(t, err)
	s.fail("get", unreached)
	must(t, h.webhook(due[0].Body))
	if h.look(o).Payment.State != PaymentPending || count(t, h.pair.Pool, "select count(*) from payments where look_at is not null") != 1 {
		t.Fatal("nobody is to look")
	}
	must(t, h.webhook(due[0].Body)) // seen
	h.work("paid", func() bool { return h.state(o) == OrderPaid })
	if n := count(t, h.pair.Pool, "select count(*) from payments where look_at is not null"); n != 0 {
		t.Error("somebody is still to look")
	}
	h.audit(e)
}

// A gateway that hangs holds its own webhook up for no longer than askTime.
func TestWebhookWhileGatewayHangs(t *testing.T) {
	t.Parallel()
	h, s := shakyHouse(t, Options{})
	e := h.event(kind{1, 1, 1, 100})
	o := h.order(h.hold(e, fan(), 1))
	h.confirm(o, "approve")
	due, err := h.sandbox.Claim(t.Context(), 1)
	must(t, err)
	s.fail("get", hangs)
	must(t, h.webhook(due[0].Body)) // or it would wait for ever
	if n := count(t, h.pair.Pool, "select count(*) from payments where look_at is not null"); n != 1 {
		t.Error("nobody is to look")
	}
	h.work("paid", func() bool { return h.state(o) == OrderPaid })
	h.audit(e)
}

// The message that says which payment it is about comes before the gateway's
// answer, and the gateway is too slow to be asked: the payment is still found.
func TestWebhookNamesThePayment(t *testing.T) {
	t.Parallel()
	h, s := shakyHouse(t, Options{Grip: 100 * time.Millisecond})
	e := h.event(kind{1, 1, 1, 100})
	s.fail("create", unheard)
	o := h.order(h.hold(e, fan(), 1))
	var ref, secret string
	must(t, h.pair.Pool.QueryRow(t.Context(), "select ref, client_secret from sandbox_intents").Scan(&ref, &secret))
	_, err := h.sandbox.Confirm(t.Context(), ref, secret, "approve")
	must(t, err)
	s.fail("get", unreached)
	h.deliver(1)
	if got := h.look(o).Payment.Ref; got != ref {
		t.Errorf("known as %q", got)
	}
	h.work("paid", func() bool { return h.state(o) == OrderPaid })
	h.audit(e)
}

// The audit sees what it is there for.
func TestAuditFinds(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, invariant, harm string }{
		{"stock that nobody holds", "stock", "update stock set held = held + 1"},
		{"sold without an order", "stock", "update stock set sold = sold + 1"},
		{"a ledger that somebody wrote into", "I1", `insert into stock_ledger select event_id, max(seq) + 1, max(ticket_type_id), 'reserve', 0, 100, 0, 'x', '', now() from stock_ledger group by 1`},
		{"a ledger with a hole", "ledger", "alter table stock_ledger disable trigger user; delete from stock_ledger where seq = 2"},
		{"a ledger that was changed", "ledger", "alter table stock_ledger disable trigger user; update stock_ledger set delta_held = 1 where seq = 2"},
		{"capacity that the ledger does not know", "ledger", "update stock set capacity = capacity + 5"},
		{"a reservation that the ledger does not know", "ledger", "update reservations set state = 'released', ended_at = now() where state = 'held'"},
		{"money for which the ledger sold nothing", "I6", "alter table stock_ledger disable trigger user; delete from stock_ledger where kind = 'settle'"},
		{"sold by the ledger without money", "I7", "update payments set state = 'failed', duty = null"},
		{"oversold", "I1", "alter table stock drop constraint stock_never_oversold; update stock set held = capacity + 1"},
		{"money without tickets", "I6", "delete from tickets where state = 'issued'"},
		{"money that was to go back and did not", "I6", "update refunds set state = 'failed'"},
		{"a part of the money kept", "I6", "alter table refunds disable trigger user; update refunds set amount_minor = 1"},
		{"another amount than was ordered", "money", "alter table payments disable trigger user; update payments set amount_minor = 1"},
		{"another currency than was ordered", "money", "alter table payments disable trigger user; update payments set currency = 'USD'"},
		{"another total than was reserved", "money", "update orders set total_minor = 1"},
		{"another price than was ordered", "money", `update reservations set items = jsonb_set(items, '{0,unit_minor}', '1')`},
		{"paid for what does not take place", "order", "update events set canceled_at = now()"},
		{"authorized and forgotten", "I6", "update payments set state = 'authorized', duty = null"},
		{"tickets without money", "I7", "update payments set state = 'authorized', duty = 'capture'"},
		{"one ticket too many", "I7", `insert into tickets select id || 'x', order_id, event_id, ticket_type_id, ordinal + 100, fan_id, revision, state, issued_at from tickets`},
		{"given away to nobody", "transfer", "update tickets set state = 'transferred' where ordinal = 1"},
		{"given away and good", "transfer", "insert into tickets select id || 'x', order_id, event_id, ticket_type_id, ordinal + 100, fan_id, revision, 'issued', issued_at, turn, refund_id, returned, id, 'x@example.org', null from tickets where ordinal = 1"},
		{"a hold that never ends", "I9", "update reservations set deadline = deadline - interval '1 day' where state = 'held'"},
		{"an order whose hold is gone", "order", "update orders set accepted_at = null, state = 'canceled'"},
		{"a fan over the limit", "limit", "update ticket_types set max_per_fan = 1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHouse(t, Options{}, false)
			e := h.event(kind{10, 4, 4, 1000})
			h.paid(e, 2)
			h.hold(e, fan(), 2)
			given := h.paid(e, 1)
			must(t, h.cancelOrder(given, true))
			h.work("the money and the tickets are back", func() bool {
				found, err := Audit(t.Context(), h.pair.Pool, e.ID)
				must(t, err)
				return h.look(given).Refunds[0].State == RefundDone && len(found) == 0
			})
			_, err := h.pair.Pool.Exec(t.Context(), c.harm)
			must(t, err)
			found, err := Audit(t.Context(), h.pair.Pool, e.ID)
			must(t, err)
			for _, v := range found {
				if v.Invariant == c.invariant {
					return
				}
			}
			t.Errorf("found only %v", found)
		})
	}
}
