package worker

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/hibiken/asynq"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/checkout"
)

// handler does tasks until a worker that is to stop has ended them: a short one
// is finished, one that may last for minutes hears of it.
func (w *Worker) handler(stopping context.Context) asynq.Handler {
	return asynq.HandlerFunc(func(ctx context.Context, task *asynq.Task) error {
		if kind := task.Type(); kind == taskClerk || kind == taskReconcile {
			lasting, end := context.WithCancel(ctx)
			defer end()
			defer context.AfterFunc(stopping, end)()
			ctx = lasting
		}
		return w.handle(ctx, task)
	})
}

// handle does a task. It never gives an error back to asynq, which would keep
// the task and its id: the rows know what is still to be done.
func (w *Worker) handle(ctx context.Context, task *asynq.Task) error {
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
	err := w.checkout.ServeAndTake(ctx, event, func(b checkout.Batch) {
		w.stock.add(b)
		w.metrics.batches.Observe(float64(len(b.Owed)))
		for _, t := range b.Taken {
			w.performSoon(ctx, t)
		}
		if len(b.Owed) > len(b.Taken) {
			w.hurryPayments()
		}
	}, w.hasRoom)
	if err != nil {
		w.log.WarnContext(ctx, "clerk stopped, the sweep wakes another", "event", event, "err", err)
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
