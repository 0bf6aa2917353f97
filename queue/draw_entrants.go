package queue

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/queue/draw"
)

type pageReader interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// readEntrants reads all entrants of a draw, 26 MB for a million.
func readEntrants(ctx context.Context, q pageReader, event ropeline.EventID) (draw.Entrants, error) {
	rows, err := q.Query(ctx, "select fans from draw_entrants where event_id = $1 order by page", event)
	if err != nil {
		return nil, err
	}
	var all draw.Entrants
	var page []byte
	_, err = pgx.ForEachRow(rows, []any{&page}, func() error {
		all = append(all, page...)
		return nil
	})
	return all, err
}

// drawnClaim is the number that the draw gave a fan who does not know it, as a
// claim: the fan takes it back from a line that was lost before the fan had
// heard of it. Nil for whoever was not drawn.
func (l *Line) drawnClaim(ctx context.Context, event ropeline.EventID, fan ropeline.FanID) (*Place, error) {
	o, err := l.orders.of(ctx, l, event)
	if err != nil || o == nil {
		return nil, err
	}
	index, found := o.entrants.Find(fan)
	if !found {
		return nil, nil
	}
	return &Place{Event: event, Fan: fan, Number: int64(o.numbers[index])}, nil
}

// orders keeps the outcome of the last draw that was asked for: 30 MB for a
// million entrants, computed in about two seconds.
type orders struct {
	mu     sync.Mutex
	last   *outcome
	none   ropeline.EventID // had no outcome yet at noneAt: a lobby that comes back asks for each fan
	noneAt time.Time
}

const noneFor = 200 * time.Millisecond

type outcome struct {
	event    ropeline.EventID
	entrants draw.Entrants
	numbers  []uint32 // by the entrant's index
}

// askAgain forgets that a draw had no outcome a moment ago.
func (o *orders) askAgain() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.none = ""
}

// of is the outcome of a draw; nil when it is not known yet or there is none.
func (o *orders) of(ctx context.Context, l *Line, event ropeline.EventID) (*outcome, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.last != nil && o.last.event == event {
		return o.last, nil
	}
	if o.none == event && time.Since(o.noneAt) < noneFor {
		return nil, nil
	}
	d, err := readDraw(ctx, l.pool, event, "")
	if errors.Is(err, pgx.ErrNoRows) || err == nil && d.Entropy == nil {
		o.none, o.noneAt = event, time.Now()
		return nil, nil
	}
	if err != nil {
		return nil, ropeline.Unavailable(err)
	}
	entrants, err := readEntrants(ctx, l.pool, event)
	if err != nil {
		return nil, ropeline.Unavailable(err)
	}
	numbers := make([]uint32, entrants.Len())
	for number, index := range d.order(entrants) {
		numbers[index] = uint32(number)
	}
	o.last = &outcome{event: event, entrants: entrants, numbers: numbers}
	return o.last, nil
}
