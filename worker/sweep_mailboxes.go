package worker

import (
	"context"
	"errors"
)

// sweepMailboxes wakes a clerk for each mailbox that has letters and no lease,
// and tells admission what is left of each event, in case a clerk's own word
// was lost.
func (w *Worker) sweepMailboxes(ctx context.Context) (int, error) {
	sales, err := w.checkout.OpenSales(ctx)
	if err != nil {
		return 0, err
	}
	var woken int
	var errs []error
	for _, sale := range sales {
		if ctx.Err() != nil {
			break
		}
		was, err := w.checkout.WakeUnserved(ctx, sale.Event)
		if was {
			woken++
		}
		errs = append(errs, err)
		if w.options.Stock != nil {
			errs = append(errs, w.options.Stock(ctx, sale.Event, sale.Left, sale.Version, nil, nil))
		}
	}
	return woken, errors.Join(errs...)
}
