package worker

import (
	"context"
	"errors"

	"golang.org/x/sync/errgroup"
)

// mostTold is how many events admission is told of at once.
const mostTold = 64

// sweepMailboxes wakes a clerk for each mailbox that has letters and no lease,
// and tells admission what is left of each event, in case a clerk's own word
// was lost.
func (w *Worker) sweepMailboxes(ctx context.Context) (int, error) {
	sales, err := w.checkout.OpenSales(ctx)
	if err != nil {
		return 0, err
	}
	woken, err := w.checkout.WakeUnserved(ctx, sales)
	if w.options.Stock == nil {
		return woken, err
	}
	var all errgroup.Group // together, so that events may share a round trip
	all.SetLimit(mostTold)
	for _, sale := range sales {
		all.Go(func() error { return w.options.Stock(ctx, sale.Event, sale.Left, sale.Version, nil, nil) })
	}
	return woken, errors.Join(err, all.Wait())
}
