package queue

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
)

const (
	drawEvery   = 250 * time.Millisecond
	stepTimeout = time.Minute // of one step, a million entrants on a slow disk
)

// RunDraws makes the draws that are due, until ctx ends; it returns when all
// its steps have. Any number of nodes may run it: whoever locks the row of a
// draw takes the next step, and a node that dies in a step loses the lock.
func (l *Line) RunDraws(ctx context.Context) error {
	var (
		all     sync.WaitGroup
		mu      sync.Mutex
		running = map[ropeline.EventID]bool{}
	)
	defer all.Wait()
	ticker := time.NewTicker(drawEvery)
	defer ticker.Stop()
	for {
		events, err := l.drawsDue(ctx)
		if err != nil && ctx.Err() == nil {
			l.log.WarnContext(ctx, "list the draws that are due", "err", err)
		}
		for _, event := range events {
			mu.Lock()
			busy := running[event]
			running[event] = true
			mu.Unlock()
			if busy {
				continue
			}
			all.Go(func() {
				if err := l.takeSteps(ctx, event); err != nil && ctx.Err() == nil {
					l.log.WarnContext(ctx, "a step of the draw", "event", event, "err", err)
				}
				mu.Lock()
				defer mu.Unlock()
				delete(running, event)
			})
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil
		}
	}
}

func (l *Line) drawsDue(ctx context.Context) ([]ropeline.EventID, error) {
	rows, err := l.pool.Query(ctx, `
		select d.event_id from draws d join events e on e.id = d.event_id
		where d.state <> 'done' and e.drop_at <= now() order by e.drop_at`)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[ropeline.EventID])
}

// takeSteps goes on until the draw is done, waits for something, or another
// node is at it.
func (l *Line) takeSteps(ctx context.Context, event ropeline.EventID) error {
	for ctx.Err() == nil {
		if on, err := l.takeStep(ctx, event); err != nil || !on {
			return err
		}
	}
	return ctx.Err()
}

// takeStep takes one step under the lock of the draw's row; on tells whether
// there is another one to take now.
func (l *Line) takeStep(ctx context.Context, event ropeline.EventID) (on bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	err = pgx.BeginFunc(ctx, l.pool, func(tx pgx.Tx) error {
		// The lock of a node that hangs or is cut off must not outlive it for long.
		if _, err := tx.Exec(ctx, "set local idle_in_transaction_session_timeout = '30s'"); err != nil {
			return err
		}
		d, err := readDraw(ctx, tx, event, "for update skip locked")
		if errors.Is(err, pgx.ErrNoRows) {
			return nil // another node is at it
		}
		if err != nil {
			return err
		}
		began := time.Now()
		switch d.is() {
		case stateOpen:
			on, err = l.closeLobby(ctx, tx, event)
		case stateClosed:
			on, err = l.mix(ctx, tx, d)
		case stateMixed:
			on, err = l.giveNumbers(ctx, tx, d)
		case stateNumbered:
			err = l.openLine(ctx, tx, event)
		}
		if err == nil && on {
			l.log.InfoContext(ctx, "draw", "event", event, "left", d.State, "took", time.Since(began))
		}
		return err
	})
	return on && err == nil, err
}
