package outbox

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/internal/engines"
)

func TestMain(m *testing.M) { engines.Main(m) }

func insert(ctx context.Context, db interface {
	SendBatch(context.Context, *pgx.Batch) pgx.BatchResults
}, event ropeline.EventID, subject string) error {
	e, err := New(OrderPaid, event, subject, Order{Order: "o", Fan: "f"})
	if err != nil {
		return err
	}
	batch := &pgx.Batch{}
	e.Queue(batch)
	return db.SendBatch(ctx, batch).Close()
}

// taken is a consumer.
type taken struct {
	mu     sync.Mutex
	events []Event
	err    error
}

func (c *taken) take(_ context.Context, events []Event) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.events = append(c.events, events...)
	return c.err
}

func read(t *testing.T, r *Reader, c *taken) {
	t.Helper()
	if _, err := r.Read(t.Context(), c.take); err != nil {
		t.Fatal(err)
	}
}

// until reads until a consumer has n events: others who use the engine at the
// same time may hold the horizon up for a moment.
func until(t *testing.T, r *Reader, c *taken, n int) {
	t.Helper()
	ticker := time.NewTicker(2 * time.Millisecond)
	defer ticker.Stop()
	for deadline := time.Now().Add(20 * time.Second); ; <-ticker.C {
		read(t, r, c)
		if len(c.events) >= n {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d events: %v", len(c.events), n, c.events)
		}
	}
}

// A row is not read while an earlier one may still appear.
func TestUncommittedRowsHoldLaterOnesBack(t *testing.T) {
	pool := engines.Test(t).Pool
	r, c := NewReader(pool, NewHorizon(pool), "test", 10), &taken{}
	early, err := pool.Begin(t.Context())
	must(t, err)
	defer early.Rollback(context.Background())
	must(t, insert(t.Context(), early, "e", "1"))
	must(t, insert(t.Context(), pool, "e", "2"))
	must(t, insert(t.Context(), pool, "other", "3"))
	for range 5 {
		read(t, r, c)
	}
	if len(c.events) != 0 {
		t.Fatalf("read past a row that is not committed: %v", c.events)
	}
	must(t, early.Commit(t.Context()))
	until(t, r, c, 3)
	if c.events[0].Subject != "1" || c.events[1].Subject != "2" || c.events[1].Previous != c.events[0].Seq || c.events[2].Previous != 0 {
		t.Errorf("%+v", c.events)
	}
}

// A number that was taken back is jumped over, and Previous tells of no loss.
func TestRolledBackNumbersAreGaps(t *testing.T) {
	pool := engines.Test(t).Pool
	r, c := NewReader(pool, NewHorizon(pool), "test", 1), &taken{}
	must(t, insert(t.Context(), pool, "e", "1"))
	tx, err := pool.Begin(t.Context())
	must(t, err)
	must(t, insert(t.Context(), tx, "e", "lost"))
	must(t, tx.Rollback(t.Context()))
	must(t, insert(t.Context(), pool, "e", "2"))
	until(t, r, c, 2)
	if c.events[1].Seq != c.events[0].Seq+2 || c.events[1].Previous != c.events[0].Seq {
		t.Errorf("%+v", c.events)
	}
}

// A row that was pruned is still the one before the next.
func TestPreviousOutlivesItsRow(t *testing.T) {
	pool := engines.Test(t).Pool
	c := &taken{}
	must(t, insert(t.Context(), pool, "e", "1"))
	until(t, NewReader(pool, NewHorizon(pool), "test", 10), c, 1)
	_, err := pool.Exec(t.Context(), `
		alter table outbox disable trigger outbox_append_only;
		update outbox set created_at = created_at - interval '8 days';
		alter table outbox enable trigger outbox_append_only;
		delete from outbox_cursors where consumer <> 'test'`)
	must(t, err)
	if gone, err := Prune(t.Context(), pool, LeastKept, 10); gone != 1 || err != nil {
		t.Fatal(gone, err)
	}
	must(t, insert(t.Context(), pool, "e", "2"))
	until(t, NewReader(pool, NewHorizon(pool), "test", 10), c, 2) // another process
	if c.events[1].Previous != c.events[0].Seq {
		t.Errorf("%+v", c.events)
	}
}

