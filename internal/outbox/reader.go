package outbox

import (
	"context"
	"encoding/json"
	"hash/fnv"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ropeline/ropeline"
)

// Horizon finds up to where rows may be read. It is safe for concurrent use,
// and shared by the consumers of a process.
type Horizon struct {
	pool *pgxpool.Pool

	mu   sync.Mutex
	safe int64
	mark mark
}

// mark is a number that was handed out, and a transaction id that is younger
// than whoever has such a number.
type mark struct {
	seq int64
	xid string // xid8, in its own words; "": none is set
}

// NewHorizon makes one.
func NewHorizon(pool *pgxpool.Pool) *Horizon { return &Horizon{pool: pool} }

// Settled is the highest seq below which nothing can appear any more, as far
// as it is known now. It never waits: while older transactions run, it is
// what it was.
func (h *Horizon) Settled(ctx context.Context) (int64, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.try(ctx); err != nil || h.mark.xid != "" {
		return h.safe, err
	}
	var last int64
	if err := h.pool.QueryRow(ctx, "select case when is_called then last_value else 0 end from outbox_seq").Scan(&last); err != nil {
		return h.safe, err
	}
	if last == h.safe {
		return h.safe, nil
	}
	var xid string
	if err := h.pool.QueryRow(ctx, "select pg_current_xact_id()::text").Scan(&xid); err != nil {
		return h.safe, err
	}
	h.mark = mark{seq: last, xid: xid}
	return h.safe, h.try(ctx)
}

// try sees whether all who were there before the mark have ended.
func (h *Horizon) try(ctx context.Context) error {
	if h.mark.xid == "" {
		return nil
	}
	var ended bool
	if err := h.pool.QueryRow(ctx, "select pg_snapshot_xmin(pg_current_snapshot()) >= $1::text::xid8", h.mark.xid).Scan(&ended); err != nil || !ended {
		return err
	}
	h.safe, h.mark = h.mark.seq, mark{}
	return nil
}

// Reader hands the events to one consumer, in order and at least once.
type Reader struct {
	pool     *pgxpool.Pool
	horizon  *Horizon
	consumer string
	batch    int
	only     []string // kinds; nil: all
	cursor   int64    // as it was last seen: saves looking when there is nothing new
}

// NewReader makes the reader of a consumer, who gets up to batch events at
// once. Each process has one for each consumer; a consumer that is new begins
// at the beginning. One that names kinds gets no others, and no Previous.
func NewReader(pool *pgxpool.Pool, horizon *Horizon, consumer string, batch int, only ...Kind) *Reader {
	r := &Reader{pool: pool, horizon: horizon, consumer: consumer, batch: batch, cursor: -1}
	for _, kind := range only {
		r.only = append(r.only, string(kind))
	}
	return r
}

// Read hands on what is waiting until nothing is, and tells how many events.
// What take refuses comes again the next time.
func (r *Reader) Read(ctx context.Context, take func(context.Context, []Event) error) (read int, err error) {
	settled, err := r.horizon.Settled(ctx)
	if err != nil {
		return 0, err
	}
	for r.cursor < settled {
		n, ours, err := r.once(ctx, settled, take)
		read += n
		if err != nil || !ours {
			return read, err
		}
	}
	return read, nil
}

// once hands on one batch. The lock is held by a transaction that has no id
// while the consumer works, so that a slow consumer does not hold the horizon.
func (r *Reader) once(ctx context.Context, settled int64, take func(context.Context, []Event) error) (n int, ours bool, err error) {
	err = pgx.BeginFunc(ctx, r.pool, func(tx pgx.Tx) error {
		if err := tx.QueryRow(ctx, "select pg_try_advisory_xact_lock($1, $2) from set_config('synchronous_commit', 'off', true)", lockClass, r.lock()).Scan(&ours); err != nil || !ours {
			return err
		}
		if err := tx.QueryRow(ctx, "select coalesce((select seq from outbox_cursors where consumer = $1), 0)", r.consumer).Scan(&r.cursor); err != nil {
			return err
		}
		events, err := r.waiting(ctx, tx, settled)
		if err != nil {
			return err
		}
		end := settled
		var tails map[ropeline.EventID]int64
		if len(events) > 0 {
			if r.only == nil {
				if tails, err = r.follow(ctx, tx, events); err != nil {
					return err
				}
			}
			if err := take(ctx, events); err != nil {
				return err
			}
			if n = len(events); n == r.batch {
				end = events[n-1].Seq
			}
		}
		if end = max(end, r.cursor); end > r.cursor {
			err = r.move(ctx, tx, end, tails)
		}
		r.cursor = end
		return err
	})
	if err != nil {
		r.cursor = -1 // as it is in the table
	}
	return n, ours, err
}

