package queue

import (
	"context"
	"errors"
	"sync"

	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
)

const (
	block    = 10_000 // numbers reserved at a time; a multiple of 8, as the bitmap likes it
	lowWater = 2_000  // left numbers at which the next block is fetched ahead
)

// reserve covers the next block of numbers in Postgres and returns the new
// high-water mark. Nodes that ask from the same mark get the same block.
func (l *Line) reserve(ctx context.Context, event ropeline.EventID, reserved int64) (int64, error) {
	var highWater int64
	err := l.pool.QueryRow(ctx, `
		update lines set high_water = greatest(high_water, $2) where event_id = $1 returning high_water`,
		event, reserved+block).Scan(&highWater)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, ropeline.Errorf(ropeline.CodeEventNotFound, "There is no such event.")
	}
	if err != nil {
		return 0, ropeline.Unavailable(err)
	}
	return highWater, nil
}

// fetchAhead reserves the next block while the current one still lasts.
func (l *Line) fetchAhead(event ropeline.EventID, reserved int64) {
	if !l.blocks.ask(event) {
		return
	}
	l.ahead.Go(func() {
		defer l.blocks.answered(event)
		ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
		defer cancel()
		mark, err := l.reserve(ctx, event, reserved)
		if err != nil {
			l.log.Warn("reserve numbers ahead", "event", event, "err", err)
			return
		}
		l.blocks.learn(event, mark)
	})
}

// blocks are the high-water marks that this node has learnt from Postgres and
// may not have told Redis yet. A join passes them on.
type blocks struct {
	mu      sync.Mutex
	covered map[ropeline.EventID]int64
	asking  map[ropeline.EventID]bool
}

// coveredTo is what to tell Redis with the next join; 0 for nothing new.
func (b *blocks) coveredTo(event ropeline.EventID) int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.covered[event]
}

func (b *blocks) told(event ropeline.EventID, reserved int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if mark, known := b.covered[event]; known && mark <= reserved {
		delete(b.covered, event)
	}
}

func (b *blocks) learn(event ropeline.EventID, mark int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.covered == nil {
		b.covered = map[ropeline.EventID]int64{}
	}
	b.covered[event] = max(b.covered[event], mark)
}

// ask is true for the one who shall fetch a block; answered must follow.
func (b *blocks) ask(event ropeline.EventID) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.asking[event] || b.covered[event] > 0 {
		return false
	}
	if b.asking == nil {
		b.asking = map[ropeline.EventID]bool{}
	}
	b.asking[event] = true
	return true
}

func (b *blocks) answered(event ropeline.EventID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.asking, event)
}
