package worker

import (
	"context"
	"errors"
	"time"

	"github.com/ropeline/ropeline/internal/outbox"
)

const (
	prunePause = time.Minute
	pruneBatch = 5000 // rows of each table in one run: the rest is pruned by later ones
)

// prune removes what is old and needed by nobody: the ids of webhooks whose
// gateway has long stopped repeating them, reports of reconciliations that
// found nothing to look at, the sandbox's webhooks and dead intents, domain
// events that every reader has taken, and what other rooms have to throw away.
// One process does so at a time; money, tickets and ledgers stay.
func (w *Worker) prune(ctx context.Context) (gone int, err error) {
	ours, err := w.checkout.Pace(ctx, "prune", prunePause-prunePause/10)
	if err != nil || !ours {
		return 0, err
	}
	count := func(n int, failed error) { gone, err = gone+n, errors.Join(err, failed) }
	count(w.checkout.Prune(ctx, w.options.Keep, pruneBatch))
	count(outbox.Prune(ctx, w.pool, w.options.KeepNews, pruneBatch))
	if w.options.Sandbox != nil {
		count(w.options.Sandbox.Prune(ctx, w.options.Keep, pruneBatch))
	}
	if w.options.Prune != nil {
		count(w.options.Prune(ctx, w.options.Keep, pruneBatch))
	}
	return gone, err
}
