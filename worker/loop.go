package worker

import (
	"context"
	"time"
)

// loop is a sweep: what it is called in the log, the pause between two runs,
// and one run, which returns how much it found. A word in hurry (may be nil)
// ends the pause early, but for hurryPause, in which more may come.
type loop struct {
	name    string
	pause   time.Duration
	runOnce func(context.Context) (int, error)
	hurry   <-chan struct{}
}

const hurryPause = 15 * time.Millisecond

// failedPause is how long a sweep rests after a run that failed, whoever hurries
// it: an engine that is starting is not asked by all of them again and again.
const failedPause = 500 * time.Millisecond

// onceTime bounds one run of a sweep.
const onceTime = 10 * time.Second

// every runs a loop until ctx ends. A run that fails is told and made good by
// a later one.
func (w *Worker) every(ctx context.Context, l loop) error {
	ticker := time.NewTicker(l.pause)
	defer ticker.Stop()
	for {
		once, cancel := context.WithTimeout(ctx, onceTime)
		begin := time.Now()
		found, err := l.runOnce(once)
		w.metrics.swept(l.name, err, begin)
		cancel()
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			w.log.WarnContext(ctx, "sweep failed", "sweep", l.name, "err", err)
		case found > 0:
			w.log.DebugContext(ctx, "swept", "sweep", l.name, "found", found)
		}
		if err != nil && !rest(ctx, failedPause) {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		case <-l.hurry:
			if !rest(ctx, hurryPause) {
				return nil
			}
		}
	}
}

// rest waits; it reports whether ctx is still alive.
func rest(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
