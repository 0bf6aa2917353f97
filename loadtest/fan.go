package loadtest

import (
	"context"
	"encoding/hex"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/ropeline/ropeline"
)

// Outcome is how a fan's way ended.
type Outcome string

// The outcomes.
const (
	Bought   Outcome = "bought"   // has a paid order with tickets
	Released Outcome = "released" // gave the reservation back
	RanOut   Outcome = "ran_out"  // let the reservation run out
	Declined Outcome = "declined" // no card led to payment
	Late     Outcome = "late"     // the order ended before the payment was settled
	InVain   Outcome = "in_vain"  // was let in, and nothing was left
	Missed   Outcome = "missed"   // the pass or the time to shop was over too soon
	NoShow   Outcome = "no_show"  // was let in and did not enter
	Left     Outcome = "left"     // left the line
	SoldOut  Outcome = "sold_out" // told so while waiting
	Closed   Outcome = "closed"   // told so while waiting
	Waiting  Outcome = "waiting"  // still in the line at the run's end
	Lost     Outcome = "lost"     // the server forgot the fan's place
	Cut      Outcome = "cut"      // the run ended in the middle of a step
	Failed   Outcome = "failed"   // no useful answer, several times
)

// fan is one synthetic fan: a program in steps, run by one goroutine.
type fan struct {
	scene *scene
	index int
	rng   *rand.Rand
	plan  plan

	token, place, shopper string // what the server gave, shown again in headers

	event  eventAnswer
	status ropeline.Status // the last word about the line
}

func newFan(s *scene, seed uint64, index int) *fan {
	rng := chance(seed, index)
	return &fan{scene: s, index: index, rng: rng, plan: s.plan(rng)}
}

// live goes the fan's way and tells how it ended.
func (f *fan) live(ctx context.Context) Outcome {
	outcome := f.way(ctx)
	f.scene.see(Observation{
		Fan: f.index, T: f.scene.since(time.Now()), Step: StepEnd,
		Outcome: outcome, Is: f.plan.is.Name,
	})
	return outcome
}

// way takes the steps. A step returns "" to go on.
func (f *fan) way(ctx context.Context) Outcome {
	for _, step := range []func(context.Context) Outcome{
		f.arrive, f.join, f.intrude, f.wait, f.enter, f.shop,
	} {
		if outcome := step(ctx); outcome != "" {
			return outcome
		}
	}
	return Failed
}

func (f *fan) path(rest string) string { return "/events/" + string(f.scene.event) + rest }

func (f *fan) arrive(ctx context.Context) Outcome {
	a := f.ask(ctx, request{step: StepArrive, method: "GET", path: f.path(""), into: &f.event}, nil)
	switch {
	case !a.ok():
		return f.stuck(ctx)
	case f.event.Phase == ropeline.PhaseSoldOut:
		return SoldOut
	case f.event.Phase == ropeline.PhaseClosed:
		return Closed
	}
	return ""
}

// join enters the line, waiting before the drop for it to open.
func (f *fan) join(ctx context.Context) Outcome {
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
			rest(ctx, pause+time.Duration(f.rng.Int64N(int64(100*time.Millisecond))))
			if ctx.Err() != nil {
				return Cut
			}
		case a.code == string(ropeline.CodeSaleClosed):
			return Closed
		case a.code == string(ropeline.CodeSoldOut):
			return SoldOut
		default:
			return f.stuck(ctx)
		}
	}
}

// askToJoin is also how a fan comes back: with its identity and its place.
func (f *fan) askToJoin(ctx context.Context) answer {
	var told ropeline.Status
	return f.ask(ctx, request{step: StepJoin, method: "POST", path: f.path("/queue"), into: &told}, func(o *Observation) {
		if told.FanToken != "" {
			f.token = told.FanToken
		}
		f.hear(told)
		o.Line = lineFacts(told)
	})
}

// hear keeps what the server last said about the line.
func (f *fan) hear(told ropeline.Status) {
	if told.Place != "" {
		f.place = told.Place
	}
	f.status = told
}

func (f *fan) stuck(ctx context.Context) Outcome {
	if ctx.Err() != nil {
		return Cut
	}
	return Failed
}

// header shows who the fan is.
func (f *fan) header() http.Header {
	h := make(http.Header, 8)
	if f.token != "" {
		h.Set("Authorization", "Bearer "+f.token)
	}
	if f.place != "" {
		h.Set("Ropeline-Place", f.place)
	}
	if f.shopper != "" {
		h.Set("Ropeline-Shopper", f.shopper)
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
