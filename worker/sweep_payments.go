package worker

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/ropeline/ropeline/checkout"
)

// sweepPayments takes up the payments whose duty is due, as many as calls to the
// gateway may be under way, and does not wait for them. A clerk of this process
// hands over the captures that it decides on, and hurries the sweep for the rest.
// The rows are the queue: each worker takes other ones, and those of a worker
// that dies are due again after a grip's time.
func (w *Worker) sweepPayments(ctx context.Context) (found int, err error) {
	for {
		free := cap(w.calls) - len(w.calls)
		if free < cap(w.calls)/4 {
			return found, nil // whoever ends hurries the next run
		}
		taken, err := w.checkout.TakeUp(ctx, free)
		if err != nil {
			return found, err
		}
		for _, t := range taken {
			w.calls <- struct{}{}
			w.calling.Go(func() { w.performNow(ctx, t) })
		}
		found += len(taken)
		w.lagging.Store(len(taken) == free)
		if len(taken) < free {
			return found, nil
		}
	}
}

// performNow performs a duty that has its token, and gives that back.
func (w *Worker) performNow(ctx context.Context, t checkout.Taken) {
	w.perform(context.WithoutCancel(ctx), t)
	<-w.calls
	if len(w.calls) <= cap(w.calls)/2 && w.lagging.Load() {
		w.hurryPayments()
	}
}

const (
	// soon is how long the last duty that was handed over may have waited for its
	// call, while others wait behind it: a slow gateway's duties are for every worker.
	soon = 200 * time.Millisecond
	// stale is when one has waited for too long: a call to the gateway might outlast
	// its grip, so the next worker is to have it.
	stale = 2 * time.Second
)

// handed counts the duties that clerks have handed over and that wait for a
// token, and how long the last one that got its token had waited.
type handed struct{ waiting, waited atomic.Int64 }

// hasRoom tells a clerk that what it hands over can be performed soon.
func (w *Worker) hasRoom() bool {
	n := w.handed.waiting.Load()
	return n == 0 || n < int64(cap(w.calls)) && w.handed.waited.Load() < int64(soon)
}

// performSoon performs what a clerk has handed over, and does not wait for it.
func (w *Worker) performSoon(ctx context.Context, t checkout.Taken) {
	since := time.Now()
	w.handed.waiting.Add(1)
	w.calling.Go(func() {
		w.calls <- struct{}{}
		waited := time.Since(since)
		w.handed.waited.Store(int64(waited))
		w.handed.waiting.Add(-1)
		if waited > stale {
			<-w.calls
			return
		}
		w.performNow(ctx, t)
	})
}

// hurryPayments ends the pause before the next run.
func (w *Worker) hurryPayments() {
	select {
	case w.owing <- struct{}{}:
	default:
	}
}

func (w *Worker) perform(ctx context.Context, t checkout.Taken) {
	begin := time.Now()
	done, err := w.checkout.Perform(ctx, t)
	w.metrics.done(taskPayment, false, err, begin)
	if err != nil {
		w.log.WarnContext(ctx, "payment's duty not done yet", "err", err)
	}
	if done.Paid && w.options.Done != nil {
		if err := w.options.Done(ctx, done.Event, done.Fan); err != nil {
			w.log.WarnContext(ctx, "shopper's place not freed, it ends by itself", "event", done.Event, "err", err)
		}
	}
}
