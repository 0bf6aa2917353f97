package admission

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
)

const (
	tickEvery   = 100 * time.Millisecond
	idleEvery   = time.Second // where nobody waits
	lookEvery   = time.Second
	tickTimeout = 3 * time.Second // of a tick that has to restore a line

	looksTogether = 64 // feeds looked at in one round trip
)

// Run ticks every event that events lists, ten times a second where somebody
// waits, until ctx ends; it returns when all ticks have. Each second it asks for
// the list again, compares the rules in Redis with Postgres, and records in
// Postgres how far the line was admitted. Each event has a goroutine of its own:
// one that fails holds up no other. One more brings the pace log up to date, off
// the ticks' path.
func (a *Admission) Run(ctx context.Context, events func(context.Context) ([]ropeline.EventID, error)) error {
	running := map[ropeline.EventID]*ticking{}
	var all sync.WaitGroup
	defer all.Wait()
	events = a.logged(ctx, &all, events)
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		if ids, err := events(ctx); err == nil {
			a.follow(ctx, &all, running, ids)
		} else if ctx.Err() == nil {
			a.log.WarnContext(ctx, "list the events to admit for", "err", err)
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// follow starts and stops goroutines so that they are those of ids, and hands
// each the rules that Postgres has.
func (a *Admission) follow(ctx context.Context, all *sync.WaitGroup, running map[ropeline.EventID]*ticking, ids []ropeline.EventID) {
	listed := make(map[ropeline.EventID]bool, len(ids))
	for _, id := range ids {
		listed[id] = true
		if running[id] == nil {
			t := &ticking{admission: a, event: id, rules: make(chan Rules, 1), high: -1}
			var own context.Context
			own, t.stop = context.WithCancel(ctx)
			running[id] = t
			a.loops.Store(id, t)
			all.Go(func() { t.run(own) })
		}
	}
	for id, t := range running {
		if !listed[id] {
			t.stop()
			delete(running, id)
		}
	}
	latest, err := a.latest(ctx, ids)
	if err != nil {
		if ctx.Err() == nil {
			a.log.WarnContext(ctx, "read the rules", "err", err)
		}
		return
	}
	for id, r := range latest {
		select {
		case running[id].rules <- r:
		default: // it has not looked at the last ones yet
		}
	}
}

// stir has the event's loop tick at its next moment, because somebody waits for that.
func (a *Admission) stir(event ropeline.EventID) {
	if t, ticks := a.loops.Load(event); ticks {
		t.(*ticking).stirred.Store(true)
	}
}

// ticking is the loop of one event. While nobody waits it ticks once a second,
// which is enough to sweep those whose time is over; who joins in this process
// stirs it. Who joins elsewhere is seen a second later at the most.
type ticking struct {
	admission *Admission
	event     ropeline.EventID
	stop      context.CancelFunc
	rules     chan Rules // in force, by Postgres; once a second

	version int64     // in force, by Redis
	seen    int64     // the highest number admitted, by Redis
	high    int64     // the same, as far as this node has told Postgres
	last    time.Time // tick
	idle    bool      // nobody waited then, and nobody's time was over
	stirred atomic.Bool
	failing bool
	entries entries
	told    told
}

func (t *ticking) run(ctx context.Context) {
	defer t.stop()
	defer t.admission.metrics.forget(t.event)
	defer t.admission.loops.CompareAndDelete(t.event, t)
	t.seen = -1
	first := time.NewTimer(untilTick(time.Now(), t.admission.phase))
	defer first.Stop()
	select {
	case <-first.C:
	case <-ctx.Done():
		return
	}
	ticker := time.NewTicker(tickEvery)
	defer ticker.Stop()
	for {
		if t.due(time.Now()) {
			t.runOnce(ctx)
		}
		select {
		case due := <-ticker.C:
			t.admission.metrics.lag.Observe(time.Since(due).Seconds())
		case r := <-t.rules:
			t.settle(ctx, r)
			t.measure(ctx, r)
		case <-ctx.Done():
			t.settle(context.WithoutCancel(ctx), Rules{})
			t.bye(context.WithoutCancel(ctx))
			return
		}
	}
}

// due tells whether the line is to be ticked at a moment.
func (t *ticking) due(now time.Time) bool {
	return !t.idle || t.stirred.Swap(false) || now.Sub(t.last) > idleEvery-tickEvery/2
}

// untilTick is how long it is until the next of this node's moments.
func untilTick(now time.Time, phase time.Duration) time.Duration {
	since := now.Sub(now.Truncate(tickEvery))
	return (phase - since + tickEvery) % tickEvery
}

func (t *ticking) runOnce(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, tickTimeout)
	defer cancel()
	t.last = time.Now()
	ticked, err := t.admission.Tick(ctx, t.event)
	t.admission.metrics.ticks.Observe(time.Since(t.last).Seconds())
	t.idle = err == nil && ticked.Waiting == 0 && ticked.NoShows+ticked.Ended == 0 // one that swept some may have left more
	if err != nil {
		if !t.failing && ctx.Err() == nil {
			t.admission.log.WarnContext(ctx, "tick", "event", t.event, "err", err)
			t.failing = true
		}
		return
	}
	if t.failing {
		t.admission.log.InfoContext(ctx, "ticking again", "event", t.event)
		t.failing = false
	}
	t.admission.metrics.ticked(t.event, ticked)
	t.version, t.seen = ticked.Version, max(t.seen, ticked.AdmittedHigh)
	t.tell(ctx, ticked)
	if len(ticked.Admitted) > 0 || ticked.NoShows > 0 {
		t.admission.log.DebugContext(ctx, "tick", "event", t.event, "admitted", len(ticked.Admitted),
			"no_shows", ticked.NoShows, "waiting", ticked.Waiting, "shoppers", ticked.Shoppers)
	}
}

// settle is the second's work: tell Redis newer rules, and Postgres how far
// the line was admitted.
func (t *ticking) settle(ctx context.Context, r Rules) {
	ctx, cancel := context.WithTimeout(ctx, tickTimeout)
	defer cancel()
	a := t.admission
	if r.Version > t.version && t.version > 0 {
		if err := a.push(ctx, t.event, r, ""); err != nil {
			a.log.WarnContext(ctx, "heal the rules", "event", t.event, "err", err)
		}
	}
	if t.seen > t.high {
		if err := a.line.RecordAdmitted(ctx, t.event, t.seen); err != nil {
			a.log.WarnContext(ctx, "record the admitted", "event", t.event, "err", err)
			return
		}
		t.high = t.seen
	}
}

// logged starts what logs the pace of the events that events lists, each
// second, and once more those that are not listed any more and all at the end.
func (a *Admission) logged(ctx context.Context, all *sync.WaitGroup, events func(context.Context) ([]ropeline.EventID, error)) func(context.Context) ([]ropeline.EventID, error) {
	listed := make(chan []ropeline.EventID, 1)
	all.Go(func() {
		var last []ropeline.EventID
		for {
			select {
			case ids := <-listed:
				a.logPaces(ctx, slices.Compact(slices.Sorted(slices.Values(slices.Concat(last, ids)))))
				last = ids
			case <-ctx.Done():
				a.logPaces(context.WithoutCancel(ctx), last)
				return
			}
		}
	})
	return func(ctx context.Context) ([]ropeline.EventID, error) {
		ids, err := events(ctx)
		if err == nil {
			select {
			case listed <- slices.Clone(ids):
			default: // still at the last ones
			}
		}
		return ids, err
	}
}

func (a *Admission) logPaces(ctx context.Context, events []ropeline.EventID) {
	for some := range slices.Chunk(events, looksTogether) {
		for _, event := range a.unlogged(ctx, some) {
			bounded, cancel := context.WithTimeout(ctx, tickTimeout)
			if err := a.LogPace(bounded, event); err != nil && ctx.Err() == nil {
				a.log.WarnContext(ctx, "log the pace", "event", event, "err", err)
			}
			cancel()
		}
	}
}

// unlogged names the events whose feeds tell what the log does not.
func (a *Admission) unlogged(ctx context.Context, events []ropeline.EventID) []ropeline.EventID {
	bounded, cancel := context.WithTimeout(ctx, tickTimeout)
	defer cancel()
	rows, err := a.pool.Query(bounded, "select event_id, feed_offset from pace_heads where event_id = any($1)", events)
	logged := map[ropeline.EventID]string{}
	if err == nil {
		var event ropeline.EventID
		var offset string
		_, err = pgx.ForEachRow(rows, []any{&event, &offset}, func() error { logged[event] = offset; return nil })
	}
	var newer []ropeline.EventID
	if err == nil && len(logged) > 0 {
		newer, err = a.line.Newer(bounded, logged)
	}
	if err != nil && ctx.Err() == nil {
		a.log.WarnContext(ctx, "look for paces to log", "err", err)
	}
	return newer
}
