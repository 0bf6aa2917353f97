package worker

import (
	"context"
	"encoding/json"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
)

// DomainEvent is one row of the outbox.
type DomainEvent struct {
	Seq     int64
	Event   ropeline.EventID // the event that tickets are sold for
	Kind    string
	Version int
	Subject string
	Payload json.RawMessage
	At      time.Time
}

// EventSink takes domain events, in order. What it has not taken without an
// error comes again, so it may see one more than once; Seq tells.
type EventSink interface {
	Send(ctx context.Context, events []DomainEvent) error
}

const (
	relayPause = 200 * time.Millisecond
	relayBatch = 500
	relayLock  = 0x72656c61 // pg_try_advisory_xact_lock, "rela"
)

// relay hands the waiting part of the outbox to the sink, in the order of its
// numbers. One process does so at a time. Rows of one order or reservation are
// numbered under its lock, so what happened later has the higher number, and
// what is visible is never ahead of its past.
func (w *Worker) relay(ctx context.Context) (sent int, err error) {
	if w.options.Sink == nil {
		return 0, nil
	}
	for more := true; more && err == nil; {
		err = pgx.BeginFunc(ctx, w.pool, func(tx pgx.Tx) error {
			var ours bool
			if err := tx.QueryRow(ctx, "select pg_try_advisory_xact_lock($1)", relayLock).Scan(&ours); err != nil || !ours {
				more = false
				return err
			}
			rows, err := tx.Query(ctx, `
				select seq, event_id, kind, version, subject, payload, created_at
				from outbox where relayed_at is null order by seq limit $1`, relayBatch)
			if err != nil {
				return err
			}
			events, err := pgx.CollectRows(rows, pgx.RowToStructByPos[DomainEvent])
			if err != nil || len(events) == 0 {
				more = false
				return err
			}
			if err := w.options.Sink.Send(ctx, events); err != nil {
				return err
			}
			seqs := make([]int64, len(events))
			for i, e := range events {
				seqs[i] = e.Seq
			}
			_, err = tx.Exec(ctx, "update outbox set relayed_at = now() where seq = any($1)", seqs)
			sent, more = sent+len(events), len(events) == relayBatch
			return err
		})
	}
	return sent, err
}
