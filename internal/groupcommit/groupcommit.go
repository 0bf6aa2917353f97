// Package groupcommit lets the small transactions of many callers be one: a
// drop places thousands of orders a second, and what a transaction costs is
// mostly its round trips and its commit, not its rows.
//
// # Parts
//
// A caller hands in a Part: what it reads and locks, and what it then decides
// and writes. A group is two round trips: "begin" with the reading of all
// parts, and the writing of all parts with "commit". Everybody is told after
// the commit.
//
//   - A part that decides against itself (Write returns an error) writes
//     nothing, and the others are not concerned.
//   - A group that Postgres refuses is rolled back, and each of its parts is
//     tried alone: who has spoiled it gets the error. So Read and Write may be
//     called twice, and the second time they know nothing of the first.
//   - Parts of the same Key touch the same rows: they never share a group, and
//     the rows of a group are locked in the order of the keys, so that two
//     groups do not lock each other out.
//
// Nothing of a gateway or of another engine may be called in Write: the locks of
// the whole group are held meanwhile.
package groupcommit

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ropeline/ropeline/internal/batch"
)

// Part is one caller's share of a transaction.
type Part struct {
	Key string
	// Read queues what is read and locked, each query with its callback.
	Read func(*pgx.Batch)
	// Write (may be nil) decides by what was read, and queues what is written.
	Write func(*pgx.Batch) error
}

// In runs the part alone, in a transaction of the caller's.
func (p Part) In(ctx context.Context, tx pgx.Tx) error {
	reading, writing := &pgx.Batch{}, &pgx.Batch{}
	p.Read(reading)
	if err := tx.SendBatch(ctx, reading).Close(); err != nil || p.Write == nil {
		return err
	}
	if err := p.Write(writing); err != nil || writing.Len() == 0 {
		return err
	}
	return tx.SendBatch(ctx, writing).Close()
}

const (
	mostParts = 128              // in one group
	mostCalls = 3                // groups under way at once
	groupTime = 10 * time.Second // of one group
)

// Group commits the parts that come at the same time together; safe for
// concurrent use. It has no goroutine while nobody calls.
type Group struct {
	pool  *pgxpool.Pool
	parts *batch.Batcher[Part, struct{}]
}

// New makes a group over a pool.
func New(pool *pgxpool.Pool) *Group {
	g := &Group{pool: pool}
	g.parts = batch.Open(batch.Options{Size: mostParts, Wait: time.Millisecond, Calls: mostCalls, Timeout: groupTime}, g.commit)
	return g
}

// Do returns after the part's commit, or with why it was not committed. It does
// not end early with a context: the part would still be under way.
func (g *Group) Do(p Part) error {
	_, err := g.parts.Do(context.Background(), p)
	return err
}

// commit is the batcher's call.
func (g *Group) commit(ctx context.Context, parts []Part) []batch.Result[struct{}] {
	results := make([]batch.Result[struct{}], len(parts))
	left := make([]int, len(parts))
	for i := range left {
		left[i] = i
	}
	slices.SortStableFunc(left, func(a, b int) int { return strings.Compare(parts[a].Key, parts[b].Key) })
	for len(left) > 0 {
		var now, later []int
		for _, i := range left {
			if len(now) > 0 && parts[now[len(now)-1]].Key == parts[i].Key {
				later = append(later, i)
			} else {
				now = append(now, i)
			}
		}
		g.together(ctx, parts, now, results)
		left = later
	}
	return results
}

// together commits the parts with these indexes, or each alone.
func (g *Group) together(ctx context.Context, parts []Part, which []int, results []batch.Result[struct{}]) {
	err := g.transaction(ctx, parts, which, results)
	if err == nil {
		return
	}
	if len(which) == 1 {
		results[which[0]].Err = err
		return
	}
	for _, i := range which {
		results[i].Err = g.transaction(ctx, parts, []int{i}, results)
	}
}

func (g *Group) transaction(ctx context.Context, parts []Part, which []int, results []batch.Result[struct{}]) error {
	pooled, err := g.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	// A connection with a transaction open is closed by the pool, which rolls
	// it back.
	defer pooled.Release()
	conn := pooled.Conn()
	reading, writing := &pgx.Batch{}, &pgx.Batch{}
	reading.Queue("begin")
	// Others wait for the locks, so a node that stalls here must lose them; and
	// plans that were made while the tables were empty must not read them whole.
	reading.Queue("set local idle_in_transaction_session_timeout = '3s'")
	reading.Queue("set local enable_seqscan = off")
	for _, i := range which {
		parts[i].Read(reading)
	}
	if err := conn.SendBatch(ctx, reading).Close(); err != nil {
		return rollback(ctx, conn, err)
	}
	refusals := make([]error, len(which))
	for n, i := range which {
		if parts[i].Write != nil {
			refusals[n] = parts[i].Write(writing)
		}
	}
	writing.Queue("commit")
	if err := conn.SendBatch(ctx, writing).Close(); err != nil {
		return rollback(ctx, conn, err)
	}
	if len(which) == 1 {
		return refusals[0]
	}
	for n, i := range which {
		results[i].Err = refusals[n]
	}
	return nil
}

// rollback keeps the connection, where it still answers.
func rollback(ctx context.Context, conn *pgx.Conn, err error) error {
	if !conn.IsClosed() {
		conn.Exec(ctx, "rollback") // what it says changes nothing
	}
	return err
}

// Reads share one round trip between the queries of many callers, each with its
// own snapshot. Safe for concurrent use.
type Reads struct {
	pool *pgxpool.Pool
	asks *batch.Batcher[func(*pgx.Batch), struct{}]
}

// NewReads makes one over a pool.
func NewReads(pool *pgxpool.Pool) *Reads {
	r := &Reads{pool: pool}
	r.asks = batch.Open(batch.Options{Size: mostParts, Wait: time.Millisecond, Calls: mostCalls, Timeout: groupTime}, r.ask)
	return r
}

// Do queues queries that change nothing and returns when their callbacks have
// run; a group that fails is asked one by one, so queue may be called twice.
// When ctx ends first, callbacks may still run: what they write to is not the
// caller's any more.
func (r *Reads) Do(ctx context.Context, queue func(*pgx.Batch)) error {
	_, err := r.asks.Do(ctx, queue)
	return err
}

func (r *Reads) ask(ctx context.Context, queues []func(*pgx.Batch)) []batch.Result[struct{}] {
	results := make([]batch.Result[struct{}], len(queues))
	all := &pgx.Batch{}
	for _, queue := range queues {
		queue(all)
	}
	err := r.pool.SendBatch(ctx, all).Close()
	if err == nil {
		return results
	}
	if len(queues) == 1 {
		results[0].Err = err
		return results
	}
	for i, queue := range queues {
		one := &pgx.Batch{}
		queue(one)
		results[i].Err = r.pool.SendBatch(ctx, one).Close()
	}
	return results
}
