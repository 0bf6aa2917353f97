package fraud

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/internal/groupcommit"
)

// final is what an order looked like when its payment was authorized. Only
// training reads it, so it is written in bulk and may be lost with a process.
type final struct {
	order   ropeline.OrderID
	model   string
	signals Signals
	traces  Traces
	score   float64
	at      time.Time
}

type finals struct {
	mu      sync.Mutex
	waiting []final
}

const mostFinals = 10_000 // between two flushes

func (f *finals) add(one final) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.waiting) < mostFinals {
		f.waiting = append(f.waiting, one)
	}
}

// flushFinals writes what has gathered, in one statement and in the order of
// the ids: two processes that do the same do not lock each other out.
func (f *Fraud) flushFinals(ctx context.Context) error {
	f.finals.mu.Lock()
	waiting := f.finals.waiting
	f.finals.waiting = nil
	f.finals.mu.Unlock()
	latest := map[ropeline.OrderID]final{}
	for _, w := range waiting {
		latest[w.order] = w
	}
	var orders []string
	for order := range latest {
		orders = append(orders, string(order))
	}
	if len(orders) == 0 {
		return nil
	}
	slices.Sort(orders)
	n := len(orders)
	models, signals, traces := make([]string, n), make([]string, n), make([]string, n)
	scores, times := make([]float32, n), make([]time.Time, n)
	for i, order := range orders {
		l := latest[ropeline.OrderID(order)]
		s, err := json.Marshal(l.signals)
		t, other := json.Marshal(l.traces)
		if err := errors.Join(err, other); err != nil {
			return err
		}
		models[i], signals[i], traces[i], scores[i], times[i] = l.model, string(s), string(t), float32(l.score), l.at
	}
	_, err := groupcommit.Exec(ctx, f.pool, `
		update fraud_orders f set model = u.model, signals = u.signals::jsonb, traces = u.traces::jsonb, score = u.score, scored_at = u.at
		from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::real[], $6::timestamptz[]) as u(id, model, signals, traces, score, at)
		where f.order_id = u.id`, orders, models, signals, traces, scores, times)
	return err
}

// Run writes down what has gathered, and purges what is too old, until ctx
// ends; then it writes the last.
func (f *Fraud) Run(ctx context.Context) error {
	flush := time.NewTicker(flushPause)
	defer flush.Stop()
	purge := time.NewTicker(purgePause)
	defer purge.Stop()
	for {
		select {
		case <-ctx.Done():
			f.flush(context.WithoutCancel(ctx))
			return nil
		case <-flush.C:
			f.flush(ctx)
		case <-purge.C:
			if err := f.Purge(ctx); err != nil && ctx.Err() == nil {
				f.log.WarnContext(ctx, "old signals not purged yet", "err", err)
			}
		}
	}
}

func (f *Fraud) flush(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, flushTime)
	defer cancel()
	if err := errors.Join(f.flushJoins(ctx), f.flushFinals(ctx)); err != nil {
		f.log.WarnContext(ctx, "notes for scoring are lost", "err", err)
	}
}
