package worker

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/checkout"
	"github.com/ropeline/ropeline/checkout/payment/sandbox"
	"github.com/ropeline/ropeline/internal/engines"
	"github.com/ropeline/ropeline/internal/keyring"
	"github.com/ropeline/ropeline/internal/redisdb"
)

func TestMain(m *testing.M) { engines.Main(m) }

// office is a box office with a worker's surroundings; each worker is started
// by the test.
type office struct {
	*checkout.Checkout
	t       testing.TB
	pair    *engines.Pair
	redis   *redisdb.Clients
	client  *Client
	sandbox *sandbox.Gateway
	server  *httptest.Server
	refuse  atomic.Int64 // webhooks to refuse before one is taken
	taken   atomic.Int64
}

func newOffice(t testing.TB, options checkout.Options) *office {
	t.Helper()
	pair := engines.Test(t)
	r, err := redisdb.Open(t.Context(), pair.RedisURL)
	must(t, err)
	k, err := keyring.Load(t.Context(), pair.Pool)
	must(t, err)
	o := &office{t: t, pair: pair, redis: r, client: NewClient(r), sandbox: sandbox.New(pair.Pool, k, sandbox.Options{})}
	if options.Wake == nil {
		options.Wake = o.client.Wake
	}
	o.Checkout = checkout.New(r, pair.Pool, k, o.sandbox, slog.New(slog.DiscardHandler), options)
	o.server = httptest.NewServer(http.HandlerFunc(o.webhook))
	ctx, cancel := context.WithCancel(context.Background())
	running := make(chan error, 1)
	go func() { running <- o.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-running; err != nil {
			t.Error(err)
		}
		o.server.Close()
		o.client.Close()
		r.Close()
	})
	return o
}

func (o *office) webhook(w http.ResponseWriter, q *http.Request) {
	body, err := io.ReadAll(q.Body)
	if err != nil || q.URL.Path != "/payments/webhook" || q.Method != http.MethodPost {
		http.Error(w, "no", http.StatusBadRequest)
		return
	}
	if o.refuse.Add(-1) >= 0 {
		http.Error(w, "busy", http.StatusServiceUnavailable)
		return
	}
	if err := o.Webhook(q.Context(), q.Header, body); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	o.taken.Add(1)
}

// work starts a worker and returns how to stop it; it stops with the test.
func (o *office) work(options Options) (stop func()) {
	o.t.Helper()
	options.Sandbox, options.PublicURL = o.sandbox, o.server.URL
	w := New(o.Checkout, o.redis, o.pair.Pool, o.client, slog.New(slog.DiscardHandler), options)
	ctx, cancel := context.WithCancel(context.Background())
	running := make(chan error, 1)
	go func() { running <- w.Run(ctx) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			if err := <-running; err != nil {
				o.t.Error(err)
			}
		})
	}
	o.t.Cleanup(stop)
	return stop
}

func (o *office) event(capacity int) ropeline.Event {
	o.t.Helper()
	kind := ropeline.TicketType{ID: ropeline.NewID[ropeline.TicketTypeID](), Capacity: capacity}
	e := ropeline.Event{ID: ropeline.NewID[ropeline.EventID](), TicketTypes: []ropeline.TicketType{kind}}
	venue := ropeline.NewID[ropeline.VenueID]()
	must(o.t, pgx.BeginFunc(o.t.Context(), o.pair.Pool, func(tx pgx.Tx) error {
		batch := &pgx.Batch{}
		batch.Queue("insert into venues values ($1, 'v', 'a', 'c', 'UTC')", venue)
		batch.Queue(`insert into events (id, venue_id, name, starts_at, drop_at, closes_at)
			values ($1, $2, 'e', now() + interval '1 day', now() - interval '1 minute', now() + interval '1 hour')`, e.ID, venue)
		batch.Queue("insert into ticket_types values ($1, $2, 'stalls', 100, 'EUR', 4, 4, 0)", kind.ID, e.ID)
		if err := tx.SendBatch(o.t.Context(), batch).Close(); err != nil {
			return err
		}
		return o.OpenSale(o.t.Context(), tx, e)
	}))
	return e
}

