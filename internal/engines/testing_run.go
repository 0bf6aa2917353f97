package engines

import (
	"context"
	"errors"
	"os"
	"strconv"
	"sync"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"
)

// The addresses of engines that the tests shall use instead of their own.
const (
	DatabaseVariable = "ROPELINE_TEST_DATABASE_URL"
	RedisVariable    = "ROPELINE_TEST_REDIS_URL"
)

// testRun is the pair of engines that all tests of a process share.
type testRun struct {
	databaseURL, redisURL string

	engines  *Engines // nil: given by the environment
	dataDir  string
	admin    *pgxpool.Pool // on the given database, to make others
	redis    *redis.Client // on logical database 0, to share out the others
	template string
	redisDBs int
}

// theRun starts when the first test asks for it.
var theRun lazyRun

type lazyRun struct {
	once sync.Once
	run  *testRun
	err  error
}

func (l *lazyRun) get() (*testRun, error) {
	l.once.Do(func() { l.run, l.err = openRun() })
	return l.run, l.err
}

func (l *lazyRun) close() error {
	if l.run == nil {
		return nil
	}
	return l.run.close()
}

func openRun() (run *testRun, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), startPatience)
	defer cancel()
	run = &testRun{databaseURL: os.Getenv(DatabaseVariable), redisURL: os.Getenv(RedisVariable)}
	defer func() {
		if err != nil {
			err = errors.Join(err, run.close())
			run = nil
		}
	}()
	if run.databaseURL == "" || run.redisURL == "" {
		if err := run.start(ctx); err != nil {
			return run, err
		}
	}
	if run.admin, err = pgxpool.New(ctx, run.databaseURL); err != nil {
		return run, err
	}
	options, err := redis.ParseURL(run.redisURL)
	if err != nil {
		return run, err
	}
	run.redis = redis.NewClient(options)
	config, err := run.redis.ConfigGet(ctx, "databases").Result()
	if err != nil {
		return run, err
	}
	if run.redisDBs, err = strconv.Atoi(config["databases"]); err != nil {
		return run, err
	}
	return run, run.makeTemplate(ctx)
}

func (r *testRun) start(ctx context.Context) error {
	dir, options, err := testHome()
	if err != nil {
		return err
	}
	r.dataDir = dir
	if r.engines, err = Start(ctx, options); err != nil {
		return err
	}
	r.databaseURL, r.redisURL = r.engines.DatabaseURL(), r.engines.RedisURL()
	return nil
}

func (r *testRun) close() error {
	var errs []error
	if r.admin != nil {
		r.admin.Close()
	}
	if r.redis != nil {
		errs = append(errs, r.redis.Close())
	}
	if r.engines != nil {
		errs = append(errs, r.engines.Stop(context.Background()))
	}
	if r.dataDir != "" {
		errs = append(errs, os.RemoveAll(r.dataDir))
	}
	return errors.Join(errs...)
}
