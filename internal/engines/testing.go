package engines

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/goleak"
)

// Pair is what one test has for itself.
type Pair struct {
	Pool        *pgxpool.Pool // on DatabaseURL; closed when the test ends
	DatabaseURL string        // a fresh database with all migrations
	RedisURL    string        // an empty logical database
}

// Test gives a test a database made from a template and an empty logical
// database of Redis, on engines that all tests of a run share. They are gone
// when the test ends. Redis' pub/sub channels, scripts and CONFIG are common to
// all tests; one that needs those for itself takes TestRedis.
func Test(t testing.TB) *Pair {
	t.Helper()
	run, err := theRun.get()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()

	database, err := run.newDatabase(ctx)
	if err != nil {
		t.Fatalf("a database for the test: %v", err)
	}
	cleanup(t, "drop the test's database", func(ctx context.Context) error { return run.dropDatabase(ctx, database) })
	pair := &Pair{DatabaseURL: withDatabase(run.databaseURL, database)}

	number, err := run.takeRedis(ctx)
	if err != nil {
		t.Fatalf("a Redis database for the test: %v", err)
	}
	cleanup(t, "empty the test's Redis database", func(ctx context.Context) error { return run.giveRedis(ctx, number) })
	pair.RedisURL = withRedisDB(run.redisURL, number)

	if pair.Pool, err = pgxpool.New(ctx, pair.DatabaseURL); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pair.Pool.Close)
	return pair
}

// Main is the TestMain of a package that uses engines: it runs the tests, stops
// what they started, and fails if goroutines are left.
//
//	func TestMain(m *testing.M) { engines.Main(m) }
func Main(m interface{ Run() int }, options ...goleak.Option) {
	code := m.Run()
	if err := theRun.close(); err != nil {
		fmt.Fprintln(os.Stderr, "stop the engines of the tests:", err)
		code = max(code, 1)
	}
	if code == 0 {
		// The limiter's counts in memory have a goroutine for as long as the process lives, and no way to end it.
		options = append(options, goleak.IgnoreTopFunction("github.com/ulule/limiter/v3/drivers/store/memory.(*cleaner).Run"))
		if err := goleak.Find(options...); err != nil {
			fmt.Fprintln(os.Stderr, "goroutines are left after the tests:", err)
			code = 1
		}
	}
	os.Exit(code)
}

// cleanup runs at the test's end, with a context of its own: the test's is over by then.
func cleanup(t testing.TB, what string, do func(context.Context) error) {
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := do(ctx); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	})
}

// testHome makes a temporary data directory for engines that die with this process.
func testHome() (dataDir string, o Options, err error) {
	sweepTestHomes()
	dir, err := shortTempDir(testHomePrefix)
	if err != nil {
		return "", Options{}, err
	}
	if err := os.Chmod(dir, 0o711); err != nil { // the engines' user passes through
		return "", Options{}, err
	}
	return dir, Options{DataDir: dir, Log: slog.New(slog.DiscardHandler), dieWithUs: true}, nil
}

// OpenTempDir is a data directory for one test or benchmark that starts engines
// of its own. Their user can pass through it, unlike through TempDir of testing:
// there engines of root would have their home elsewhere, where it stays.
func OpenTempDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "rl-open-")
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

const testHomePrefix = "rl-test-"

// sweepTestHomes removes what killed test processes left behind: homes without a user.
func sweepTestHomes() {
	entries, _ := os.ReadDir("/tmp")
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil || !strings.HasPrefix(entry.Name(), testHomePrefix) || time.Since(info.ModTime()) < time.Minute {
			continue // a young one may not be locked yet
		}
		dataDir := "/tmp/" + entry.Name()
		users, err := os.OpenFile(dataDir+"/engines/users.lock", os.O_RDWR, 0)
		if err != nil {
			continue // another user's
		}
		if l := (&lock{file: users}); l.tryAlone() {
			if sockets, err := os.ReadFile(dataDir + "/engines/sockets"); err == nil {
				if dir := strings.TrimSpace(string(sockets)); strings.HasPrefix(dir, "/tmp/rl-") {
					os.RemoveAll(dir)
				}
			}
			os.RemoveAll(dataDir)
		}
		users.Close()
	}
}
