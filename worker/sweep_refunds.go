package worker

import "context"

// sweepLimit bounds what one sweep enqueues; the rest is due the next time.
const sweepLimit = 1000

// sweepRefunds enqueues each refund that is to be made or asked after.
func (w *Worker) sweepRefunds(ctx context.Context) (int, error) {
	ids, err := w.checkout.OwedRefunds(ctx, sweepLimit)
	if err != nil {
		return 0, err
	}
	for i, id := range ids {
		if err := w.client.refund(ctx, id); err != nil {
			return i, err
		}
	}
	return len(ids), nil
}
