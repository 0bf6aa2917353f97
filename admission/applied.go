package admission

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/ropeline/ropeline"
)

const (
	noteEvery = time.Second
	noteLife  = 3 * time.Second // a node that is silent for longer does not tick
	noteSkew  = 15 * time.Second
)

// Applied is by which rules the nodes that tick an event admit.
type Applied struct {
	Nodes int // that ticked in the last seconds
	notes []note
}

type note struct {
	version int64
	paused  bool
	at      time.Time
}

// By counts the nodes that apply a version of the rules, or a newer one, and
// hold them paused when it says so.
func (a Applied) By(r Rules) int {
	n := 0
	for _, note := range a.notes {
		if note.version > r.Version || note.version == r.Version && note.paused == r.Paused {
			n++
		}
	}
	return n
}

// Applied asks which rules are applied where. The nodes tell by themselves, at
// once when it changes and each second besides.
func (a *Admission) Applied(ctx context.Context, event ropeline.EventID) (Applied, error) {
	fields, err := a.redis.Read.HGetAll(ctx, keysOf(event).nodes).Result()
	if err != nil {
		return Applied{}, ropeline.Unavailable(err)
	}
	var all []note
	newest := time.Now().Add(-noteSkew) // by the clock of Redis, which may differ a little from ours
	for _, text := range fields {
		n, err := parseNote(text)
		if err != nil {
			return Applied{}, ropeline.Unavailable(err)
		}
		all = append(all, n)
		if n.at.After(newest) {
			newest = n.at
		}
	}
	var applied Applied
	for _, n := range all {
		if newest.Sub(n.at) < noteLife {
			applied.notes = append(applied.notes, n)
		}
	}
	applied.Nodes = len(applied.notes)
	return applied, nil
}

// parseNote reads version:paused:milliseconds.
func parseNote(text string) (note, error) {
	parts := strings.Split(text, ":")
	if len(parts) != 3 {
		return note{}, replyError("applied", text)
	}
	version, err := strconv.ParseInt(parts[0], 10, 64)
	if err != nil {
		return note{}, replyError("applied", text)
	}
	millis, err := strconv.ParseInt(parts[2], 10, 64)
	if err != nil {
		return note{}, replyError("applied", text)
	}
	return note{version: version, paused: parts[1] == "1", at: time.UnixMilli(millis)}, nil
}

// told is what a node has said of the rules it applies.
type told struct {
	version int64
	paused  bool
	at      time.Time
}

// tell says by which rules this node ticks, when that has changed or was said
// a second ago. Nothing rests on it: what cannot be said is said next time.
func (t *ticking) tell(ctx context.Context, ticked Ticked) {
	now := time.Now()
	if t.told.version == ticked.Version && t.told.paused == ticked.Paused && now.Sub(t.told.at) < noteEvery {
		return
	}
	paused := "0"
	if ticked.Paused {
		paused = "1"
	}
	if t.admission.note(ctx, t.event, strconv.FormatInt(ticked.Version, 10), paused) == nil {
		t.told = told{ticked.Version, ticked.Paused, now}
	}
}

// bye says that this node ticks the event no more, so that nobody waits for it.
func (t *ticking) bye(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, tickTimeout)
	defer cancel()
	if err := t.admission.note(ctx, t.event, "", ""); err != nil {
		t.admission.log.DebugContext(ctx, "say that this node ticks no more", "event", t.event, "err", err)
	}
}

func (a *Admission) note(ctx context.Context, event ropeline.EventID, version, paused string) error {
	return a.scripts.applied.Run(ctx, a.redis.Write, []string{keysOf(event).nodes}, a.node, version, paused).Err()
}
