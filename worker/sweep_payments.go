package worker

import (
	"context"
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

// hasRoom tells a clerk that what it hands over can be performed at once.
func (w *Worker) hasRoom() bool { return len(w.calls) <= cap(w.calls)/2 }

// stale is when a duty that was handed over has waited for too long: a call to
// the gateway might outlast its grip, so the next worker is to have it.
const stale = 2 * time.Second

// performSoon performs what a clerk has handed over, and does not wait for it.
func (w *Worker) performSoon(ctx context.Context, t checkout.Taken) {
	handed := time.Now()
	w.calling.Go(func() {
		w.calls <- struct{}{}
		if time.Since(handed) > stale {
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
