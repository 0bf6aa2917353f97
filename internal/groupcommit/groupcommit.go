// Package groupcommit lets the small transactions of many callers be one: a
// drop places thousands of orders a second, and what a transaction costs is its
// round trips, its commit and its statements, not its rows.
//
// # Parts
//
// A caller hands in a part of some Work: what it needs to read and lock, and
// what it then decides and writes. The parts that come at the same time are a
// group, and a group is two round trips: "begin" with the reading of all parts,
// and the writing of all parts with "commit". Work says both for all parts at
// once, with arrays, so that a group of three hundred has no more statements
// than a group of one. Everybody is told after the commit.
//
//   - A part that decides against itself (Write has an error for it) writes
//     nothing, and the others are not concerned.
//   - A group that Postgres refuses is rolled back, and each of its parts is
//     tried alone: who has spoiled it gets the error. So a part may be read and
//     written twice, and the second time it must know nothing of the first.
//   - Parts of the same key touch the same rows: they never share a group, and
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
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ropeline/ropeline/internal/batch"
)

// Work is what is done with parts, each a *P.
type Work[P any] struct {
	// Key names the rows that a part locks first.
	Key func(*P) string
	// Read queues what is read and locked for the parts, which have different
	// keys and are in the order of them.
	Read func(*pgx.Batch, []*P)
	// Write (may be nil) decides by what was read, queues what is written, and
	// returns one refusal for each part, in their order; nil: none refuses.
	Write func(*pgx.Batch, []*P) []error
	// Lazy work is told as done before it is on the disk: for what nobody loses
	// anything by when a machine that crashes forgets its last moment. What
	// commits later is never there without it.
	Lazy bool
}

// In does the parts in a transaction of the caller's; they have different keys
// and are in the order of them.
func (w Work[P]) In(ctx context.Context, tx pgx.Tx, parts ...*P) error {
	reading, writing := &pgx.Batch{}, &pgx.Batch{}
	w.Read(reading, parts)
	if err := tx.SendBatch(ctx, reading).Close(); err != nil || w.Write == nil {
		return err
	}
	for _, refusal := range w.Write(writing, parts) {
		if refusal != nil {
			return refusal
		}
	}
	if writing.Len() == 0 {
		return nil
	}
	return tx.SendBatch(ctx, writing).Close()
}

const (
	mostParts = 512 // in one group
	mostCalls = 2   // groups under way at once, of one kind of work
	// aloneTime is how long a group has for itself before a second one begins: while
	// it is quick the next one grows, and one that waits for a lock holds nobody up.
	aloneTime = 50 * time.Millisecond
	groupTime = 10 * time.Second // of one group

	// pace is between the beginnings of two groups of one kind of work. What a
	// group costs is the same for one part and for twenty: a lone part goes at
	// once, and a stream of them waits for one another.
	pace = 10 * time.Millisecond
)

// Group commits the parts that come at the same time together; safe for
// concurrent use. It has no goroutine while nobody calls.
type Group[P any] struct {
	pool  *pgxpool.Pool
	work  Work[P]
	parts *batch.Batcher[*P, struct{}]
}

// New makes a group over a pool.
func New[P any](pool *pgxpool.Pool, work Work[P]) *Group[P] {
	g := &Group[P]{pool: pool, work: work}
	g.parts = batch.Open(batch.Options{Size: mostParts, Wait: time.Millisecond, Calls: mostCalls, Alone: aloneTime, Pace: batch.Steady(pace), Timeout: groupTime}, g.commit)
	return g
}

// Do returns after the part's commit, or with why it was not committed. It does
// not end early with a context: the part would still be under way.
func (g *Group[P]) Do(part *P) error {
	_, err := g.parts.Do(context.Background(), part)
	return err
}

// one is a part on its way.
type one[P any] struct {
	part   *P
	key    string
	result *batch.Result[struct{}]
}

// commit is the batcher's call.
func (g *Group[P]) commit(ctx context.Context, parts []*P) []batch.Result[struct{}] {
	results := make([]batch.Result[struct{}], len(parts))
	left := make([]one[P], len(parts))
	for i, part := range parts {
		left[i] = one[P]{part, g.work.Key(part), &results[i]}
	}
	slices.SortStableFunc(left, func(a, b one[P]) int { return strings.Compare(a.key, b.key) })
	for len(left) > 0 {
		var now, later []one[P]
		for _, p := range left {
			if len(now) > 0 && now[len(now)-1].key == p.key {
				later = append(later, p)
			} else {
				now = append(now, p)
			}
		}
		g.together(ctx, now)
		left = later
	}
	return results
}

