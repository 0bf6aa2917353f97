package engines

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// startPatience bounds a start, crash recovery included.
const startPatience = 3 * time.Minute

// Options says where the engines live and how careful they are.
type Options struct {
	DataDir string       // made if it is missing; see DefaultDataDir
	Log     *slog.Logger // nil: silent
	Durable bool         // false: no fsync, no AOF; for tests

	dieWithUs bool // the engines are killed when this process dies
}

// Engines is one user's share in the engines of a data directory.
type Engines struct {
	home     home
	users    *lock
	log      *slog.Logger
	postgres *engine
	redis    *engine
	stopping sync.Mutex

	ended context.Context // by quit, when Stop begins
	quit  context.CancelFunc
}

// Start brings up the engines of a data directory, or adopts them if they are
// alive. It returns when both answer. The error is ErrMissing where the
// machine lacks the binaries.
func Start(ctx context.Context, o Options) (*Engines, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	ctx, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()

	home, err := openHome(o.DataDir)
	if err != nil {
		return nil, fmt.Errorf("engines: %w", err)
	}
	gate, err := home.gate(ctx)
	if err != nil {
		return nil, fmt.Errorf("engines: another process is starting or stopping the engines of %s: %w", o.DataDir, err)
	}
	defer gate.release()

	users, alone, err := home.join()
	if err != nil {
		return nil, fmt.Errorf("engines: %w", err)
	}
	e := &Engines{home: home, users: users, log: o.Log}
	e.ended, e.quit = context.WithCancel(context.Background())
	if err := e.up(ctx, o, alone); err != nil {
		err = fmt.Errorf("engines: %w", err)
		e.quit()
		return nil, errors.Join(err, e.leave(context.WithoutCancel(ctx)))
	}
	return e, nil
}

// DatabaseURL is the address of the database "ropeline", for pgx.
func (e *Engines) DatabaseURL() string { return postgresURL(e.home.sockets, "ropeline") }

// RedisURL is the address of logical database 0, for go-redis' ParseURL.
func (e *Engines) RedisURL() string {
	return (&url.URL{Scheme: "unix", Path: e.redis.socket, RawQuery: "db=0"}).String()
}

// Stop gives up this share and, if nobody else uses the engines, stops them.
// When ctx ends first, the engines are stopped the hard way. A second Stop
// does nothing.
func (e *Engines) Stop(ctx context.Context) error {
	e.quit()
	e.stopping.Lock()
	defer e.stopping.Unlock()
	if e.users == nil {
		return nil
	}
	// The gate is waited for even if ctx has ended: without it a starter could adopt what we stop.
	wait, cancel := context.WithTimeout(context.WithoutCancel(ctx), startPatience)
	defer cancel()
	gate, err := e.home.gate(wait)
	if err != nil {
		return fmt.Errorf("engines: stop: %w", err)
	}
	defer gate.release()
	if err := e.leave(ctx); err != nil {
		return fmt.Errorf("engines: stop: %w", err)
	}
	return nil
}

// DefaultDataDir is where a program without configuration keeps its data.
func DefaultDataDir() (string, error) {
	if os.Geteuid() == 0 {
		return "/var/lib/ropeline", nil
	}
	if dir := os.Getenv("XDG_DATA_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "ropeline"), nil
	}
	dir, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("engines: no home directory to keep data in; name one with ROPELINE_DATA_DIR: %w", err)
	}
	return filepath.Join(dir, ".local", "share", "ropeline"), nil
}

// up runs under the gate.
func (e *Engines) up(ctx context.Context, o Options, alone bool) error {
	if err := e.home.openSockets(); err != nil {
		return err
	}
	var err error
	if e.redis, err = newRedis(e.home, o); err != nil {
		return err
	}
	if e.postgres, err = newPostgres(ctx, e.home, o); err != nil {
		return err
	}
	if !o.dieWithUs {
		e.redis.died, e.postgres.died = e.revive, e.revive
	}
	both, starting := errgroup.WithContext(ctx)
	both.Go(func() error { return e.postgres.up(starting, alone) })
	both.Go(func() error { return e.redis.up(starting, alone) })
	if err := both.Wait(); err != nil {
		return err
	}
	return createDatabase(ctx, e.home.sockets, "ropeline")
}

// leave runs under the gate.
func (e *Engines) leave(ctx context.Context) error {
	last := e.users.tryAlone()
	defer func() { e.users.release(); e.users = nil }()
	if !last {
		return nil
	}
	var both errgroup.Group
	for _, engine := range []*engine{e.postgres, e.redis} {
		if engine != nil {
			both.Go(func() error { return engine.down(ctx) })
		}
	}
	if err := both.Wait(); err != nil {
		return err
	}
	return e.home.closeSockets()
}
