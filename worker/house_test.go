package worker

import (
	"context"
	"crypto/rand"
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
