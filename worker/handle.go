package worker

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/hibiken/asynq"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/checkout"
)

// handle does a task. It never gives an error back to asynq, which would keep
// the task and its id: the rows know what is still to be done.
func (w *Worker) handle(ctx context.Context, task *asynq.Task) error {
	if task.Type() == taskPayment {
		w.performAll(ctx, string(task.Payload()))
		return nil
	}
	begin := time.Now()
	again, err := w.do(ctx, task.Type(), string(task.Payload()))
	w.metrics.done(task.Type(), again, err, begin)
	return nil
}

// do tells whether it was a further try at the same work, and what went wrong.
func (w *Worker) do(ctx context.Context, kind, payload string) (again bool, err error) {
	switch kind {
	case taskClerk:
		return false, w.serve(ctx, ropeline.EventID(payload))
	case taskRefund:
		if err = w.checkout.PerformRefund(ctx, ropeline.RefundID(payload)); err != nil {
			w.log.WarnContext(ctx, "refund not done yet", "err", err)
		}
		return false, err
	case taskReconcile:
		return false, w.reconcile(ctx, checkout.Scope(payload))
	case taskLetter:
		return w.letter(ctx, payload)
	}
	return false, fmt.Errorf("worker: there is no task %q", kind)
}

func (w *Worker) serve(ctx context.Context, event ropeline.EventID) error {
	err := w.checkout.Serve(ctx, event, func(b checkout.Batch) {
		w.stock.add(b)
		w.metrics.batches.Observe(float64(len(b.Owed)))
		if err := w.client.payments(context.WithoutCancel(ctx), b.Owed); err != nil {
			w.log.WarnContext(ctx, "payments not enqueued, the sweep will", "payments", len(b.Owed), "err", err)
		}
	})
	if err != nil {
		w.log.WarnContext(ctx, "clerk stopped, the sweep wakes another", "event", event, "err", err)
	}
	return err
}

// performAll does the duties of the payments of a task, as many at once as
// calls to the gateway are allowed. What is left when ctx ends stays owed.
func (w *Worker) performAll(ctx context.Context, payload string) {
	var all sync.WaitGroup
	for id := range strings.SplitSeq(payload, " ") {
		select {
		case w.calls <- struct{}{}:
		case <-ctx.Done():
			all.Wait()
			return
		}
		all.Go(func() {
			defer func() { <-w.calls }()
			begin := time.Now()
			err := w.perform(ctx, ropeline.PaymentID(id))
			w.metrics.done(taskPayment, false, err, begin)
		})
	}
	all.Wait()
}

func (w *Worker) perform(ctx context.Context, id ropeline.PaymentID) error {
	done, err := w.checkout.Perform(ctx, id)
	if err != nil {
		w.log.WarnContext(ctx, "payment's duty not done yet", "err", err)
	}
	if done.Paid && w.options.Done != nil {
		if err := w.options.Done(context.WithoutCancel(ctx), done.Event, done.Fan); err != nil {
			w.log.WarnContext(ctx, "shopper's place not freed, it ends by itself", "event", done.Event, "err", err)
		}
	}
	return err
}

// asynqLog gives asynq's words to slog.
type asynqLog struct{ log *slog.Logger }

func (l asynqLog) Debug(args ...any) { l.log.Debug(fmt.Sprint(args...)) }
func (l asynqLog) Info(args ...any)  { l.log.Info(fmt.Sprint(args...)) }
func (l asynqLog) Warn(args ...any)  { l.log.Warn(fmt.Sprint(args...)) }
func (l asynqLog) Error(args ...any) { l.log.Error(fmt.Sprint(args...)) }
func (l asynqLog) Fatal(args ...any) { l.log.Error(fmt.Sprint(args...)) }
