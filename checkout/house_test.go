package checkout

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/checkout/payment"
	"github.com/ropeline/ropeline/checkout/payment/sandbox"
	"github.com/ropeline/ropeline/internal/engines"
	"github.com/ropeline/ropeline/internal/keyring"
	"github.com/ropeline/ropeline/internal/outbox"
	"github.com/ropeline/ropeline/internal/redisdb"
)

func TestMain(m *testing.M) { engines.Main(m) }

// house is a box office with everything around it that a test needs.
type house struct {
	*Checkout
	t       testing.TB
	pair    *engines.Pair
	redis   *redisdb.Clients
	sandbox *sandbox.Gateway
	serving sync.WaitGroup // clerks woken
	mortal  bool           // it may be cut off from its engines: its errors are no news
	ctx     context.Context
}

// newHouse opens a box office that wakes its clerks by itself. With asleep
// nobody is woken, and the test serves.
func newHouse(t testing.TB, options Options, asleep bool, provider ...payment.Provider) *house {
	t.Helper()
	pair := engines.Test(t)
	return houseOver(t, pair, pair.RedisURL, options, asleep, provider...)
}

func houseOver(t testing.TB, pair *engines.Pair, redisURL string, options Options, asleep bool, provider ...payment.Provider) *house {
	t.Helper()
	r, err := redisdb.Open(t.Context(), redisURL)
	if err != nil {
		t.Fatal(err)
	}
	k, err := keyring.Load(t.Context(), pair.Pool)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	h := &house{t: t, pair: pair, redis: r, ctx: ctx, sandbox: sandbox.New(pair.Pool, k, sandbox.Options{})}
	if !asleep {
		options.Wake = func(_ context.Context, event ropeline.EventID, _ int64) error {
			h.serving.Go(func() {
				if err := h.Serve(ctx, event, nil); err != nil && ctx.Err() == nil {
					t.Logf("clerk: %v", err)
				}
			})
			return nil
		}
	}
	var gateway payment.Provider = h.sandbox
	if len(provider) > 0 {
		gateway = provider[0]
	}
	h.Checkout = New(r, pair.Pool, k, gateway, slog.New(slog.DiscardHandler), options)
	running := make(chan error, 1)
	go func() { running <- h.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-running; err != nil && !h.mortal {
			t.Error(err)
		}
		h.serving.Wait()
		if !h.mortal {
			newsIsValid(t, pair.Pool)
		}
		r.Close()
	})
	return h
}

// newsIsValid holds every domain event that a test led to to its kind.
func newsIsValid(t testing.TB, pool *pgxpool.Pool) {
	rows, err := pool.Query(context.Background(), "select seq, 0::bigint, event_id, kind, version, subject, payload, created_at from outbox order by seq limit 2000")
	if err != nil {
		t.Error(err)
		return
	}
	events, err := pgx.CollectRows(rows, pgx.RowToStructByPos[outbox.Event])
	if err != nil {
		t.Error(err)
	}
	for _, e := range events {
		if err := e.Validate(); err != nil {
			t.Error(err)
		}
	}
}

type kind struct {
	capacity, perOrder, perFan int
	price                      int64
}

// event opens a sale that is on, with these kinds of tickets.
func (h *house) event(kinds ...kind) ropeline.Event {
	h.t.Helper()
	return h.eventAt(time.Now().Add(-time.Minute), time.Now().Add(time.Hour), kinds...)
}