func (o *office) reserve(e ropeline.Event, wait time.Duration) checkout.Reservation {
	o.t.Helper()
	r, err := o.Reserve(o.t.Context(), checkout.Request{
		Event: e.ID, Fan: ropeline.NewID[ropeline.FanID](), PassID: "pass", Key: rand.Text(),
		Items: []ropeline.Item{{TicketType: e.TicketTypes[0].ID, Quantity: 1}},
	}, wait)
	must(o.t, err)
	return r
}

func (o *office) order(r checkout.Reservation) checkout.Order {
	o.t.Helper()
	order, err := o.PlaceOrder(o.t.Context(), r.Fan, r.ID, "fan@example.com", rand.Text())
	must(o.t, err)
	return order
}

func (o *office) confirm(order checkout.Order, outcome string) {
	o.t.Helper()
	_, err := o.sandbox.Confirm(o.t.Context(), order.Payment.Ref, order.Payment.ClientSecret, outcome)
	must(o.t, err)
}

func (o *office) look(order checkout.Order) checkout.Order {
	o.t.Helper()
	now, err := o.Order(o.t.Context(), order.ID, order.Fan)
	must(o.t, err)
	return now
}

func (o *office) audit(e ropeline.Event) {
	o.t.Helper()
	found, err := checkout.Audit(context.Background(), o.pair.Pool, e.ID)
	must(o.t, err)
	for _, v := range found {
		o.t.Errorf("audit: %s", v)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func within(t testing.TB, limit time.Duration, what string, cond func() bool) {
	t.Helper()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for deadline := time.Now().Add(limit); !cond(); <-ticker.C {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", limit, what)
		}
	}
}

// heard is what the hooks were told.
type heard struct {
	mu      sync.Mutex
	left    map[ropeline.EventID]int64
	version map[ropeline.EventID]int64
	holding map[ropeline.FanID]bool
	done    map[ropeline.FanID]bool
}

func (h *heard) options() Options {
	h.left, h.version = map[ropeline.EventID]int64{}, map[ropeline.EventID]int64{}
	h.holding, h.done = map[ropeline.FanID]bool{}, map[ropeline.FanID]bool{}
	return Options{
		Stock: func(_ context.Context, event ropeline.EventID, left, version int64, holding, released []ropeline.FanID) error {
			h.mu.Lock()
			defer h.mu.Unlock()
			if version >= h.version[event] {
				h.left[event], h.version[event] = left, version
			}
			for _, fan := range holding {
				h.holding[fan] = true
			}
			for _, fan := range released {
				delete(h.holding, fan)
			}
			return nil
		},
		Done: func(_ context.Context, _ ropeline.EventID, fan ropeline.FanID) error {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.done[fan] = true
			return nil
		},
	}
}

func (h *heard) is(cond func() bool) func() bool {
	return func() bool {
		h.mu.Lock()
		defer h.mu.Unlock()
		return cond()
	}
}

// The whole way with every misbehaviour of the gateway, over two workers.
func TestEveryOutcomeComesToItsEnd(t *testing.T) {
	o := newOffice(t, checkout.Options{Hold: 4 * time.Second})
	var h heard
	o.work(h.options())
	o.work(h.options2())
	e := o.event(50)
	var all sync.WaitGroup
	for _, c := range []struct {
		outcome string
		end     checkout.OrderState
	}{
		{"approve", checkout.OrderPaid}, {"delay:1s", checkout.OrderPaid}, {"duplicate", checkout.OrderPaid}, {"reorder", checkout.OrderPaid},
		{"late:6s", checkout.OrderPaid}, {"decline", checkout.OrderExpired}, {"three_d_secure", checkout.OrderExpired},
		{"capture_fails", checkout.OrderCanceled}, {"", checkout.OrderExpired},
	} {
		all.Go(func() {
			r := o.reserve(e, 5*time.Second)
			if r.State != checkout.ReservationHeld {
				t.Errorf("%s: %+v", c.outcome, r)
				return
			}
			order := o.order(r)
			if c.outcome != "" {
				o.confirm(order, c.outcome)
			}
			within(t, 20*time.Second, c.outcome, func() bool { return o.look(order).State == c.end })
			if paid := c.end == checkout.OrderPaid; paid {
				within(t, 2*time.Second, "admission is told that the fan is done", h.is(func() bool { return h.done[r.Fan] }))
			}
		})
	}
	all.Wait()
	within(t, 5*time.Second, "admission knows what is left", h.is(func() bool { return h.left[e.ID] == 45 }))
	o.audit(e)
}

// options2 hears the same for a second worker.
func (h *heard) options2() Options {
	left, version, holding, done := h.left, h.version, h.holding, h.done
	options := h.options()
	h.left, h.version, h.holding, h.done = left, version, holding, done
	return options
}

// Holds end within five seconds of their deadline, without anybody asking.
func TestHoldsEndInTime(t *testing.T) {
	o := newOffice(t, checkout.Options{Hold: 500 * time.Millisecond})
	var h heard
	o.work(h.options())
	e := o.event(3)
	var all []checkout.Reservation
	for range 3 {
		all = append(all, o.reserve(e, 5*time.Second))
	}
	within(t, 2*time.Second, "all are held", h.is(func() bool { return len(h.holding) == 3 }))
	within(t, 5500*time.Millisecond, "the holds end", func() bool {
		for _, r := range all {
			now, err := o.Reservation(t.Context(), r.ID, r.Fan)
			must(t, err)
			if now.State != checkout.ReservationExpired {
				return false
			}
		}
		return true
	})
	within(t, 3*time.Second, "admission knows", h.is(func() bool { return h.left[e.ID] == 3 && len(h.holding) == 0 }))
	o.audit(e)
}

// A worker is killed while it serves: its lease stays behind, nobody renews
// it, and there is no other push. The sweep finds the mailbox.
func TestKilledWorkerIsReplaced(t *testing.T) {
	o := newOffice(t, checkout.Options{})
	e := o.event(3)
	must(t, o.redis.Write.Set(t.Context(), "{e:"+string(e.ID)+"}:mailbox:lease", "the killed one's", 3*time.Second).Err())
	begin := time.Now()
	r := o.reserve(e, 0)
	o.work(Options{})
	within(t, 5*time.Second-time.Since(begin), "served again", func() bool {
		now, err := o.Reservation(t.Context(), r.ID, r.Fan)
		must(t, err)
		return now.State == checkout.ReservationHeld
	})
	if since := time.Since(begin); since < 2*time.Second {
		t.Errorf("served after %v, although the lease was another's", since)
	}
	o.audit(e)
}

// A wake-up that asynq never got is made good by the sweep, without another push.
func TestLostWakeUp(t *testing.T) {
	var o *office
	var lost atomic.Int64
	o = newOffice(t, checkout.Options{Wake: func(ctx context.Context, event ropeline.EventID, generation int64) error {
		if lost.Add(1) == 1 {
			return errors.New("lost")
		}
		return o.client.Wake(ctx, event, generation)
	}})
	e := o.event(3)
	r := o.reserve(e, 0)
	if lost.Load() != 1 {
		t.Fatalf("%d wake-ups", lost.Load())
	}
	o.work(Options{})
	within(t, 5*time.Second, "served all the same", func() bool {
		now, err := o.Reservation(t.Context(), r.ID, r.Fan)
		must(t, err)
		return now.State == checkout.ReservationHeld
	})
}

// Stopping ends the clerk in order: what was taken in is decided, the lease is
// given back, and another worker goes on at once.
func TestStopHandsOver(t *testing.T) {
	o := newOffice(t, checkout.Options{})
	e := o.event(1000)
	stop := o.work(Options{})
	o.reserve(e, 5*time.Second)
	o.work(Options{})
	var all sync.WaitGroup
	var slowest atomic.Int64
	for range 40 {
		all.Go(func() {
			for range 10 {
				begin := time.Now()
				if r := o.reserve(e, 5*time.Second); r.State != checkout.ReservationHeld {
					t.Errorf("%+v", r)
				}
				for took := time.Since(begin).Milliseconds(); took > slowest.Load(); {
					slowest.Store(took)
				}
			}
		})
	}
	stop()
	all.Wait()
	if slowest.Load() > 2500 {
		t.Errorf("a reservation took %d ms: that is a lease that ran out", slowest.Load())
	}
	o.audit(e)
}

// A webhook that is refused comes again.
func TestWebhookIsRepeated(t *testing.T) {
	o := newOffice(t, checkout.Options{})
	o.work(Options{})
	e := o.event(1)
	o.refuse.Store(2)
	order := o.order(o.reserve(e, 5*time.Second))
	o.confirm(order, "approve")
	within(t, 15*time.Second, "paid", func() bool { return o.look(order).State == checkout.OrderPaid })
	if o.refuse.Load() >= 0 {
		t.Error("no webhook was refused")
	}
	o.audit(e)
}

// sink is an EventSink that fails now and then.
type sink struct {
	mu    sync.Mutex
	got   []DomainEvent
	fails int
}

func (s *sink) Send(_ context.Context, events []DomainEvent) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.got = append(s.got, events...)
	if s.fails--; s.fails >= 0 {
		return errors.New("taken, but the answer is lost")
	}
	return nil
}

