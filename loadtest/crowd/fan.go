package crowd

import (
	"context"
	"encoding/hex"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/loadtest/record"
)

// fan is one synthetic fan: a program in steps, run by one goroutine.
type fan struct {
	scene  *scene
	nodes  []*client // of the address that it comes from
	client *client   // the node that it talks to
	index  int
	due    time.Time // when the next request is meant to go out; zero: as soon as it is thought of
	rng    *rand.Rand
	plan   Plan

	token, place, shopper string // what the server gave, shown again in headers
	home                  bool   // has given the shopper's place back

	wire *wire // nil: none is open
	conn int64 // names the last one

	event  eventAnswer
	status ropeline.Status // the last word about the line
}

func newFan(s *scene, seed uint64, index int) *fan {
	rng := chance(seed, index)
	f := &fan{scene: s, index: index, rng: rng, plan: s.mix.plan(rng, s.pace, s.repeats, s.intrusions)}
	var node int
	f.nodes, node = s.clientOf(index, f.plan.Is.Bot)
	f.client = f.nodes[node]
	return f
}

// hop goes on at another node, as a balancer sends those who come back.
func (f *fan) hop() {
	if len(f.nodes) > 1 {
		f.client = f.nodes[f.rng.IntN(len(f.nodes))]
	}
}

// rest waits for d, and reports whether ctx is still alive. What follows is
// meant to happen at the end of d, however late the fan is woken.
func (f *fan) rest(ctx context.Context, d time.Duration) bool {
	f.due = time.Now().Add(d)
	return rest(ctx, d)
}

// lateness is how long after its meant moment a request goes out now.
func (f *fan) lateness() time.Duration {
	due := f.due
	f.due = time.Time{}
	if due.IsZero() {
		return 0
	}
	return max(0, time.Since(due))
}

// live goes the fan's way and tells how it ended.
func (f *fan) live(ctx context.Context) record.Outcome {
	outcome := f.way(ctx)
	deep(func() {
		f.scene.see(record.Observation{
			Fan: f.index, T: f.scene.since(time.Now()), Step: record.StepEnd,
			Outcome: outcome, Is: f.plan.Is.Name,
		})
	})
	return outcome
}

// steps are the fan's way. A step returns "" to go on.
var steps = [...]func(*fan, context.Context) record.Outcome{
	(*fan).arrive, (*fan).tryTheDoor, (*fan).join, (*fan).intrude, (*fan).wait, (*fan).enter, (*fan).shop,
}

// way takes the steps.
func (f *fan) way(ctx context.Context) record.Outcome {
	for _, step := range steps {
		if outcome := step(f, ctx); outcome != "" {
			f.replay(ctx)
			return outcome
		}
	}
	return record.Failed
}

func (f *fan) path(rest string) string { return "/events/" + string(f.scene.event) + rest }

func (f *fan) arrive(ctx context.Context) record.Outcome {
	a := f.ask(ctx, request{step: record.StepArrive, method: "GET", path: f.path(""), into: &f.event}, nil)
	switch {
	case !a.ok():
		return f.stuck(ctx)
	case f.event.Phase == ropeline.PhaseSoldOut:
		return record.SoldOut
	case f.event.Phase == ropeline.PhaseClosed:
		return record.Closed
	}
	return ""
}

// join enters the line, waiting before the drop for it to open.
func (f *fan) join(ctx context.Context) record.Outcome {
	for {
		a := f.askToJoin(ctx)
		switch {
		case a.ok():
			if f.plan.repeats {
				f.askToJoin(ctx)
			}
			return ""
		case a.code == string(ropeline.CodeNotOpen):
			pause := max(a.retryAfter, 250*time.Millisecond)
			if left := time.Until(f.event.DropAt); left > 0 {
				pause = min(pause, left)
			}
			f.rest(ctx, pause+time.Duration(f.rng.Int64N(int64(100*time.Millisecond))))
			if ctx.Err() != nil {
				return record.Cut
			}
		case a.code == string(ropeline.CodeSaleClosed):
			return record.Closed
		case a.code == string(ropeline.CodeSoldOut):
			return record.SoldOut
		default:
			return f.stuck(ctx)
		}
	}
}

// askToJoin is also how a fan comes back: with its identity and its place.
func (f *fan) askToJoin(ctx context.Context) answer {
	var told ropeline.Status
	return f.ask(ctx, request{step: record.StepJoin, method: "POST", path: f.path("/queue"), into: &told}, func(o *record.Observation) {
		if told.FanToken != "" {
			f.token = told.FanToken
			o.Note, _, _ = strings.Cut(told.FanToken, ".") // the id that the draw knows it by
		}
		f.hear(told)
		tell(o, told)
	})
}

// hear keeps what the server last said about the line.
func (f *fan) hear(told ropeline.Status) {
	if told.Place != "" {
		f.place = told.Place
	}
	f.status = told
}

func (f *fan) stuck(ctx context.Context) record.Outcome {
	if ctx.Err() != nil {
		return record.Cut
	}
	return record.Failed
}

// header shows who the fan is.
func (f *fan) header() header {
	h := make(header, 0, 5)
	if f.token != "" {
		h.set("Authorization", "Bearer "+f.token)
	}
	if f.place != "" {
		h.set("Ropeline-Place", f.place)
	}
	if f.shopper != "" {
		h.set("Ropeline-Shopper", f.shopper)
	}
	return h
}

// key mints an Idempotency-Key. Two runs with one seed must not share keys.
func (f *fan) key() string {
	var raw [12]byte
	for i := range raw {
		raw[i] = byte(rand.Uint32())
	}
	return hex.EncodeToString(raw[:])
}
