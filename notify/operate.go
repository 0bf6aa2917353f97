package notify

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
)

// Row is a message as an operator sees it; the address is masked.
type Row struct {
	ID        ID               `json:"id"`
	Kind      Kind             `json:"kind"`
	Channel   Channel          `json:"channel"`
	To        string           `json:"to"`
	Event     ropeline.EventID `json:"event,omitempty"`
	Subject   string           `json:"subject"`
	State     State            `json:"state"`
	Attempts  int              `json:"attempts"`
	NextAt    *time.Time       `json:"next_at,omitempty"`
	LastError string           `json:"last_error,omitempty"`
	CreatedAt time.Time        `json:"created_at"`
	ChangedAt time.Time        `json:"changed_at"`
}

// Counts counts the messages that are to be sent or were given up, by state.
func (n *Notify) Counts(ctx context.Context) (map[State]int64, error) {
	rows, err := n.pool.Query(ctx, "select state, count(*) from notifications where state in ('queued', 'sending', 'failed', 'dead') group by 1")
	if err != nil {
		return nil, ropeline.Unavailable(err)
	}
	counts := map[State]int64{}
	var state State
	var count int64
	if _, err := pgx.ForEachRow(rows, []any{&state, &count}, func() error { counts[state] = count; return nil }); err != nil {
		return nil, ropeline.Unavailable(err)
	}
	return counts, nil
}

// List shows messages in a state, the last changed first. Error:
// invalid_request for no state.
func (n *Notify) List(ctx context.Context, state State, limit int) ([]Row, error) {
	if _, known := moves[state]; !known {
		return nil, ropeline.Errorf(ropeline.CodeInvalidRequest, "There is no such state of a message.")
	}
	return n.list(ctx, "where state = $1 order by changed_at desc, id limit $2", state, limit)
}

// About shows the messages about some orders, refunds or fans, the oldest first.
func (n *Notify) About(ctx context.Context, subjects []string, limit int) ([]Row, error) {
	return n.list(ctx, "where subject = any($1) order by created_at, id limit $2", subjects, limit)
}

func (n *Notify) list(ctx context.Context, where string, args ...any) ([]Row, error) {
	rows, err := n.pool.Query(ctx, `
		select id, kind, channel, recipient, coalesce(event_id, ''), subject, state, attempts, due_at, last_error, created_at, changed_at
		from notifications `+where, args...)
	if err != nil {
		return nil, ropeline.Unavailable(err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Row])
	if err != nil {
		return nil, ropeline.Unavailable(err)
	}
	for i := range list {
		list[i].To = Mask(list[i].To)
	}
	return list, nil
}

// Resend queues a dead message again, in a transaction in which the caller
// writes down who asked for it. Errors: notification_not_found;
// notification_not_dead for one that is sent, moot or still tried.
func (n *Notify) Resend(ctx context.Context, tx pgx.Tx, id ID) error {
	var state State
	err := tx.QueryRow(ctx, "select state from notifications where id = $1 for update", id).Scan(&state)
	if errors.Is(err, pgx.ErrNoRows) {
		return ropeline.Errorf(ropeline.CodeNotificationNotFound, "There is no such message.")
	}
	if err != nil {
		return ropeline.Unavailable(err)
	}
	if err := move(state, StateQueued); err != nil {
		return ropeline.Errorf(ropeline.CodeNotificationNotDead, "The message is %s: only one that was given up is sent again.", state)
	}
	if _, err := tx.Exec(ctx, `
		update notifications set state = $2, attempts = 0, due_at = now(), lease = null, changed_at = now() where id = $1`, id, StateQueued); err != nil {
		return ropeline.Unavailable(err)
	}
	return nil
}

// ResendDead is Resend for every dead message, a thousand at once; it tells how
// many.
func (n *Notify) ResendDead(ctx context.Context, tx pgx.Tx) (int64, error) {
	tag, err := tx.Exec(ctx, `
		update notifications set state = 'queued', attempts = 0, due_at = now(), lease = null, changed_at = now()
		where id = any(array(select id from notifications where state = 'dead' order by changed_at limit 1000 for update skip locked))`)
	if err != nil {
		return 0, ropeline.Unavailable(err)
	}
	return tag.RowsAffected(), nil
}
