package crowd

import (
	"context"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/ropeline/ropeline/loadtest/record"
)

// tries bounds how often a fan repeats a request that found nobody well.
const tries = 6

// ask sends a request until it gets an answer worth having, records every
// try, and returns the last. mark, when given, adds the facts of a 2xx answer
// to its observation. A key is sent unchanged with every try.
func (f *fan) ask(ctx context.Context, r request, mark func(*record.Observation)) answer {
	if r.header == nil {
		r.header = f.header()
	}
	r.shopping = f.status.Pass != ""
	for try := 1; ; try++ {
		a := f.askOnce(ctx, &r, mark)
		if !a.again() || try == tries || ctx.Err() != nil {
			return a
		}
		if a.status == 0 {
			f.hop()
		}
		backoff := 100 * time.Millisecond << try
		jitter := time.Duration(rand.Int64N(int64(backoff)))
		if !f.rest(ctx, max(a.retryAfter, backoff/2)+jitter) {
			return a
		}
	}
}

func (f *fan) askOnce(ctx context.Context, r *request, mark func(*record.Observation)) answer {
	late := f.lateness()
	a := f.client.do(ctx, r)
	if a.status == 0 && ctx.Err() != nil {
		return a // we hung up ourselves: not a fact about the server
	}
	deep(func() { f.saw(r, &a, late, mark) })
	return a
}

// saw records what an answer says.
func (f *fan) saw(r *request, a *answer, late time.Duration, mark func(*record.Observation)) {
	o := record.Observation{
		Fan: f.index, T: f.scene.since(a.at), Took: a.took.Microseconds(), Late: late.Microseconds(), Every: r.every.Microseconds(),
		Step: r.step, Trick: r.trick, Status: a.status, Code: a.code, Key: r.header.get("Idempotency-Key"),
	}
	if r.releases != "" { // recorded also when the answer is an error: the stock may be free from then on
		o.Sale = &record.SaleFacts{Reservation: r.releases}
		if a.ok() {
			o.Sale.State = "released"
		}
	}
	if a.ok() && mark != nil {
		mark(&o)
	}
	if a.err != nil {
		f.scene.log.Debug("no answer", "fan", f.index, "step", r.step, "err", a.err)
	}
	f.scene.see(o)
}

// create sends a request that makes something, under an Idempotency-Key; a
// fan that repeats sends it twice at the same time. It returns the better
// answer with what it decoded.
func create[T any](ctx context.Context, f *fan, r request, key string, facts func(T) *record.SaleFacts) (T, answer) {
	if r.header == nil {
		r.header = f.header()
	}
	r.header.set("Idempotency-Key", key)
	send := func(f *fan) (T, answer) {
		var got T
		one := r
		one.into = &got
		a := f.ask(ctx, one, func(o *record.Observation) { o.Sale = facts(got) })
		return got, a
	}
	if !f.plan.repeats {
		return send(f)
	}
	var (
		wg     sync.WaitGroup
		second T
		again  answer
	)
	// The repetition has a state of its own: when it is due, and its node.
	twin := *f
	twin.due, twin.rng = time.Time{}, rand.New(rand.NewPCG(f.rng.Uint64(), f.rng.Uint64()))
	wg.Go(func() { second, again = send(&twin) })
	first, a := send(f)
	wg.Wait()
	if !a.ok() && again.ok() {
		return second, again
	}
	return first, a
}

// look reads something of the fan's own.
func look[T any](ctx context.Context, f *fan, step record.Step, path string, facts func(T) *record.SaleFacts) (T, answer) {
	var got T
	a := f.ask(ctx, request{step: step, method: http.MethodGet, path: path, into: &got}, func(o *record.Observation) { o.Sale = facts(got) })
	return got, a
}
