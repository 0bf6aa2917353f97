package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline/internal/groupcommit"
)

// Outcome is what became of a delivery.
type Outcome struct {
	Kind     Kind
	Attempts int
	State    State // "": it was not ours to deliver
}

// mostPause bounds the pause between two tries.
const mostPause = 3 * time.Hour

// Deliver sends a message that was released, and writes down what became of
// it. One whose lease is not the newest is left alone. The error is one of the
// engine; what the sender says is in the row and the log.
func (n *Notify) Deliver(ctx context.Context, r Released) (Outcome, error) {
	notice, attempts, found, err := n.begin(ctx, r)
	if err != nil || !found {
		return Outcome{}, err
	}
	start := time.Now()
	err = n.send(ctx, notice)
	n.metrics.seconds.WithLabelValues(string(notice.Channel)).Observe(time.Since(start).Seconds())
	// What the server has taken is to be written down, whoever stops us.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	state, err := n.end(ctx, r, notice, attempts, err)
	return Outcome{Kind: notice.Kind, Attempts: attempts, State: state}, err
}

// begin makes the message ours to send, in one statement: messages go out while
// others sell.
func (n *Notify) begin(ctx context.Context, r Released) (notice Notice, attempts int, found bool, err error) {
	var data []byte
	batch := &pgx.Batch{}
	groupcommit.Lazily(batch) // forgotten, the try is not counted
	batch.Queue(`
		update notifications set state = $3, attempts = attempts + 1, due_at = clock_timestamp() + $4::interval, changed_at = now()
		where id = $1 and lease = $2 and state = any($5)
		returning id, dedupe, kind, channel, recipient, coalesce(event_id, ''), subject, data, bulk, created_at, attempts`,
		r.ID, r.Lease, StateSending, n.options.Grip, before(StateSending)).Query(func(rows pgx.Rows) error {
		_, err := pgx.ForEachRow(rows, []any{&notice.ID, &notice.Dedupe, &notice.Kind, &notice.Channel, &notice.To, &notice.Event, &notice.Subject, &data, &notice.Bulk, &notice.Posted, &attempts},
			func() error { found = true; return nil })
		return err
	})
	if err = n.pool.SendBatch(ctx, batch).Close(); err == nil && found {
		err = json.Unmarshal(data, &notice.Data)
	}
	return notice, attempts, found && err == nil, err
}

// send writes the message and hands it over. It is given less time than its
// lease lasts.
func (n *Notify) send(ctx context.Context, notice Notice) error {
	ctx, cancel := context.WithTimeout(ctx, n.options.Grip/2)
	defer cancel()
	sender := n.options.Senders[notice.Channel]
	if sender == nil {
		return fmt.Errorf("no sender for %s is configured", notice.Channel)
	}
	facts, err := n.options.Facts(ctx, notice)
	if errors.Is(err, ErrMoot) {
		return err
	}
	if err != nil {
		return fmt.Errorf("what to say is not known: %w", err)
	}
	message, err := Write(notice, facts)
	if err != nil {
		return refuse(err)
	}
	return sender.Send(ctx, message)
}

// end writes down what became of a try; a lease that was lost meanwhile leaves
// the row to whoever has it now.
func (n *Notify) end(ctx context.Context, r Released, notice Notice, attempts int, sent error) (State, error) {
	next, why := StateSent, ""
	var pause *time.Duration
	switch {
	case sent == nil:
	case errors.Is(sent, ErrMoot):
		next = StateMoot
	case Permanent(sent), attempts >= n.options.Tries:
		next, why = StateDead, describe(sent, notice.To)
	default:
		next, why = StateFailed, describe(sent, notice.To)
		wait := n.pause(attempts)
		pause = &wait
	}
	if err := move(StateSending, next); err != nil {
		return "", err
	}
	// Forgotten by a machine that crashes, the message goes out twice, as it does
	// when the crash comes a moment before.
	tag, err := groupcommit.Exec(ctx, n.pool, `
		update notifications set state = $3::text, last_error = $4, lease = null, data = case when $3::text in ('sent', 'moot') then data - 'url' else data end, changed_at = now(), due_at = clock_timestamp() + $5::interval
		where id = $1 and lease = $2 and state = 'sending'`, r.ID, r.Lease, next, why, pause)
	if err != nil {
		return "", err
	}
	if tag.RowsAffected() == 0 {
		n.log.WarnContext(ctx, "a message was at its sender for so long that it is sent again", "id", r.ID)
		return "", nil
	}
	n.metrics.ended.WithLabelValues(string(notice.Kind), string(notice.Channel), string(next)).Inc()
	switch next {
	case StateFailed:
		n.log.WarnContext(ctx, "message not sent yet", "id", r.ID, "kind", notice.Kind, "to", Mask(notice.To), "attempts", attempts, "err", why)
	case StateMoot:
		n.log.InfoContext(ctx, "message has lost its sense, it is not sent", "id", r.ID, "kind", notice.Kind, "to", Mask(notice.To))
	case StateDead:
		n.log.ErrorContext(ctx, "message given up", "id", r.ID, "kind", notice.Kind, "to", Mask(notice.To), "attempts", attempts, "err", why)
	}
	return next, nil
}

// pause is half to one and a half times the doubled pause: those who failed
// together do not come back together.
func (n *Notify) pause(attempts int) time.Duration {
	d := min(n.options.Pause<<min(attempts-1, 20), mostPause)
	return d/2 + rand.N(d)
}
