package worker

import (
	"context"
	"errors"
	"time"
)

const (
	prunePause = time.Minute
	pruneBatch = 5000 // rows of each table in one run: the rest is pruned by later ones
)

// prune removes what is old and needed by nobody: the ids of webhooks whose
// gateway has long stopped repeating them, reports of reconciliations that
// found nothing to look at, and the sandbox's webhooks and dead intents. One
// process does so at a time; money, tickets, ledgers and domain events stay.
func (w *Worker) prune(ctx context.Context) (int, error) {
	ours, err := w.checkout.Pace(ctx, "prune", prunePause-prunePause/10)
	if err != nil || !ours {
		return 0, err
	}
	gone, err := w.checkout.Prune(ctx, w.options.Keep, pruneBatch)
	if w.options.Sandbox != nil {
		n, failed := w.options.Sandbox.Prune(ctx, w.options.Keep, pruneBatch)
		gone, err = gone+n, errors.Join(err, failed)
	}
	return gone, err
}
