package worker

import (
	"context"
	"errors"
)

// sweepDues nudges the clerk of each event that has holds to end, payments to
// settle or orders to unwind.
func (w *Worker) sweepDues(ctx context.Context) (int, error) {
	events, err := w.checkout.DueEvents(ctx)
	if err != nil {
		return 0, err
	}
	var errs []error
	for _, event := range events {
		errs = append(errs, w.checkout.Nudge(ctx, event))
	}
	return len(events), errors.Join(errs...)
}
