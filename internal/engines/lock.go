package engines

import (
	"context"
	"os"
	"syscall"
	"time"
)

// lock is an advisory lock on a file (flock), which the kernel gives back when
// its holder dies.
type lock struct{ file *os.File }

func openLock(path string) (*lock, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	return &lock{file: file}, nil
}

// alone waits until nobody else holds the lock, or ctx ends.
func (l *lock) alone(ctx context.Context) error {
	return poll(ctx, func() (bool, error) { return l.tryAlone(), nil })
}

// tryAlone takes the lock alone if nobody else holds it. It turns a shared
// lock into an exclusive one; if that fails the share may be lost.
func (l *lock) tryAlone() bool {
	return l.flock(syscall.LOCK_EX|syscall.LOCK_NB) == nil
}

// share takes or keeps a shared lock; it never waits long, since exclusive
// holders of a shared lock also hold the gate.
func (l *lock) share() error { return l.flock(syscall.LOCK_SH) }

// release unlocks before it closes: a child being forked may hold a copy of the
// file until its exec.
func (l *lock) release() {
	l.flock(syscall.LOCK_UN)
	l.file.Close()
}

func (l *lock) flock(how int) error {
	for {
		err := syscall.Flock(int(l.file.Fd()), how)
		if err != syscall.EINTR {
			return err
		}
	}
}

// poll asks done every few milliseconds until it says yes, fails, or ctx ends.
func poll(ctx context.Context, done func() (bool, error)) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		if ok, err := done(); ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
}
