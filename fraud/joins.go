package fraud

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ropeline/ropeline"
)

// Joins are counted in a count-min sketch of fixed size, one string in Redis
// for an event: a million fans cost as much as ten, and it holds nobody's
// trace. Cell c of row r is the 16 bits at 16·(r·sketchWidth + c); the 32 bits
// after the last cell count all that was added.
const (
	sketchRows  = 2
	sketchWidth = 1 << 18
	sumCell     = sketchRows * sketchWidth * 16
	sketchLife  = 7 * 24 * time.Hour
)

// sketched is a trace that the sketch counts.
type sketched struct {
	signal Signal
	cells  [sketchRows]int64 // bit offsets
}

func sketchedOf(t Traces) []sketched {
	var all []sketched
	for _, k := range []struct {
		trace  string
		signal Signal
	}{{"address", JoinedAddress}, {"device", JoinedDevice}} {
		raw, err := base64.RawURLEncoding.DecodeString(t[k.trace])
		if err != nil || len(raw) < 4*sketchRows {
			continue
		}
		s := sketched{signal: k.signal}
		for row := range s.cells {
			cell := binary.BigEndian.Uint32(raw[4*row:]) % sketchWidth
			s.cells[row] = 16 * (int64(row)*sketchWidth + int64(cell))
		}
		all = append(all, s)
	}
	return all
}

// estimate is how many identities besides this one a trace has: the least of
// its cells, without what strangers put there on average (count-mean-min).
func estimate(cells []int64, sum int64) float64 {
	least := cells[0]
	for _, c := range cells {
		least = min(least, c)
	}
	noise := float64(sum-least) / (sketchWidth - 1)
	return max(float64(least)-noise-1, 0)
}

// joins gathers who joined until the next flush. It is bounded: a flood is
// counted in part, which is enough to know it.
type joins struct {
	full    atomic.Bool
	mu      sync.Mutex
	waiting []Visit
	spare   []Visit // of the last flush, empty
}

const (
	mostJoins  = 2048 // between two flushes
	flushPause = 250 * time.Millisecond
	flushTime  = 2 * time.Second
)

// Counts tells whether Joined would note one more before the next flush; in a
// flood most joins are not even looked at.
func (f *Fraud) Counts() bool {
	if f.joins.full.Load() {
		f.metrics.droppedJoins.Inc()
		return false
	}
	return true
}

// Joined notes that a fresh identity has joined an event's line. It costs the
// caller no more than a lock.
func (f *Fraud) Joined(v Visit) {
	f.joins.mu.Lock()
	defer f.joins.mu.Unlock()
	if len(f.joins.waiting) >= mostJoins {
		f.metrics.droppedJoins.Inc()
		return
	}
	f.joins.waiting = append(f.joins.waiting, v)
	f.joins.full.Store(len(f.joins.waiting) == mostJoins)
}

// flushJoins adds what has gathered to the events' sketches. Only one flush
// runs at a time.
func (f *Fraud) flushJoins(ctx context.Context) error {
	f.joins.mu.Lock()
	waiting := f.joins.waiting
	f.joins.waiting = f.joins.spare
	f.joins.full.Store(false)
	f.joins.mu.Unlock()
	defer func() {
		clear(waiting)
		f.joins.spare = waiting[:0]
	}()
	commands := map[ropeline.EventID][]any{}
	sums := map[ropeline.EventID]int{}
	for _, v := range waiting {
		for _, s := range sketchedOf(f.traces(v)) {
			for _, cell := range s.cells {
				commands[v.Event] = append(commands[v.Event], "incrby", "u16", cell, 1)
			}
			sums[v.Event]++
		}
	}
	var errs []error
	for event, c := range commands {
		c = append([]any{"overflow", "sat"}, append(c, "incrby", "u32", sumCell, sums[event])...)
		key := joinedKey(event)
		pipe := f.velocity.redis.Write.Pipeline()
		pipe.BitField(ctx, key, c...)
		pipe.Expire(ctx, key, sketchLife)
		_, err := pipe.Exec(ctx)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
