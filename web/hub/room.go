package hub

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/admission"
	"github.com/ropeline/ropeline/catalog"
	"github.com/ropeline/ropeline/queue"
)

const (
	beat    = time.Second // how often a room looks at the event and at its sockets
	nShards = 16

	fewSockets = 500 // all of them may be marked at once
)

// Room is one event on one node.
type Room struct {
	hub     *Hub
	event   ropeline.EventID
	watch   *queue.Watch
	facts   atomic.Pointer[facts]
	shards  [nShards]shard
	sockets atomic.Int64
	used    atomic.Int64 // Unix seconds of the last request
	ready   chan struct{}
	called  called
	absence absence // written by look only
}

// facts are what a room knows besides the line itself.
type facts struct {
	phase     ropeline.Phase
	drop      time.Time
	types     []ropeline.TicketTypeID
	rules     int64 // their version
	paused    bool
	work      int       // what joining costs
	noShows   float64   // the part of the admitted who lately let their pass run out
	rebuiltTo time.Time // until then positions may rise, see rebuilt
	announced *catalog.Announcement
}

func newRoom(h *Hub, event ropeline.EventID) *Room {
	r := &Room{hub: h, event: event, ready: make(chan struct{})}
	r.used.Store(time.Now().Unix())
	for i := range r.shards {
		r.shards[i].init(r)
	}
	r.watch = queue.NewWatch(h.line, event, r.heard)
	return r
}

// run follows the line and beats until ctx ends or nobody has used the room
// for a while, and then ends every socket.
func (r *Room) run(parent context.Context) {
	ctx, cancel := context.WithCancel(parent)
	defer cancel()
	var parts sync.WaitGroup
	parts.Go(func() {
		if err := r.watch.Run(ctx); err != nil && ctx.Err() == nil {
			r.hub.log.Error("watch ended", "event", r.event, "error", err)
		}
	})
	r.firstLook(ctx)
	ticker := time.NewTicker(beat)
	defer ticker.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case now := <-ticker.C:
			changed := r.look(ctx)
			r.beat(ctx, now, changed)
			if r.hub.retire(r) {
				cancel()
			}
		}
	}
	r.closeAll(Shutdown)
	parts.Wait()
}

// firstLook makes the room ready as soon as it knows the line and the facts.
func (r *Room) firstLook(ctx context.Context) {
	for ctx.Err() == nil {
		r.look(ctx)
		if r.facts.Load() != nil && r.watch.Snapshot() != nil {
			close(r.ready)
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// look refreshes the facts; it tells whether fans should hear of a change now.
// What cannot be read stays as it was.
func (r *Room) look(ctx context.Context) (changed bool) {
	ctx, cancel := context.WithTimeout(ctx, beat)
	defer cancel()
	old := r.facts.Load()
	event, err := r.hub.catalog.Event(ctx, r.event)
	if err != nil {
		return false
	}
	next := facts{}
	if old != nil {
		next = *old
	}
	stock, err := r.hub.checkout.Available(ctx, r.event)
	if err != nil && old == nil {
		return false
	}
	if l := r.watch.Snapshot(); l != nil && l.Lobby == queue.NoLobby && event.DrawnAt == nil && event.LobbyAt != nil {
		event.LobbyAt = nil // the line is open; Postgres tells a moment later
	}
	next.phase = event.PhaseAt(time.Now(), err == nil && stock.SoldOut() || err != nil && old.phase == ropeline.PhaseSoldOut)
	next.drop = event.DropAt
	if len(next.types) != len(event.TicketTypes) {
		next.types = make([]ropeline.TicketTypeID, len(event.TicketTypes))
		for i, t := range event.TicketTypes {
			next.types[i] = t.ID
		}
	}
	rules, err := r.hub.admission.Rules(ctx, r.event)
	if err == nil {
		next.rules, next.paused, next.work = rules.Version, rules.Paused, rules.Work
		if old != nil && old.rules != next.rules {
			r.watch.ForgetPace() // what was seen was another pace
		}
	} else if old == nil {
		return false
	}
	if counts, err := r.hub.admission.Counts(ctx, r.event); err == nil {
		next.noShows = r.absence.observe(time.Now(), counts.Admitted, counts.NoShows)
	}
	if announced, err := r.hub.catalog.Announced(ctx, r.event); err == nil {
		next.announced = announced // else fans go on hearing what they heard
	}
	next.rebuiltTo = r.rebuilt(old)
	r.facts.Store(&next)
	r.called.forget(r.watch.Snapshot())
	return old != nil && (old.phase != next.phase || old.paused != next.paused || !old.drop.Equal(next.drop) || announcedID(old) != announcedID(&next))
}

// announcedID names what is told; "" for nothing.
func announcedID(f *facts) string {
	if f.announced == nil {
		return ""
	}
	return f.announced.ID
}

// heard is called by the watch for each entry of the feed: the sockets of the
// fans it names are told at once.
func (r *Room) heard(entry queue.FeedEntry) {
	if entry.Kind == queue.KindResync {
		r.markAll()
		return
	}
	for i, members := range [][]queue.Member{entry.Admitted, entry.Left, entry.Ended} {
		r.called.add(entry.ID, members)
		for _, member := range members {
			var turn *admission.Shopper
			if i == 0 && !entry.Until.IsZero() {
				s := admission.Called(r.event, member, entry)
				turn = &s
			}
			r.shardOf(member.Fan).markFan(member.Fan, turn)
		}
	}
}

// CatchUp waits until the room knows what a fan was told at an offset of the
// feed, maybe by another node; a second at the most.
func (r *Room) CatchUp(ctx context.Context, offset string) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	r.watch.CatchUp(ctx, offset)
}

// beat marks the sockets whose next frame or ping is due; all of them when
// something changed that everybody should know. Those are marked shard by
// shard within half a beat: all frames at once would be a wall before the frames
// of those who are called meanwhile.
func (r *Room) beat(ctx context.Context, now time.Time, all bool) {
	all = all || r.facts.Load().phase == ropeline.PhaseClosed
	step := time.NewTicker(beat / 2 / nShards)
	defer step.Stop()
	for i := range r.shards {
		r.shards[i].beat(momentOf(now), all)
		if all && r.sockets.Load() > fewSockets {
			select {
			case <-step.C:
			case <-ctx.Done():
				return
			}
		}
	}
}

func (r *Room) markAll() {
	for i := range r.shards {
		r.shards[i].beat(momentOf(time.Now()), true)
	}
}

func (r *Room) closeAll(reason Reason) {
	for i := range r.shards {
		r.shards[i].closeAll(reason)
	}
}

// lobbyCadence is how often a fan without a number hears: what changes is the
// phase, and that is told at once to those who have a socket.
func lobbyCadence(phase ropeline.Phase) time.Duration {
	d := 10 * time.Second
	if phase == ropeline.PhaseDrop {
		d = 4 * time.Second
	}
	return d - d/10 + rand.N(d/5)
}

// calledCadence is how often a fan who is called hears of what the feed does not
// tell: that a pass was redeemed, maybe in another tab.
func calledCadence() time.Duration { return 4*time.Second + rand.N(time.Second) }

// cadence is how often a fan hears, by the distance from the head: close to it
// every second, far back every ten, with a fifth of jitter.
func cadence(position int64) time.Duration {
	var d time.Duration
	switch {
	case position < 200:
		d = time.Second
	case position < 1_000:
		d = 2 * time.Second
	case position < 10_000:
		d = 5 * time.Second
	default:
		d = 10 * time.Second
	}
	return d - d/10 + rand.N(d/5)
}
