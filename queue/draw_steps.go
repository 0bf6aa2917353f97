package queue

import (
	"context"
	"encoding/hex"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/internal/pacelog"
	"github.com/ropeline/ropeline/queue/draw"
)

const (
	scanned      = 1000 // fans of the lobby read in one command, about 0.5 ms of Redis
	numbersAtOne = 250  // numbers given in one script call, about 0.5 ms of Redis
)

// closeLobby closes the lobby and writes down who is in it. The row stays
// open, and the step is taken again, if anything fails before the commit: a
// lobby that Redis lost meanwhile opens again.
func (l *Line) closeLobby(ctx context.Context, tx pgx.Tx, event ropeline.EventID) (on bool, err error) {
	keys := KeysOf(event)
	var reply []int64
	for range 3 {
		reply, err = l.callDraw(ctx, "close", l.scripts.close, []string{keys.Meta, keys.Lobby}, 3)
		if err != nil {
			return false, err
		}
		if reply[0] > 0 {
			break
		}
		if err := l.Restore(ctx, event); err != nil {
			return false, err
		}
	}
	if reply[0] == 0 || reply[1] < 0 {
		return false, replyError("close", reply)
	}
	if reply[2] > 0 {
		l.log.InfoContext(ctx, "the lobby was lost and waits for its fans", "event", event, "ms", reply[2])
		return false, nil
	}
	fans := make([]ropeline.FanID, 0, reply[1])
	for cursor := uint64(0); ; {
		var some []string
		if some, cursor, err = l.redis.Read.SScan(ctx, keys.Lobby, cursor, "", scanned).Result(); err != nil {
			return false, err
		}
		for _, fan := range some {
			fans = append(fans, ropeline.FanID(fan))
		}
		if cursor == 0 {
			break
		}
	}
	// Still the lobby that was closed? Then the scan has seen all of it.
	after, err := l.callDraw(ctx, "close", l.scripts.close, []string{keys.Meta, keys.Lobby}, 3)
	if err != nil {
		return false, err
	}
	entrants := draw.NewEntrants(fans)
	if after[0] != reply[0] || after[1] != int64(entrants.Len()) || after[2] != 0 {
		return true, nil
	}
	return true, l.writeEntrants(ctx, tx, event, entrants)
}

// writeEntrants ends the state open. The numbers of the entrants are covered
// by the line's high-water mark from here on.
func (l *Line) writeEntrants(ctx context.Context, tx pgx.Tx, event ropeline.EventID, entrants draw.Entrants) error {
	roots := draw.PageRoots(entrants)
	pages := pgx.CopyFromSlice(len(roots), func(i int) ([]any, error) {
		page := entrants.Page(i)
		return []any{event, i, string(page.At(0)), []byte(page), roots[i][:]}, nil
	})
	if _, err := tx.CopyFrom(ctx, pgx.Identifier{"draw_entrants"}, []string{"event_id", "page", "first", "fans", "root"}, pages); err != nil {
		return err
	}
	root, n := draw.Join(roots), int64(entrants.Len())
	if _, err := tx.Exec(ctx, `update draws set state = 'closed', entrants = $2, root = $3, closed_at = clock_timestamp() where event_id = $1`,
		event, n, root[:]); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, "update lines set high_water = greatest(high_water, $2) where event_id = $1", event, (n+block-1)/block*block); err != nil {
		return err
	}
	return l.logStep(ctx, tx, event, stateClosed, map[string]any{"entrants": n, "root": hex.EncodeToString(root[:])})
}

// mix fixes the entropy, if the time for a promised value is over. A value
// that comes in time is fixed by GiveEntropy.
func (l *Line) mix(ctx context.Context, tx pgx.Tx, d Draw) (on bool, err error) {
	if _, err := l.setAside(ctx, tx, d); err != nil {
		return false, err
	}
	if time.Since(*d.ClosedAt) < d.Plan.Wait {
		return false, nil
	}
	return true, l.fix(ctx, tx, d.Event, draw.FromRoot, hex.EncodeToString(d.Root))
}

// fix ends the state closed. From here on the seed is public.
func (l *Line) fix(ctx context.Context, tx pgx.Tx, event ropeline.EventID, from, value string) error {
	entropy := draw.Entropy([]byte(value))
	var seed []byte
	err := tx.QueryRow(ctx, `update draws set state = 'mixed', mixed_from = $2, value = $3, entropy = $4, mixed_at = clock_timestamp() where event_id = $1 returning seed`,
		event, from, value, entropy[:]).Scan(&seed)
	if err != nil {
		return err
	}
	return l.logStep(ctx, tx, event, stateMixed, map[string]any{"from": from, "value": value, "seed": hex.EncodeToString(seed)})
}

