package worker

import "context"

// sweepLimit bounds what one sweep enqueues; the rest is due the next time.
const sweepLimit = 1000

// sweepPayments enqueues each payment whose duty is due.
func (w *Worker) sweepPayments(ctx context.Context) (int, error) {
	ids, err := w.checkout.OwedPayments(ctx, sweepLimit)
	if err != nil {
		return 0, err
	}
	return len(ids), w.client.payments(ctx, ids)
}
