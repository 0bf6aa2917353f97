package worker

import (
	"context"
	"errors"
	"time"

	"github.com/ropeline/ropeline/checkout"
)

// reconcileTime bounds one run over all gateways.
const reconcileTime = 30 * time.Minute

// sweepReconciliations enqueues the comparisons with the gateways that are due.
// Which ones are is told by the reports themselves: a run whose process died
// has no end, and is due again.
func (w *Worker) sweepReconciliations(ctx context.Context) (found int, err error) {
	for _, each := range []struct {
		scope        checkout.Scope
		every, grace time.Duration
	}{{checkout.ScopeOpen, w.options.ReconcileOpen, reconcileTime}, {checkout.ScopeAll, w.options.ReconcileAll, reconcileTime}} {
		due, failed := w.checkout.ReconciliationDue(ctx, each.scope, each.every, each.grace)
		if failed == nil && due {
			failed = w.client.reconcile(ctx, each.scope)
			found++
		}
		err = errors.Join(err, failed)
	}
	return found, err
}

func (w *Worker) reconcile(ctx context.Context, scope checkout.Scope) error {
	ctx, cancel := context.WithTimeout(ctx, reconcileTime)
	defer cancel()
	// A day more than the pause, so that nothing falls between two runs.
	reports, err := w.checkout.Reconcile(ctx, scope, w.options.ReconcileAll+24*time.Hour)
	for _, report := range reports {
		for _, d := range report.Differences {
			result := "healed"
			if !d.Healed {
				result = "alert"
			}
			w.metrics.differences.WithLabelValues(string(d.Kind), result).Inc()
		}
	}
	if err != nil {
		w.log.WarnContext(ctx, "reconciliation did not come to its end, it is repeated", "kind", scope, "err", err)
	}
	return err
}
