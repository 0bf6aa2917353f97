package admission

import (
	"context"
	"io"
	"log/slog"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/internal/engines"
	"github.com/ropeline/ropeline/internal/keyring"
	"github.com/ropeline/ropeline/internal/redisdb"
	"github.com/ropeline/ropeline/queue"
)

func TestMain(m *testing.M) { engines.Main(m) }

// house is admission on real engines, with a clock in the test's hands.
type house struct {
	t     testing.TB
	pool  *pgxpool.Pool
	redis *redisdb.Clients
	keys  *keyring.Keyring
	line  *queue.Line
	*Admission

	now time.Time
}

func newHouse(t testing.TB) *house {
	t.Helper()
	pair := engines.Test(t)
	return houseOn(t, pair.Pool, pair.RedisURL)
}

func houseOn(t testing.TB, pool *pgxpool.Pool, redisURL string) *house {
	t.Helper()
	clients, err := redisdb.Open(t.Context(), redisURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { clients.Close() })
	keys, err := keyring.Load(t.Context(), pool)
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	line := queue.New(clients, pool, keys, log)
	runUntilEnd(t, line.Run)
	return &house{t: t, pool: pool, redis: clients, keys: keys, line: line,
		Admission: New(clients, pool, keys, line, log), now: time.Now().Truncate(time.Millisecond)}
}

func runUntilEnd(t testing.TB, run func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
}

// quick rules admit whoever waits; a test changes what it is about.
func quick() Rules {
	return Rules{RatePerMinute: 60_000, Burst: 1000, MaxShoppers: 1000, Batch: 1000, ShowUp: time.Minute, Shop: 10 * time.Minute}
}

func (h *house) event(r Rules) ropeline.EventID {
	h.t.Helper()
	ctx := context.Background()
	event, venue := ropeline.NewID[ropeline.EventID](), ropeline.NewID[ropeline.VenueID]()
	err := pgx.BeginFunc(ctx, h.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "insert into venues values ($1, 'Hall', 'Street 1', 'Vienna', 'Europe/Vienna')", venue); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `insert into events (id, venue_id, name, starts_at, drop_at, closes_at)
			values ($1, $2, 'Concert', now() + interval '9 days', now(), now() + interval '1 day')`, event, venue); err != nil {
			return err
		}
		if err := h.line.Open(ctx, tx, event); err != nil {
			return err
		}
		return h.CreateRules(ctx, tx, event, r, "the test")
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return event
}

func (h *house) join(event ropeline.EventID, n int) []queue.Place {
	h.t.Helper()
	places := make([]queue.Place, n)
	for i := range places {
		place, err := h.line.Join(context.Background(), event, ropeline.NewID[ropeline.FanID](), nil)
		if err != nil {
			h.t.Fatal(err)
		}
		places[i] = place
	}
	return places
}

func micros(at time.Time) string { return strconv.FormatInt(at.UnixMicro(), 10) }

// tickNow ticks by the test's clock.
func (h *house) tickNow(event ropeline.EventID) Ticked {
	h.t.Helper()
	ticked, err := h.tick(context.Background(), event, string(ropeline.NewID[ropeline.FanID]()), micros(h.now))
	if err != nil {
		h.t.Fatalf("tick: %v", err)
	}
	return ticked
}

func (h *house) enterNow(s Shopper) (Shopper, error) {
	h.t.Helper()
	pass, err := h.ParsePass(h.Pass(s), h.now)
	if err != nil {
		return Shopper{}, err
	}
	return h.enter(context.Background(), pass, s.Fan, "", micros(h.now))
}

func (h *house) shopper(event ropeline.EventID, fan ropeline.FanID) Shopper {
	h.t.Helper()
	s, found, err := h.Shopper(context.Background(), event, fan)
	if err != nil || !found {
		h.t.Fatalf("shopper %s: %v, %v", fan, found, err)
	}
	return s
}

func (h *house) counts(event ropeline.EventID) Counts {
	h.t.Helper()
	c, err := h.Counts(context.Background(), event)
	if err != nil {
		h.t.Fatal(err)
	}
	return c
}

func (h *house) wait(d time.Duration) { h.now = h.now.Add(d) }

// eventually polls until the condition holds.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	deadline := time.NewTimer(20 * time.Second)
	defer deadline.Stop()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for !holds() {
		select {
		case <-ticker.C:
		case <-deadline.C:
			t.Fatalf("it did not come true: %s", what)
		}
	}
}