// setAside makes sure that Redis keeps the entrants' numbers for them, and
// returns how many of them have theirs; -1 when the line is open already. It
// mends what a loss of Redis has undone.
func (l *Line) setAside(ctx context.Context, tx pgx.Tx, d Draw) (numbered int64, err error) {
	keys := KeysOf(d.Event)
	for range 5 {
		var highWater int64
		if err := tx.QueryRow(ctx, "select high_water from lines where event_id = $1", d.Event).Scan(&highWater); err != nil {
			return 0, err
		}
		reply, err := l.callDraw(ctx, "ready", l.scripts.ready, []string{keys.Meta, keys.Lobby, keys.Feed}, 2, d.Entrants, highWater)
		switch {
		case err != nil:
			return 0, err
		case reply[0] == 0:
			err = l.Restore(ctx, d.Event)
		case reply[1] == -1:
			err = l.refill(ctx, tx, d.Event)
		case reply[1] == -2:
			return -1, nil
		default:
			return reply[1], nil
		}
		if err != nil {
			return 0, err
		}
	}
	return 0, errLost
}

// refill brings the entrants back into the lobby of a Redis that lost them.
func (l *Line) refill(ctx context.Context, tx pgx.Tx, event ropeline.EventID) error {
	entrants, err := readEntrants(ctx, tx, event)
	if err != nil {
		return err
	}
	key, some := KeysOf(event).Lobby, make([]any, 0, numbersAtOne)
	for i := range entrants.Len() {
		some = append(some, []byte(entrants.At(i)))
		if len(some) == numbersAtOne || i == entrants.Len()-1 {
			if err := l.redis.Write.SAdd(ctx, key, some...).Err(); err != nil {
				return err
			}
			some = some[:0]
		}
	}
	return nil
}

// giveNumbers ends the state mixed, in bounded calls. How far it is stands in
// Redis beside the numbers, so that the two are lost together or not at all.
func (l *Line) giveNumbers(ctx context.Context, tx pgx.Tx, d Draw) (on bool, err error) {
	from, err := l.setAside(ctx, tx, d)
	if err != nil {
		return false, err
	}
	entrants, err := readEntrants(ctx, tx, d.Event)
	if err != nil {
		return false, err
	}
	order, keys := d.order(entrants), KeysOf(d.Event)
	packed := make([]byte, 0, numbersAtOne*draw.IDLength)
	for from >= 0 && from < d.Entrants {
		packed = packed[:0]
		for _, index := range order[from:min(from+numbersAtOne, d.Entrants)] {
			packed = append(packed, entrants.At(int(index))...)
		}
		reply, err := l.callDraw(ctx, "number", l.scripts.number,
			[]string{keys.Meta, keys.Waiting, keys.Gone, keys.Leavers}, 2, from, packed)
		switch {
		case err != nil:
			return false, err
		case reply[0] == 0 || reply[1] == -2: // lost on the way
			if from, err = l.setAside(ctx, tx, d); err != nil {
				return false, err
			}
		default:
			from = reply[1]
		}
	}
	_, err = tx.Exec(ctx, "update draws set state = 'numbered', numbered_at = clock_timestamp() where event_id = $1", d.Event)
	return true, err
}

// openLine ends the state numbered. Postgres knows already that all numbers
// are given: from here on a loss of Redis is one of a line, not of a lobby.
func (l *Line) openLine(ctx context.Context, tx pgx.Tx, event ropeline.EventID) error {
	keys := KeysOf(event)
	for range 3 {
		reply, err := l.callDraw(ctx, "drawn", l.scripts.drawn, []string{keys.Meta, keys.Lobby, keys.Leavers, keys.Feed}, 2)
		if err != nil {
			return err
		}
		if reply[1] < 0 {
			return replyError("drawn", reply)
		}
		if reply[0] > 0 {
			l.grow(event)
			if _, err := tx.Exec(ctx, "update draws set state = 'done', done_at = clock_timestamp() where event_id = $1", event); err != nil {
				return err
			}
			return l.logStep(ctx, tx, event, stateDone, map[string]any{})
		}
		if err := l.Restore(ctx, event); err != nil {
			return err
		}
	}
	return errLost
}

// logStep tells the event's public log of a state that the draw has reached.
func (l *Line) logStep(ctx context.Context, tx pgx.Tx, event ropeline.EventID, reached state, data map[string]any) error {
	entry, err := pacelog.New("draw_"+string(reached), time.Now(), data)
	if err != nil {
		return err
	}
	return pacelog.Append(ctx, tx, event, entry)
}

func (l *Line) callDraw(ctx context.Context, name string, script *redis.Script, keys []string, length int, args ...any) ([]int64, error) {
	reply, err := script.Run(ctx, l.redis.Write, keys, args...).Int64Slice()
	if err == nil && len(reply) != length {
		err = replyError(name, reply)
	}
	return reply, err
}
