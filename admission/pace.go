package admission

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/internal/pacelog"
	"github.com/ropeline/ropeline/queue"
)

// Kinds of entries in the pace log that admission writes.
const (
	PaceRules    = "rules"    // new rules are in force as soon as Redis knows, which is within a second
	PaceAdmitted = "admitted" // one tick let fans in
	PaceReturned = "returned" // passes or times to shop ended
	PaceEpoch    = "epoch"    // the line was lost and began anew; ticks that were not logged by then are lost
	PaceGap      = "gap"      // ticks between two offsets of the feed are lost
)

// paceRules are rules as the public log has them. Who changed them is in the
// organizer's history, and nobody else's business.
type paceRules struct {
	Version       int64 `json:"version"`
	RatePerMinute int   `json:"rate_per_minute"`
	Burst         int   `json:"burst"`
	MaxShoppers   int   `json:"max_shoppers"`
	Batch         int   `json:"batch"`
	Paused        bool  `json:"paused"`
	StockGate     bool  `json:"stock_gate"`
	ShowUpSeconds int64 `json:"show_up_seconds"`
	ShopSeconds   int64 `json:"shop_seconds"`

	Schedule          []Step `json:"schedule,omitempty"`
	CompensatePercent int    `json:"compensate_percent,omitempty"`
}

type paceAdmitted struct {
	Offset  string `json:"offset"` // of the line's feed
	Rules   int64  `json:"rules"`  // the version that admitted
	Count   int    `json:"count"`
	Numbers string `json:"numbers"` // "0-49,51"
	Bypass  bool   `json:"bypass,omitempty"`
}

type paceReturned struct {
	Offset  string `json:"offset"`
	NoShows int64  `json:"no_shows"` // passes that nobody used
	Ended   int64  `json:"ended"`    // times to shop that were over or given up
}

type paceEpoch struct {
	Offset string `json:"offset"`
}

type paceGap struct {
	After  string `json:"after"`
	Before string `json:"before"`
}

func rulesEntry(r Rules) (pacelog.Entry, error) {
	return pacelog.New(PaceRules, r.ChangedAt, paceRules{
		Version: r.Version, RatePerMinute: r.RatePerMinute, Burst: r.Burst, MaxShoppers: r.MaxShoppers, Batch: r.Batch,
		Paused: r.Paused, StockGate: r.StockGate,
		ShowUpSeconds: int64(r.ShowUp / time.Second), ShopSeconds: int64(r.Shop / time.Second),
		Schedule: stepsOf(r), CompensatePercent: r.CompensatePercent,
	})
}

// feedEntries turns entries of the feed into entries of the log; last is the
// offset before the first of them.
func feedEntries(last string, feed []queue.FeedEntry) ([]pacelog.Entry, error) {
	var entries []pacelog.Entry
	var failed error
	add := func(kind string, at time.Time, data any) {
		e, err := pacelog.New(kind, at, data)
		failed = errors.Join(failed, err)
		entries = append(entries, e)
	}
	for _, f := range feed {
		if !queue.Follows(last, f.ID) {
			add(PaceGap, f.At, paceGap{After: last, Before: f.ID})
		}
		last = f.ID
		switch {
		case f.Kind == queue.KindResync && strings.HasSuffix(f.ID, "-1"): // the draw has entries of its own
			add(PaceEpoch, f.At, paceEpoch{f.ID})
		case len(f.Admitted) > 0:
			add(PaceAdmitted, f.At, paceAdmitted{Offset: f.ID, Rules: f.Rules, Count: len(f.Admitted), Numbers: numbersOf(f.Admitted), Bypass: f.Bypass})
		case len(f.Ended) > 0:
			add(PaceReturned, f.At, paceReturned{Offset: f.ID, NoShows: f.NoShows, Ended: int64(len(f.Ended)) - f.NoShows})
		}
	}
	return entries, failed
}

const feedPerCall = 1000

// LogPace brings what the line's feed tells into the pace log. The offset is
// written with the entries, so that each is there once, whichever nodes do
// this and whenever they die; while one is at it, the others pass.
func (a *Admission) LogPace(ctx context.Context, event ropeline.EventID) error {
	for {
		more, err := a.logPaceOnce(ctx, event)
		if err != nil || !more {
			return err
		}
	}
}

func (a *Admission) logPaceOnce(ctx context.Context, event ropeline.EventID) (more bool, err error) {
	var offset string
	err = a.pool.QueryRow(ctx, "select feed_offset from pace_heads where event_id = $1", event).Scan(&offset)
	if errors.Is(err, pgx.ErrNoRows) {
		return false, nil // no such event, or one from before there was a log
	}
	if err != nil {
		return false, ropeline.Unavailable(err)
	}
	feed, err := a.line.Feed(ctx, event, offset, feedPerCall)
	if err != nil || len(feed) == 0 {
		return false, err
	}
	entries, err := feedEntries(offset, feed)
	if err != nil {
		return false, ropeline.Unavailable(err)
	}
	err = pgx.BeginFunc(ctx, a.pool, func(tx pgx.Tx) error {
		var one int
		err := tx.QueryRow(ctx, "select 1 from pace_heads where event_id = $1 and feed_offset = $2 for update skip locked", event, offset).Scan(&one)
		if err != nil {
			return err
		}
		if err := pacelog.Append(ctx, tx, event, entries...); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, "update pace_heads set feed_offset = $2 where event_id = $1", event, feed[len(feed)-1].ID)
		return err
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return false, nil // another node does it, or has done it
	}
	if err != nil {
		return false, ropeline.Unavailable(err)
	}
	return len(feed) == feedPerCall, nil
}

// Pace is a page of the public log after a seq, as NDJSON with the signed head
// at its end, and the seq after which the next page begins, 0 for none. It is
// up to date with the feed when Redis answers.
func (a *Admission) Pace(ctx context.Context, event ropeline.EventID, after int64, limit int) (text []byte, next int64, err error) {
	if err := a.LogPace(ctx, event); err != nil && ctx.Err() == nil {
		a.log.WarnContext(ctx, "bring the pace log up to date", "event", event, "err", err)
	}
	page, err := pacelog.Read(ctx, a.pool, event, after, limit)
	if err != nil {
		return nil, 0, ropeline.Unavailable(err)
	}
	return page.Text(a.keys), page.Next(), nil
}
