package admission

import (
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/internal/pacelog"
	"github.com/ropeline/ropeline/queue"
)

const (
	// PaceBypass is the kind of a log entry: the organizer named fans to be let
	// in next, past the line.
	PaceBypass = "bypass"

	mostBypassed = 100 // numbers in one request
)

type paceBypass struct {
	Numbers string `json:"numbers"`
}

// Bypass lets the fans with these numbers in before everybody else: the next
// ticks take them first. They count like others: against the rate, the most
// shoppers and the stock gate. Who asked is kept in Postgres, and that it was
// asked for in the public log. Code not_in_line names a number that does not
// wait; then nobody is let in. Naming a fan twice changes nothing.
func (a *Admission) Bypass(ctx context.Context, event ropeline.EventID, numbers []int64, by string) error {
	numbers = slices.Compact(slices.Sorted(slices.Values(numbers)))
	if len(numbers) == 0 || len(numbers) > mostBypassed {
		return ropeline.Errorf(ropeline.CodeInvalidRequest, "numbers must be 1 to %d numbers of fans who wait.", mostBypassed)
	}
	fans, err := a.holders(ctx, event, numbers)
	if err != nil {
		return err
	}
	members := make([]queue.Member, len(numbers))
	for i, n := range numbers {
		members[i].Number = n
	}
	err = pgx.BeginFunc(ctx, a.pool, func(tx pgx.Tx) error {
		var at time.Time
		err := tx.QueryRow(ctx, "insert into bypasses (event_id, numbers, asked_by) values ($1, $2, $3) returning asked_at", event, numbers, by).Scan(&at)
		if err != nil {
			return err
		}
		entry, err := pacelog.New(PaceBypass, at, paceBypass{numbersOf(members)})
		if err != nil {
			return err
		}
		return pacelog.Append(ctx, tx, event, entry)
	})
	if err != nil {
		return ropeline.Unavailable(err)
	}
	if err := a.redis.Write.RPush(ctx, keysOf(event).bypass, fans...).Err(); err != nil {
		return ropeline.Unavailable(err)
	}
	return nil
}

// holders finds who waits with each number.
func (a *Admission) holders(ctx context.Context, event ropeline.EventID, numbers []int64) ([]any, error) {
	pipe := a.redis.Read.Pipeline()
	found := make([]*redis.StringSliceCmd, len(numbers))
	for i, n := range numbers {
		score := strconv.FormatInt(n, 10)
		found[i] = pipe.ZRangeByScore(ctx, queue.KeysOf(event).Waiting, &redis.ZRangeBy{Min: score, Max: score})
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, ropeline.Unavailable(err)
	}
	fans := make([]any, len(numbers))
	for i, reply := range found {
		if len(reply.Val()) != 1 {
			return nil, ropeline.Errorf(ropeline.CodeNotInLine, "Nobody waits with number %d.", numbers[i])
		}
		fans[i] = reply.Val()[0]
	}
	return fans, nil
}
