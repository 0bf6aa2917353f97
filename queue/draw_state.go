package queue

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/internal/safeguard"
	"github.com/ropeline/ropeline/queue/draw"
)

// state is how far a draw is, in Postgres.
//
//	open ──▶ closed ──▶ mixed ──▶ numbered ──▶ done
//
// open: fans come and go. closed: the entrants and their root are written down.
// mixed: the entropy is fixed, the seed is revealed. numbered: every entrant
// has a number in Redis. done: the line is open. No state is ever left
// backwards, and each is left in one transaction that holds the row.
type state string

const (
	stateOpen     state = "open"
	stateClosed   state = "closed"
	stateMixed    state = "mixed"
	stateNumbered state = "numbered"
	stateDone     state = "done"
)

// Draw is what is public of a draw at the moment; fields that are not public
// or not known yet are zero.
type Draw struct {
	Event      ropeline.EventID
	State      string
	Commitment []byte
	Plan       Plan
	Entrants   int64
	Root       []byte
	MixedFrom  string // the source, or draw.FromRoot
	Value      string
	Entropy    []byte
	Seed       []byte // nil until the entropy is fixed
	CreatedAt  time.Time
	ClosedAt   *time.Time
	MixedAt    *time.Time
	DoneAt     *time.Time
}

// Draw reads the public side of an event's draw; code not_found for an event
// without a lobby.
func (l *Line) Draw(ctx context.Context, event ropeline.EventID) (Draw, error) {
	d, err := readDraw(ctx, l.pool, event, "")
	if errors.Is(err, pgx.ErrNoRows) {
		return Draw{}, ropeline.Errorf(ropeline.CodeNotFound, "This event has no lobby, and so no draw.")
	}
	if err != nil {
		return Draw{}, ropeline.Unavailable(err)
	}
	if d.is() == stateOpen || d.is() == stateClosed {
		d.Seed = nil
	}
	return d, nil
}

type querier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// readDraw reads a draw with its secret; lock is how, e.g. "for update".
func readDraw(ctx context.Context, q querier, event ropeline.EventID, lock string) (Draw, error) {
	d := Draw{Event: event}
	var wait int64
	err := q.QueryRow(ctx, `
		select state, commitment, source, promise, wait_seconds, coalesce(entrants, 0), root, coalesce(mixed_from, ''),
		       coalesce(value, ''), entropy, seed, created_at, closed_at, mixed_at, done_at
		from draws where event_id = $1 `+lock, event).
		Scan(&d.State, &d.Commitment, &d.Plan.Source, &d.Plan.Promise, &wait, &d.Entrants, &d.Root, &d.MixedFrom,
			&d.Value, &d.Entropy, &d.Seed, &d.CreatedAt, &d.ClosedAt, &d.MixedAt, &d.DoneAt)
	d.Plan.Wait = time.Duration(wait) * time.Second
	return d, err
}

func (d Draw) is() state { return state(d.State) }

// order computes who gets which number; the entropy must be fixed.
func (d Draw) order(entrants draw.Entrants) []uint32 {
	if safeguard.Off(safeguard.Draw) {
		order := make([]uint32, entrants.Len())
		for i := range order {
			order[i] = uint32(i)
		}
		return order
	}
	return draw.Order(d.Seed, draw.Hash(d.Entropy), entrants)
}