func (h *house) eventAt(drop, closes time.Time, kinds ...kind) ropeline.Event {
	h.t.Helper()
	e := ropeline.Event{ID: ropeline.NewID[ropeline.EventID]()}
	err := pgx.BeginFunc(h.t.Context(), h.pair.Pool, func(tx pgx.Tx) error {
		venue := ropeline.NewID[ropeline.VenueID]()
		if _, err := tx.Exec(h.t.Context(), "insert into venues values ($1, 'v', 'a', 'c', 'UTC')", venue); err != nil {
			return err
		}
		_, err := tx.Exec(h.t.Context(), "insert into events (id, venue_id, name, starts_at, drop_at, closes_at) values ($1, $2, 'e', $4, $3, $4)",
			e.ID, venue, drop, closes)
		for i, k := range kinds {
			if err != nil {
				return err
			}
			t := ropeline.TicketType{ID: ropeline.NewID[ropeline.TicketTypeID](), Capacity: k.capacity}
			e.TicketTypes = append(e.TicketTypes, t)
			_, err = tx.Exec(h.t.Context(), "insert into ticket_types values ($1, $2, 'stalls', $3, 'EUR', $4, $5, $6)", t.ID, e.ID, k.price, k.perOrder, k.perFan, i)
		}
		if err != nil {
			return err
		}
		return h.OpenSale(h.t.Context(), tx, e)
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return e
}

func fan() ropeline.FanID { return ropeline.NewID[ropeline.FanID]() }

// ask is a request for a quantity of the event's first kind.
func ask(e ropeline.Event, f ropeline.FanID, quantity int) Request {
	return Request{Event: e.ID, Fan: f, PassID: "pass", Key: rand.Text(), Items: []ropeline.Item{{TicketType: e.TicketTypes[0].ID, Quantity: quantity}}}
}

// hold reserves and insists on a hold.
func (h *house) hold(e ropeline.Event, f ropeline.FanID, quantity int) Reservation {
	h.t.Helper()
	r, err := h.Reserve(h.t.Context(), ask(e, f, quantity), 5*time.Second)
	if err != nil || r.State != ReservationHeld {
		h.t.Fatalf("reserve: %v %+v", err, r)
	}
	return r
}

func (h *house) order(r Reservation) Order {
	h.t.Helper()
	o, err := h.PlaceOrder(h.t.Context(), r.Fan, r.ID, "fan@example.com", rand.Text())
	if err != nil {
		h.t.Fatalf("order: %v", err)
	}
	return o
}

func (h *house) confirm(o Order, outcome string) {
	h.t.Helper()
	if _, err := h.sandbox.Confirm(h.t.Context(), o.Payment.Ref, o.Payment.ClientSecret, outcome); err != nil {
		h.t.Fatalf("confirm: %v", err)
	}
}

// deliver brings the sandbox's due webhooks, each as often as said.
func (h *house) deliver(times int) (delivered int) {
	h.t.Helper()
	due, err := h.sandbox.Claim(h.t.Context(), 1000)
	if err != nil {
		h.t.Fatal(err)
	}
	for _, d := range due {
		for range times {
			if err := h.webhook(d.Body); err != nil {
				h.t.Fatalf("webhook: %v", err)
			}
		}
		if err := h.sandbox.Delivered(h.t.Context(), d.Seq); err != nil {
			h.t.Fatal(err)
		}
	}
	return len(due)
}

func (h *house) webhook(body []byte) error {
	header := http.Header{}
	header.Set(sandbox.SignatureHeader, h.sandbox.Sign(body, time.Now()))
	return h.Webhook(h.t.Context(), header, body)
}

// giveUp is Release for tests that look for themselves what it came to.
func (h *house) giveUp(ctx context.Context, id ropeline.ReservationID, fan ropeline.FanID, wait time.Duration) error {
	_, err := h.Release(ctx, id, fan, wait)
	return err
}

// work does what is owed until cond holds: the worker's part, without asynq.
func (h *house) work(what string, cond func() bool) {
	h.t.Helper()
	eventually(h.t, what, func() bool {
		h.sweep()
		return cond()
	})
}

func (h *house) sweep() {
	h.t.Helper()
	ctx := h.t.Context()
	events, err := h.DueEvents(ctx)
	if err != nil {
		h.t.Fatal(err)
	}
	for _, e := range events {
		if err := h.Nudge(ctx, e); err != nil {
			h.t.Fatal(err)
		}
	}
	payments, err := h.TakeUp(ctx, 1000)
	if err != nil {
		h.t.Fatal(err)
	}
	for _, p := range payments {
		if _, err := h.Perform(ctx, p); err != nil {
			h.t.Logf("perform: %v", err)
		}
	}
	refunds, err := h.OwedRefunds(ctx, 1000)
	if err != nil {
		h.t.Fatal(err)
	}
	for _, r := range refunds {
		if err := h.PerformRefund(ctx, r); err != nil {
			h.t.Logf("refund: %v", err)
		}
	}
}

func (h *house) state(o Order) OrderState { return h.look(o).State }

func (h *house) look(o Order) Order {
	h.t.Helper()
	now, err := h.Order(h.t.Context(), o.ID, o.Fan)
	if err != nil {
		h.t.Fatal(err)
	}
	return now
}

func (h *house) reservationState(r Reservation) ReservationState {
	h.t.Helper()
	now, err := h.Reservation(h.t.Context(), r.ID, r.Fan)
	if err != nil {
		h.t.Fatal(err)
	}
	return now.State
}

// audit fails the test when the event's rows contradict each other.
func (h *house) audit(e ropeline.Event) {
	h.t.Helper()
	found, err := Audit(context.Background(), h.pair.Pool, e.ID)
	if err != nil {
		h.t.Fatal(err)
	}
	for _, v := range found {
		h.t.Errorf("audit: %s", v)
	}
}

func count(t testing.TB, pool *pgxpool.Pool, sql string, args ...any) (n int) {
	t.Helper()
	if err := pool.QueryRow(context.Background(), sql, args...).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func eventually(t testing.TB, what string, cond func() bool) {
	t.Helper()
	within(t, 10*time.Second, what, cond)
}

func within(t testing.TB, limit time.Duration, what string, cond func() bool) {
	t.Helper()
	deadline := time.Now().Add(limit)
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for !cond() {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", limit, what)
		}
		<-ticker.C
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantCode(t testing.TB, err error, code ropeline.Code) {
	t.Helper()
	if err == nil || ropeline.CodeOf(err) != code {
		t.Fatalf("got %v, want %s", err, code)
	}
}
