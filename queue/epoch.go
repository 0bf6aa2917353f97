package queue

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
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
		var begun bool
		err := tx.QueryRow(ctx, "select epoch, high_water, admitted_high, begun from lines where event_id = $1 for update", event).
			Scan(&epoch, &highWater, &admittedHigh, &begun)
		if errors.Is(err, pgx.ErrNoRows) {
			return ropeline.Errorf(ropeline.CodeEventNotFound, "There is no such event.")
		}
		if err != nil {
			return err
		}
		lobby, entrants, err := lobbyOf(ctx, tx, event)
		if err != nil {
			return err
		}
		if lobby == lobbyOpen {
			highWater = 0 // no number was given yet, whatever was reserved
		}
		next := epoch
		if highWater > 0 || lobby != "" && begun {
			next++
		}
		keys := KeysOf(event)
		reply, err := l.scripts.restore.Run(ctx, l.redis.Write,
			[]string{keys.Meta, keys.Waiting, keys.Gone, keys.Lost, keys.Feed, keys.Lobby, keys.Leavers},
			next, highWater, admittedHigh, l.settle.Milliseconds(), lobby, entrants, l.back.Milliseconds()).Int64Slice()
		if err != nil {
			return err
		}
		if len(reply) != 2 || reply[1] < 1 {
			return replyError("restore", reply)
		}
		if reply[0] == 1 && reply[1] > 1 {
			l.metrics.restores.Inc()
			l.log.WarnContext(ctx, "a lost line begins a new epoch", "event", event, "epoch", reply[1], "next", highWater)
		}
		l.epochs.saw(event, reply[1])
		// Also for a line that somebody else began and could not commit.
		_, err = tx.Exec(ctx, "update lines set epoch = $2, begun = true where event_id = $1 and (epoch < $2 or not begun)", event, reply[1])
		return err
	})
	if _, ours := errors.AsType[*ropeline.Error](err); err == nil || ours {
		return err
	}
	return ropeline.Unavailable(err)
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

func replyError(script string, reply any) error {
	return fmt.Errorf("queue: script %s answered %v", script, reply)
}