// together commits the parts, or each alone.
func (g *Group[P]) together(ctx context.Context, some []one[P]) {
	err := g.transaction(ctx, some)
	if err == nil {
		return
	}
	if len(some) == 1 {
		some[0].result.Err = err
		return
	}
	for i := range some {
		if err := g.transaction(ctx, some[i:i+1]); err != nil {
			some[i].result.Err = err
		}
	}
}

func (g *Group[P]) transaction(ctx context.Context, some []one[P]) error {
	parts := make([]*P, len(some))
	for i := range some {
		parts[i] = some[i].part
	}
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
	// Others wait for the locks, so a node that stalls here must lose them; plans
	// that were made while the tables were empty must not read them whole; and
	// to plan anew for each number of parts would cost more than it gains.
	reading.Queue(`select set_config('idle_in_transaction_session_timeout', '3s', true), set_config('enable_seqscan', 'off', true),
		set_config('plan_cache_mode', 'force_generic_plan', true)`)
	if g.work.Lazy {
		Lazily(reading)
	}
	g.work.Read(reading, parts)
	if err := conn.SendBatch(ctx, reading).Close(); err != nil {
		return rollback(ctx, conn, err)
	}
	var refusals []error
	if g.work.Write != nil {
		refusals = g.work.Write(writing, parts)
	}
	writing.Queue("commit")
	if err := conn.SendBatch(ctx, writing).Close(); err != nil {
		return rollback(ctx, conn, err)
	}
	for i, refusal := range refusals {
		some[i].result.Err = refusal
	}
	return nil
}

// Lazily makes a transaction, or a batch that is one by itself, return before
// it is on the disk; see Work.Lazy.
func Lazily(batch *pgx.Batch) {
	batch.Queue("select set_config('synchronous_commit', 'off', true)")
}

// Exec is one statement that is written lazily.
func Exec(ctx context.Context, pool *pgxpool.Pool, sql string, args ...any) (tag pgconn.CommandTag, err error) {
	batch := &pgx.Batch{}
	Lazily(batch)
	batch.Queue(sql, args...).Exec(func(did pgconn.CommandTag) error { tag = did; return nil })
	return tag, pool.SendBatch(ctx, batch).Close()
}

// rollback keeps the connection, where it still answers.
func rollback(ctx context.Context, conn *pgx.Conn, err error) error {
	if !conn.IsClosed() {
		conn.Exec(ctx, "rollback") // what it says changes nothing
	}
	return err
}

// Reads share one round trip, and its statements, between the questions of many
// callers. Safe for concurrent use.
type Reads[Q any] struct {
	pool  *pgxpool.Pool
	queue func(*pgx.Batch, []*Q)
	asks  *batch.Batcher[*Q, struct{}]
}

// NewReads makes one over a pool. queue reads for several questions at once, and
// writes the answers into them; it changes nothing.
func NewReads[Q any](pool *pgxpool.Pool, queue func(*pgx.Batch, []*Q)) *Reads[Q] {
	r := &Reads[Q]{pool: pool, queue: queue}
	r.asks = batch.Open(batch.Options{Size: mostParts, Wait: time.Millisecond, Calls: mostCalls, Alone: aloneTime, Pace: batch.Steady(pace), Timeout: groupTime}, r.ask)
	return r
}

// Do returns when the question has its answer; a group that fails is asked one
// by one. When ctx ends first, the question may still be written to: it is not
// the caller's any more.
func (r *Reads[Q]) Do(ctx context.Context, question *Q) error {
	_, err := r.asks.Do(ctx, question)
	return err
}

func (r *Reads[Q]) ask(ctx context.Context, questions []*Q) []batch.Result[struct{}] {
	results := make([]batch.Result[struct{}], len(questions))
	err := r.read(ctx, questions)
	switch {
	case err == nil:
	case len(questions) == 1:
		results[0].Err = err
	default:
		for i := range questions {
			results[i].Err = r.read(ctx, questions[i:i+1])
		}
	}
	return results
}

func (r *Reads[Q]) read(ctx context.Context, questions []*Q) error {
	all := &pgx.Batch{}
	r.queue(all, questions)
	return r.pool.SendBatch(ctx, all).Close()
}
