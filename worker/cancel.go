package worker

import (
	"context"
	"errors"
	"time"
)

// sweepCancellations ends paid orders that organizers cancel, those of canceled
// events above all: at most Refunds a second for all processes together, so
// that a gateway's own limits are kept. Each order is one transaction, and what
// is left is found again by its row.
func (w *Worker) sweepCancellations(ctx context.Context) (int, error) {
	ours, err := w.checkout.Pace(ctx, "cancellations", 950*time.Millisecond)
	if err != nil || !ours {
		return 0, err
	}
	done, err := w.checkout.CancelDue(ctx, w.options.Refunds)
	_, finish := w.checkout.FinishCancellations(ctx)
	return done, errors.Join(err, finish)
}
