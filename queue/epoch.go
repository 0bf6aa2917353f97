package queue

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
)

const (
	block    = 10_000 // numbers reserved at a time; a multiple of 8, as the bitmap likes it
	lowWater = 2_000  // left numbers at which the next block is fetched ahead
)

// Restore begins an epoch for a line that Redis does not know or that another
// life of the server left behind; it does nothing for a line that is alive.
// Many callers on many nodes begin one epoch: the row lock lets one through
// at a time, and the script looks again.
func (l *Line) Restore(ctx context.Context, event ropeline.EventID) error {
	done := l.restores.DoChan(string(event), func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
		defer cancel()
		return nil, l.restore(ctx, event)
	})
	select {
	case result := <-done:
		return result.Err
	case <-ctx.Done():
		return ropeline.Unavailable(ctx.Err())
	}
}

func (l *Line) restore(ctx context.Context, event ropeline.EventID) error {
	err := pgx.BeginFunc(ctx, l.pool, func(tx pgx.Tx) error {
		var epoch, highWater, admittedHigh int64
		err := tx.QueryRow(ctx, "select epoch, high_water, admitted_high from lines where event_id = $1 for update", event).
			Scan(&epoch, &highWater, &admittedHigh)
		if errors.Is(err, pgx.ErrNoRows) {
			return ropeline.Errorf(ropeline.CodeEventNotFound, "There is no such event.")
		}
		if err != nil {
			return err
		}
		next := epoch
		if highWater > 0 {
			next++
		}
		keys := KeysOf(event)
		reply, err := l.scripts.restore.Run(ctx, l.redis.Write,
			[]string{keys.Meta, keys.Waiting, keys.Gone, keys.Lost, keys.Feed},
			next, highWater, admittedHigh, l.settle.Milliseconds()).Int64Slice()
		if err != nil {
			return err
		}
		if len(reply) != 2 || reply[1] < 1 {
			return replyError("restore", reply)
		}
		if reply[0] == 1 && reply[1] > 1 {
			l.log.WarnContext(ctx, "a lost line begins a new epoch", "event", event, "epoch", reply[1], "next", highWater)
		}
		// Also for a line that somebody else began and could not commit.
		_, err = tx.Exec(ctx, "update lines set epoch = $2 where event_id = $1 and epoch < $2", event, reply[1])
		return err
	})
	if _, ours := errors.AsType[*ropeline.Error](err); err == nil || ours {
		return err
	}
	return ropeline.Unavailable(err)
}

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

// RecordAdmitted keeps in Postgres that all fans up to a number were called:
// after a total loss they do not come back to the front.
func (l *Line) RecordAdmitted(ctx context.Context, event ropeline.EventID, number int64) error {
	_, err := l.pool.Exec(ctx, "update lines set admitted_high = $2 where event_id = $1 and admitted_high < $2", event, number)
	if err != nil {
		return ropeline.Unavailable(err)
	}
	return nil
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

func replyError(script string, reply any) error {
	return fmt.Errorf("queue: script %s answered %v", script, reply)
}
