package queue

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/internal/engines"
	"github.com/ropeline/ropeline/internal/keyring"
	"github.com/ropeline/ropeline/internal/redisdb"
)

func TestMain(m *testing.M) { engines.Main(m) }

// house is a line on real engines, with as many nodes as a test wants.
type house struct {
	t     testing.TB
	pool  *pgxpool.Pool
	redis *redisdb.Clients
	keys  *keyring.Keyring
	line  *Line
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
	h := &house{t: t, pool: pool, redis: clients, keys: keys}
	h.line = h.node()
	return h
}

// node is one more process of the house; it runs until the test ends.
func (h *house) node() *Line {
	l := New(h.redis, h.pool, h.keys, slog.New(slog.NewTextHandler(io.Discard, nil)))
	l.settle = 0
	runUntilEnd(h.t, l.Run)
	return l
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

func (h *house) event() ropeline.EventID {
	h.t.Helper()
	event, venue := ropeline.NewID[ropeline.EventID](), ropeline.NewID[ropeline.VenueID]()
	err := pgx.BeginFunc(context.Background(), h.pool, func(tx pgx.Tx) error {
		ctx := context.Background()
		if _, err := tx.Exec(ctx, "insert into venues values ($1, 'Hall', 'Street 1', 'Vienna', 'Europe/Vienna')", venue); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `insert into events (id, venue_id, name, starts_at, drop_at, closes_at)
			values ($1, $2, 'Concert', now() + interval '9 days', now(), now() + interval '1 day')`, event, venue); err != nil {
			return err
		}
		return h.line.Open(ctx, tx, event)
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return event
}

func (h *house) join(event ropeline.EventID, fan ropeline.FanID, claim *Place) Place {
	h.t.Helper()
	place, err := h.line.Join(context.Background(), event, fan, claim)
	if err != nil {
		h.t.Fatalf("join: %v", err)
	}
	return place
}

func (h *house) snapshot(event ropeline.EventID) *Snapshot {
	h.t.Helper()
	s, err := h.line.Snapshot(context.Background(), event)
	if err != nil {
		h.t.Fatalf("snapshot: %v", err)
	}
	return s
}

// lose empties the Redis of the house, as a lost disk does.
func (h *house) lose() {
	h.t.Helper()
	if err := h.redis.Write.FlushDB(context.Background()).Err(); err != nil {
		h.t.Fatal(err)
	}
}

// row is what Postgres knows of a line.
func (h *house) row(event ropeline.EventID) (epoch, highWater, admittedHigh int64) {
	h.t.Helper()
	err := h.pool.QueryRow(context.Background(), "select epoch, high_water, admitted_high from lines where event_id = $1", event).
		Scan(&epoch, &highWater, &admittedHigh)
	if err != nil {
		h.t.Fatal(err)
	}
	return epoch, highWater, admittedHigh
}

// admit takes n fans from the head, as admission's tick does.
func (h *house) admit(event ropeline.EventID, n int64) []Member {
	h.t.Helper()
	ctx, keys := context.Background(), KeysOf(event)
	heads, err := h.redis.Write.ZPopMin(ctx, keys.Waiting, n).Result()
	if err != nil {
		h.t.Fatal(err)
	}
	var members []Member
	for _, head := range heads {
		members = append(members, Member{Number: int64(head.Score), Fan: ropeline.FanID(head.Member.(string))})
		h.redis.Write.SetBit(ctx, keys.Gone, int64(head.Score), 1)
	}
	if err := h.redis.Write.HIncrBy(ctx, keys.Meta, "admitted", int64(len(heads))).Err(); err != nil {
		h.t.Fatal(err)
	}
	return members
}

func fans(n int) []ropeline.FanID {
	fans := make([]ropeline.FanID, n)
	for i := range fans {
		fans[i] = ropeline.NewID[ropeline.FanID]()
	}
	return fans
}

// joinAll joins from many goroutines and returns each fan's place.
func joinAll(t testing.TB, event ropeline.EventID, nodes []*Line, fans []ropeline.FanID, claims []Place) []Place {
	t.Helper()
	places := make([]Place, len(fans))
	next := make(chan int)
	var all sync.WaitGroup
	for worker := range 64 {
		all.Go(func() {
			for i := range next {
				var claim *Place
				if claims != nil {
					claim = &claims[i]
				}
				place, err := nodes[worker%len(nodes)].Join(context.Background(), event, fans[i], claim)
				if err != nil {
					t.Errorf("join %d: %v", i, err)
				}
				places[i] = place
			}
		})
	}
	for i := range fans {
		next <- i
	}
	close(next)
	all.Wait()
	return places
}

// eventually polls until the condition holds.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	deadline := time.NewTimer(15 * time.Second)
	defer deadline.Stop()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for !holds() {
		select {
		case <-ticker.C:
		case <-deadline.C:
			t.Fatalf("it did not come true: %s", what)
		}
	}
}
