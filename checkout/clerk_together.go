package checkout

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/ropeline/ropeline"
)

// What a batch costs is mostly its round trips, its statements and its commit,
// and a house with many events on sale has many small batches. So the batches
// of all clerks that wait in this process at one moment are one transaction,
// with as many statements as one of them alone would have. Each clerk still has
// its own mailbox, lease and fence, and decides against stock that was locked
// for it.
//
// They share the transaction and not their fate:
//
//   - Nothing is waited for: a sale that somebody else has locked (another
//     process' clerk, an event that is being canceled) is passed over, and its
//     clerk tries alone. So two processes that share the same events never lock
//     each other out, in whatever order they come.
//   - A fence that was lost is seen before anything is written; its clerk
//     stops, and the others go on.
//   - A transaction that Postgres refuses is rolled back, and each clerk tries
//     alone: whoever spoiled it is alone with it.

const (
	mostTogether = 64 // batches in one transaction
	// commitTime bounds one transaction, so that a Postgres that hangs does not
	// keep a clerk for ever.
	commitTime = 10 * time.Second
	// mostWait is how long a shared transaction waits for a row that another
	// one has locked.
	mostWait = 250 * time.Millisecond
	// mostTries is how often a clerk that is alone begins anew after a deadlock.
	mostTries = 3
)

// errApart sends a clerk into a transaction of its own.
var errApart = errors.New("checkout: the batch must be committed alone")

// turn is one clerk's batch on its way through a transaction.
type turn struct {
	event   ropeline.EventID
	fence   int64
	letters []letter
	looks   bool // at what the clerk is owed in Postgres
	takes   bool // the captures that it decides on are this process' at once
	late    *ledger

	// What has come of it.
	desk    *desk
	told    []answer
	version int64
}

// commitTurns brings the batches of a round through one transaction and gives
// each its error: errApart sends its clerk into one of its own.
func (c *Checkout) commitTurns(ctx context.Context, turns []*turn) []error {
	errs := make([]error, len(turns))
	first := make(map[ropeline.EventID]bool, len(turns))
	var now []*turn
	var at []int
	for i, t := range turns {
		if first[t.event] {
			errs[i] = errApart // two clerks of one event: the fence decides between them
			continue
		}
		first[t.event] = true
		now, at = append(now, t), append(at, i)
	}
	each, err := c.commit(ctx, now, true)
	for n, i := range at {
		errs[i] = each[n]
		if err != nil {
			errs[i] = errApart
		}
	}
	return errs
}

// alone commits one batch in a transaction that waits for its locks.
func (s *service) alone(ctx context.Context, t *turn) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), commitTime)
	defer cancel()
	for tries := 1; ; tries++ {
		errs, err := s.commit(ctx, []*turn{t}, false)
		if err == nil {
			if errs[0] == nil {
				s.publish(ctx, []*turn{t})
			}
			return errs[0]
		}
		if tries == mostTries || !collided(err) {
			return err
		}
	}
}

// commit brings the batches of different events through one transaction. Each
// has its own error; one for all means that nothing is written, or that nobody
// knows.
func (c *Checkout) commit(ctx context.Context, turns []*turn, shared bool) (errs []error, err error) {
	pooled, err := c.pool.Acquire(ctx)
	if err != nil {
		return make([]error, len(turns)), err
	}
	// A connection with a transaction open is closed by the pool, which rolls
	// it back: no path out of here can leave one behind.
	defer pooled.Release()
	errs = make([]error, len(turns))
	if err := c.read(ctx, pooled.Conn(), turns, shared); err != nil {
		return errs, rollback(ctx, pooled.Conn(), err)
	}
	var good []*turn
	for i, t := range turns {
		switch {
		case !t.desk.locked && shared:
			errs[i] = errApart
		case !t.desk.locked:
			errs[i] = errNoSale
		case t.desk.fence != t.fence:
			errs[i] = errFenced
		default:
			t.told = t.desk.decide(t.letters)
			good = append(good, t)
		}
	}
	if len(good) == 0 {
		return errs, rollback(ctx, pooled.Conn(), nil)
	}
	if err := write(ctx, pooled.Conn(), good); err != nil {
		return errs, rollback(ctx, pooled.Conn(), err)
	}
	for _, t := range good {
		t.overtaken(ctx, pooled.Conn())
	}
	c.tell(good)
	return errs, nil
}

// rollback keeps the connection, where it still answers.
func rollback(ctx context.Context, conn *pgx.Conn, err error) error {
	if !conn.IsClosed() && ctx.Err() == nil {
		_, _ = conn.Exec(ctx, "rollback") // what it says changes nothing
	}
	return err
}

// spoiled tells an error of the data (SQLSTATE classes 22 and 23) from one of
// the engine: the same data fails again.
func spoiled(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (strings.HasPrefix(e.Code, "22") || strings.HasPrefix(e.Code, "23"))
}

// collided tells that two transactions stood in each other's way.
func collided(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (e.Code == "40001" || e.Code == "40P01")
}
