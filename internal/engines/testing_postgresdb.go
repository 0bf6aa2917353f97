package engines

import (
	"context"
	"crypto/rand"
	"errors"
	"hash/fnv"
	"net/url"
	"strings"

	"github.com/ropeline/ropeline/migrations"
)

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

// newDatabase copies the template's files: writing its pages into the log, as is
// usual, takes three times as long.
func (r *testRun) newDatabase(ctx context.Context) (string, error) {
	name := "test_" + strings.ToLower(rand.Text()[:16])
	err := poll(ctx, func() (bool, error) {
		_, err := r.admin.Exec(ctx, "CREATE DATABASE "+name+" TEMPLATE "+r.template+" STRATEGY file_copy")
		return !isObjectInUse(err), ignoreInUse(err)
	})
	return name, err
}

func (r *testRun) dropDatabase(ctx context.Context, name string) error {
	_, err := r.admin.Exec(ctx, "DROP DATABASE "+name+" WITH (FORCE)")
	return err
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