// Domain events arrive at least once and in the order of what they tell.
func TestOutboxIsRelayedInOrder(t *testing.T) {
	o := newOffice(t, checkout.Options{})
	s := &sink{fails: 2}
	o.work(Options{Sink: s})
	o.work(Options{Sink: s})
	e := o.event(10)
	var orders []checkout.Order
	for range 5 {
		order := o.order(o.reserve(e, 5*time.Second))
		o.confirm(order, "approve")
		orders = append(orders, order)
	}
	within(t, 15*time.Second, "all told", func() bool {
		for _, order := range orders {
			if o.look(order).State != checkout.OrderPaid {
				return false
			}
		}
		var waiting int
		must(t, o.pair.Pool.QueryRow(t.Context(), "select count(*) from outbox where relayed_at is null").Scan(&waiting))
		return waiting == 0
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	seen := map[int64]bool{}
	kinds := map[string][]string{}
	for _, event := range s.got {
		if !seen[event.Seq] {
			kinds[event.Subject] = append(kinds[event.Subject], event.Kind)
		}
		seen[event.Seq] = true
		if event.Event != e.ID || event.Version != 1 || len(event.Payload) == 0 || event.At.IsZero() {
			t.Errorf("%+v", event)
		}
	}
	for _, order := range orders {
		if got := kinds[string(order.ID)]; len(got) != 4 || got[0] != "OrderPlaced" || got[1] != "OrderAccepted" || got[2] != "OrderPaid" || got[3] != "TicketsIssued" {
			t.Errorf("order: %v", got)
		}
	}
	var rows int
	must(t, o.pair.Pool.QueryRow(t.Context(), "select count(*) from outbox").Scan(&rows))
	if len(seen) != rows || len(s.got) == rows {
		t.Errorf("%d rows, %d told, %d with repeats", rows, len(seen), len(s.got))
	}
}

func TestRedisStream(t *testing.T) {
	o := newOffice(t, checkout.Options{})
	stream := NewRedisStream(o.redis)
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	must(t, stream.Send(t.Context(), []DomainEvent{
		{Seq: 7, Event: "e", Kind: "OrderPaid", Version: 1, Subject: "o", Payload: []byte(`{"a":1}`), At: at}, {Seq: 8, Event: "e", At: at},
	}))
	got, err := o.redis.Read.XRange(t.Context(), StreamKey, "-", "+").Result()
	must(t, err)
	if len(got) != 2 || got[0].Values["seq"] != "7" || got[0].Values["payload"] != `{"a":1}` || got[0].Values["at"] != "2026-01-02T03:04:05Z" || got[1].Values["seq"] != "8" {
		t.Errorf("%+v", got)
	}
}
