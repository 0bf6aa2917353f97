package worker

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
)

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
	errs := make([]error, len(sales))
	var all sync.WaitGroup // together, so that events may share a round trip
	var next atomic.Int64
	for range min(mostTold, len(sales)) {
		all.Go(func() {
			for i := next.Add(1) - 1; int(i) < len(sales) && ctx.Err() == nil; i = next.Add(1) - 1 {
				errs[i] = w.options.Stock(ctx, sales[i].Event, sales[i].Left, sales[i].Version, nil, nil)
			}
		})
	}
	all.Wait()
	return woken, errors.Join(append(errs, err)...)
}

// mostTold is how many events admission is told of at once.
const mostTold = 64
