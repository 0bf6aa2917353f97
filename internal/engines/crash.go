package engines

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// Restart ends one of the engines, "postgres" or "redis", as a crash would, and
// starts it again. With wipe, Redis comes back without its data. It is for
// tests of what a house does then, and only for the sole user of the engines.
//
// Redis gets SIGKILL. Postgres gets SIGQUIT, its "immediate" mode: all its
// processes drop what they do, and the next start recovers from the WAL. After
// a SIGKILL of its first process alone the others would live on for a moment
// on files that the next one opens.
func (e *Engines) Restart(ctx context.Context, name string, wipe bool) error {
	one := map[string]*engine{"postgres": e.postgres, "redis": e.redis}[name]
	if one == nil || wipe && name != "redis" {
		return fmt.Errorf("engines: %q cannot be restarted so", name)
	}
	e.stopping.Lock()
	defer e.stopping.Unlock()
	one.expectEnd()
	if pid := one.pid(); pid > 0 {
		signal := syscall.SIGKILL
		if name == "postgres" {
			signal = syscall.SIGQUIT
		}
		if err := syscall.Kill(pid, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("engines: %s: %w", name, err)
		}
		if !one.await(ctx, pid, 10*time.Second) {
			return fmt.Errorf("engines: %s does not die", name)
		}
	}
	if wipe {
		if err := os.RemoveAll(filepath.Join(one.dir, "appendonlydir")); err != nil {
			return fmt.Errorf("engines: %w", err)
		}
	}
	return one.start(ctx)
}