func (r *Reader) waiting(ctx context.Context, tx pgx.Tx, settled int64) ([]Event, error) {
	sql, args := `
		select seq, event_id, kind, version, subject, payload::text, created_at
		from outbox where seq > $1 and seq <= $2 order by seq limit $3`, []any{r.cursor, settled, r.batch}
	if r.only != nil {
		sql, args = `
			select seq, event_id, kind, version, subject, payload::text, created_at
			from outbox where seq > $1 and seq <= $2 and kind = any($4) order by seq limit $3`, append(args, r.only)
	}
	rows, err := tx.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	events := make([]Event, 0, r.batch)
	var e Event
	var payload string // Postgres has checked it
	_, err = pgx.ForEachRow(rows, []any{&e.Seq, &e.Event, &e.Kind, &e.Version, &e.Subject, &payload, &e.At}, func() error {
		e.Payload = json.RawMessage(payload)
		events = append(events, e)
		return nil
	})
	return events, err
}

// follow tells each event the one before it of the same event, and returns the
// last seq of each: the next tails.
func (r *Reader) follow(ctx context.Context, tx pgx.Tx, events []Event) (tails map[ropeline.EventID]int64, err error) {
	tails = map[ropeline.EventID]int64{}
	var ids []string
	for _, e := range events {
		if _, known := tails[e.Event]; !known {
			tails[e.Event] = 0
			ids = append(ids, string(e.Event))
		}
	}
	rows, err := tx.Query(ctx, "select event_id, seq from outbox_tails where consumer = $1 and event_id = any($2)", r.consumer, ids)
	if err != nil {
		return nil, err
	}
	var id ropeline.EventID
	var seq int64
	if _, err = pgx.ForEachRow(rows, []any{&id, &seq}, func() error { tails[id] = seq; return nil }); err != nil {
		return nil, err
	}
	for i := range events {
		e := &events[i]
		e.Previous, tails[e.Event] = tails[e.Event], e.Seq
	}
	return tails, nil
}

// move notes that the consumer has taken everything up to end. It may be
// forgotten with a machine: then the events come again.
func (r *Reader) move(ctx context.Context, tx pgx.Tx, end int64, tails map[ropeline.EventID]int64) error {
	batch := &pgx.Batch{}
	batch.Queue(`
		insert into outbox_cursors (consumer, seq) values ($1, $2)
		on conflict (consumer) do update set seq = excluded.seq, moved_at = now()`, r.consumer, end)
	if len(tails) > 0 {
		ids, seqs := make([]string, 0, len(tails)), make([]int64, 0, len(tails))
		for id, seq := range tails {
			ids, seqs = append(ids, string(id)), append(seqs, seq)
		}
		batch.Queue(`
			insert into outbox_tails (consumer, event_id, seq) select $1, u.event_id, u.seq from unnest($2::text[], $3::bigint[]) as u(event_id, seq)
			on conflict (consumer, event_id) do update set seq = excluded.seq`, r.consumer, ids, seqs)
	}
	return tx.SendBatch(ctx, batch).Close()
}

// lockClass sets the consumers' advisory locks apart from others: "outb".
const lockClass int32 = 0x6f757462

func (r *Reader) lock() int32 {
	sum := fnv.New32a()
	sum.Write([]byte(r.consumer))
	return int32(sum.Sum32())
}
