package queue

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/queue/draw"
)

const fetchEvery = 3 * time.Second // as often as drand has a new round

// RunFetches gives the draws that were promised a round of drand their value
// as soon as it is public, until ctx ends. Any number of nodes may run it. A
// round that cannot be fetched may still be pasted (GiveEntropy), and when
// neither happens in time the entrants' root counts, as always.
func (l *Line) RunFetches(ctx context.Context, f *draw.Fetcher) error {
	ticker := time.NewTicker(fetchEvery)
	defer ticker.Stop()
	for {
		if err := l.fetchRounds(ctx, f); err != nil && ctx.Err() == nil {
			l.log.WarnContext(ctx, "list the draws that wait for a round", "err", err)
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil
		}
	}
}

type promised struct {
	Event   ropeline.EventID
	Promise string
}

func (l *Line) fetchRounds(ctx context.Context, f *draw.Fetcher) error {
	rows, err := l.pool.Query(ctx, "select event_id, promise from draws where state = 'closed' and source = $1", draw.Drand)
	if err != nil {
		return err
	}
	waiting, err := pgx.CollectRows(rows, pgx.RowToStructByPos[promised])
	if err != nil {
		return err
	}
	source, _ := draw.SourceOf(draw.Drand)
	for _, d := range waiting {
		if known := source.Known(d.Promise); known.IsZero() || time.Now().Before(known) {
			continue
		}
		value, err := f.Value(ctx, d.Promise)
		if err == nil {
			err = l.GiveEntropy(ctx, d.Event, value)
		}
		if ropeline.CodeOf(err) == ropeline.CodeSaleClosed && err != nil {
			continue // another node was faster, or the round came too early to count
		}
		if err != nil && ctx.Err() == nil {
			l.log.WarnContext(ctx, "fetch a round of drand; it may also be pasted", "event", d.Event, "round", d.Promise, "err", err)
		}
	}
	return nil
}