// A consumer that fails gets the same again, and holds up nobody else.
func TestConsumersDoNotHoldEachOtherUp(t *testing.T) {
	pool := engines.Test(t).Pool
	horizon := NewHorizon(pool)
	down, up := NewReader(pool, horizon, "down", 2), NewReader(pool, horizon, "up", 2)
	broken, fine := &taken{err: errors.New("away")}, &taken{}
	for i := range 5 {
		must(t, insert(t.Context(), pool, "e", fmt.Sprint(i)))
	}
	until(t, up, fine, 5)
	for range 2 {
		if _, err := down.Read(t.Context(), broken.take); err == nil {
			t.Fatal("no error from a consumer that is down")
		}
	}
	if len(broken.events) != 4 || broken.events[0].Seq != broken.events[2].Seq {
		t.Fatalf("%+v", broken.events)
	}
	broken.err, broken.events = nil, nil
	until(t, down, broken, 5)
	again := NewReader(pool, NewHorizon(pool), "up", 2) // another process
	must(t, insert(t.Context(), pool, "e", "5"))
	fine.events = nil
	until(t, again, fine, 1)
	if len(fine.events) != 1 || fine.events[0].Subject != "5" {
		t.Errorf("%+v", fine.events)
	}
}

// Many writers, whose transactions end in any order and some not at all, and
// two processes that read: each row that was committed comes, in order.
func TestReadersMissNothing(t *testing.T) {
	pool := engines.Test(t).Pool
	const writers, each = 8, 40
	var committed atomic.Int64
	var wrote sync.WaitGroup
	for w := range writers {
		wrote.Go(func() {
			random := rand.New(rand.NewPCG(uint64(w), 1))
			for i := range each {
				event := ropeline.EventID(fmt.Sprint("e", random.IntN(3)))
				keep := random.IntN(5) > 0
				n := 1 + random.IntN(3)
				err := pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
					for range n {
						if err := insert(t.Context(), tx, event, fmt.Sprint(w, ".", i)); err != nil {
							return err
						}
					}
					if !keep {
						return errors.New("taken back")
					}
					return nil
				})
				if keep && err != nil {
					t.Error(err)
				} else if keep {
					committed.Add(int64(n))
				}
			}
		})
	}
	c := &taken{}
	stop, stopped := make(chan struct{}), sync.WaitGroup{}
	for range 2 {
		stopped.Go(func() {
			r := NewReader(pool, NewHorizon(pool), "test", 7)
			for {
				select {
				case <-stop:
					return
				default:
					if _, err := r.Read(t.Context(), c.take); err != nil {
						t.Error(err)
						return
					}
				}
			}
		})
	}
	wrote.Wait()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		c.mu.Lock()
		done := int64(len(c.events)) >= committed.Load()
		c.mu.Unlock()
		if done {
			break
		}
	}
	close(stop)
	stopped.Wait()
	if int64(len(c.events)) != committed.Load() {
		t.Fatalf("%d read, %d committed", len(c.events), committed.Load())
	}
	last := map[ropeline.EventID]int64{}
	for i, e := range c.events {
		if i > 0 && e.Seq <= c.events[i-1].Seq {
			t.Fatalf("%d after %d", e.Seq, c.events[i-1].Seq)
		}
		if e.Previous != last[e.Event] {
			t.Fatalf("%d of %s says that %d was before it, and it was %d", e.Seq, e.Event, e.Previous, last[e.Event])
		}
		last[e.Event] = e.Seq
	}
}

// Rows stay as they are written.
func TestOutboxIsAppendOnly(t *testing.T) {
	pool := engines.Test(t).Pool
	must(t, insert(t.Context(), pool, "e", "1"))
	for _, sql := range []string{"update outbox set kind = 'x'", "delete from outbox"} {
		if _, err := pool.Exec(t.Context(), sql); err == nil {
			t.Errorf("%s: done", sql)
		}
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
