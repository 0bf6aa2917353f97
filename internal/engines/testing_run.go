package engines

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"hash/fnv"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"

	"github.com/ropeline/ropeline/migrations"
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

// makeTemplate makes the migrated database that the tests' are copied from, once for all
// processes of a run. It gets its name last: a half-made one is never used.
func (r *testRun) makeTemplate(ctx context.Context) error {
	r.template = "template_" + migrations.Fingerprint()
	conn, err := r.admin.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	key := lockKey(r.template)
	if _, err := conn.Exec(ctx, "SELECT pg_advisory_lock($1)", key); err != nil {
		return err
	}
	defer conn.Exec(ctx, "SELECT pg_advisory_unlock($1)", key)

	var found bool
	if err := conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", r.template).Scan(&found); err != nil || found {
		return err
	}
	unfinished := r.template + "_unfinished"
	if _, err := conn.Exec(ctx, "DROP DATABASE IF EXISTS "+unfinished+" WITH (FORCE)"); err != nil {
		return err
	}
	if _, err := conn.Exec(ctx, "CREATE DATABASE "+unfinished+" TEMPLATE template0"); err != nil {
		return err
	}
	if err := migrations.Apply(ctx, withDatabase(r.databaseURL, unfinished)); err != nil {
		return err
	}
	// A session that has just been closed may count for a moment.
	return poll(ctx, func() (bool, error) {
		_, err := conn.Exec(ctx, "ALTER DATABASE "+unfinished+" RENAME TO "+r.template)
		return !isObjectInUse(err), ignoreInUse(err)
	})
}

func (r *testRun) newDatabase(ctx context.Context) (string, error) {
	name := "test_" + strings.ToLower(rand.Text()[:16])
	err := poll(ctx, func() (bool, error) {
		_, err := r.admin.Exec(ctx, "CREATE DATABASE "+name+" TEMPLATE "+r.template)
		return !isObjectInUse(err), ignoreInUse(err)
	})
	return name, err
}

func (r *testRun) dropDatabase(ctx context.Context, name string) error {
	_, err := r.admin.Exec(ctx, "DROP DATABASE "+name+" WITH (FORCE)")
	return err
}

// takeRedis reserves an empty logical database. The reservation is a key with a
// deadline, so that databases of killed tests come back.
func (r *testRun) takeRedis(ctx context.Context) (int, error) {
	var number int
	err := poll(ctx, func() (bool, error) {
		turn, err := r.redis.Incr(ctx, "ropeline:test:turn").Result()
		if err != nil {
			return false, err
		}
		number = 1 + int(turn)%(r.redisDBs-1)
		return r.redis.SetNX(ctx, redisReservation(number), os.Getpid(), 15*time.Minute).Result()
	})
	if err != nil {
		return 0, err
	}
	return number, r.flushRedis(ctx, number)
}

func (r *testRun) giveRedis(ctx context.Context, number int) error {
	if err := r.flushRedis(ctx, number); err != nil {
		return err
	}
	return r.redis.Del(ctx, redisReservation(number)).Err()
}

func (r *testRun) flushRedis(ctx context.Context, number int) error {
	options, err := redis.ParseURL(withRedisDB(r.redisURL, number))
	if err != nil {
		return err
	}
	options.PoolSize = 1
	client := redis.NewClient(options)
	return errors.Join(client.FlushDB(ctx).Err(), client.Close())
}

func redisReservation(number int) string { return fmt.Sprintf("ropeline:test:db:%d", number) }

func withRedisDB(address string, number int) string {
	parsed, err := url.Parse(address)
	if err != nil {
		return address
	}
	if parsed.Scheme != "unix" {
		parsed.Path = "/" + strconv.Itoa(number)
		return parsed.String()
	}
	query := parsed.Query()
	query.Set("db", strconv.Itoa(number))
	parsed.RawQuery = query.Encode()
	return parsed.String()
}

// withDatabase names another database in an address, a URL or "key=value …".
func withDatabase(address, name string) string {
	if parsed, err := url.Parse(address); err == nil && strings.HasPrefix(parsed.Scheme, "postgres") {
		parsed.Path = "/" + name
		return parsed.String()
	}
	return address + " dbname=" + name
}

func lockKey(name string) int64 {
	sum := fnv.New64a()
	sum.Write([]byte(name))
	return int64(sum.Sum64())
}

func isObjectInUse(err error) bool {
	var failure interface{ SQLState() string }
	return errors.As(err, &failure) && failure.SQLState() == "55006"
}

func ignoreInUse(err error) error {
	if isObjectInUse(err) {
		return nil
	}
	return err
}
