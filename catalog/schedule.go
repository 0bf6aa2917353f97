package catalog

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/internal/outbox"
	"github.com/ropeline/ropeline/internal/pacelog"
)

// PaceSchedule is the kind of an entry in the event's public log: when its
// lobby opens, its drop comes and its sale ends has changed.
const PaceSchedule = "schedule"

// Times are when an event's phases begin.
type Times struct {
	LobbyAt  *time.Time `json:"lobby_at,omitempty"`
	DropAt   time.Time  `json:"drop_at"`
	ClosesAt time.Time  `json:"closes_at"`
}

// Step is something that an organizer does to the phases of an event.
type Step string

// The steps. Each moves what has not happened yet, and nothing else: phases
// follow from the times, for everybody at once.
const (
	StepLobby Step = "lobby" // the lobby opens now
	StepDrop  Step = "drop"  // the drop comes now
	StepClose Step = "close" // the sale ends now
	StepMove  Step = "move"  // other times
)

// Reschedule takes a step in the caller's transaction; to are the times that
// StepMove wants, nil for those that stay. It tells the event's public log and
// the domain events. Code phase_conflict for what has happened already or
// cannot come yet, invalid_request for times in a wrong order.
func (c *Catalog) Reschedule(ctx context.Context, tx pgx.Tx, event ropeline.EventID, step Step, to Moves) (before, after Times, err error) {
	var now time.Time
	err = tx.QueryRow(ctx, "select lobby_at, drop_at, closes_at, date_trunc('microseconds', clock_timestamp()) from events where id = $1 for update", event).
		Scan(&before.LobbyAt, &before.DropAt, &before.ClosesAt, &now)
	if errors.Is(err, pgx.ErrNoRows) {
		return before, after, ropeline.Errorf(ropeline.CodeEventNotFound, "There is no such event.")
	}
	if err != nil {
		return before, after, ropeline.Unavailable(err)
	}
	if after, err = before.take(step, to, now); err != nil {
		return before, after, err
	}
	if err := c.write(ctx, tx, event, step, before, after, now); err != nil {
		return before, after, ropeline.Unavailable(err)
	}
	return before, after, nil
}

// Moves are the times that StepMove wants.
type Moves struct {
	LobbyAt, DropAt, ClosesAt *time.Time
}

// take is what the times are after a step; it is pure.
func (t Times) take(step Step, to Moves, now time.Time) (Times, error) {
	conflict := func(words string) (Times, error) {
		return t, ropeline.Errorf(ropeline.CodePhaseConflict, "%s", words)
	}
	lobbyOpen := t.LobbyAt != nil && !now.Before(*t.LobbyAt)
	dropped, closed := !now.Before(t.DropAt), !now.Before(t.ClosesAt)
	switch {
	case closed:
		return conflict("The sale has ended: nothing changes any more.")
	case step == StepLobby && t.LobbyAt == nil:
		return conflict("The event has no lobby.")
	case step == StepLobby && (lobbyOpen || dropped):
		return conflict("The lobby has opened already.")
	case step == StepDrop && dropped:
		return conflict("The drop has come already.")
	case step == StepDrop && t.LobbyAt != nil && !lobbyOpen:
		return conflict("Open the lobby first: the draw is among those who are in it.")
	case step == StepClose && !dropped:
		return conflict("The sale has not begun.")
	case step == StepMove && (to.LobbyAt != nil && (lobbyOpen || dropped || t.LobbyAt == nil)):
		return conflict("The lobby has opened already, or the event has none.")
	case step == StepMove && to.DropAt != nil && dropped:
		return conflict("The drop has come already.")
	}
	next := t
	switch step {
	case StepLobby:
		next.LobbyAt = &now
	case StepDrop:
		next.DropAt = now
	case StepClose:
		next.ClosesAt = now
	case StepMove:
		return t.move(to, now)
	default:
		return t, ropeline.Errorf(ropeline.CodeInvalidRequest, "step must be lobby, drop, close or move.")
	}
	if !next.ClosesAt.After(next.DropAt) {
		return conflict("The sale would end before the drop.")
	}
	return next, nil
}

func (t Times) move(to Moves, now time.Time) (Times, error) {
	next := t
	for _, m := range []struct {
		at   *time.Time
		into *time.Time
	}{{to.DropAt, &next.DropAt}, {to.ClosesAt, &next.ClosesAt}} {
		if m.at != nil {
			*m.into = m.at.UTC().Truncate(time.Microsecond)
		}
	}
	if to.LobbyAt != nil {
		at := to.LobbyAt.UTC().Truncate(time.Microsecond)
		next.LobbyAt = &at
	}
	for _, at := range []*time.Time{to.LobbyAt, to.DropAt, to.ClosesAt} {
		if at != nil && (at.Before(now) || !tellable(*at)) {
			return t, ropeline.Errorf(ropeline.CodeInvalidRequest, "A phase moves to a moment that is still to come. To begin it now, take its step.")
		}
	}
	switch {
	case next.LobbyAt != nil && !next.LobbyAt.Before(next.DropAt):
		return t, ropeline.Errorf(ropeline.CodeInvalidRequest, "lobby_at must come before drop_at.")
	case !next.ClosesAt.After(next.DropAt):
		return t, ropeline.Errorf(ropeline.CodeInvalidRequest, "closes_at must come after drop_at.")
	case to == Moves{}:
		return t, ropeline.Errorf(ropeline.CodeInvalidRequest, "Give lobby_at, drop_at or closes_at.")
	}
	return next, nil
}

func (c *Catalog) write(ctx context.Context, tx pgx.Tx, event ropeline.EventID, step Step, before, after Times, now time.Time) error {
	entry, err := pacelog.New(PaceSchedule, now, struct {
		Step Step `json:"step"`
		Times
	}{step, after})
	if err != nil {
		return err
	}
	var changed outbox.Change
	if (before.LobbyAt == nil) != (after.LobbyAt == nil) || after.LobbyAt != nil && !after.LobbyAt.Equal(*before.LobbyAt) {
		changed.Fields = append(changed.Fields, "lobby_at")
	}
	if !after.DropAt.Equal(before.DropAt) {
		changed.Fields = append(changed.Fields, "drop_at")
	}
	if !after.ClosesAt.Equal(before.ClosesAt) {
		changed.Fields = append(changed.Fields, "closes_at")
	}
	told, err := outbox.New(outbox.EventChanged, event, string(event), changed)
	if err != nil {
		return err
	}
	batch := &pgx.Batch{}
	batch.Queue("update events set lobby_at = $2, drop_at = $3, closes_at = $4 where id = $1", event, after.LobbyAt, after.DropAt, after.ClosesAt)
	told.Queue(batch)
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return err
	}
	return pacelog.Append(ctx, tx, event, entry)
}

// Forget makes the next read of an event ask Postgres, on this node.
func (c *Catalog) Forget(event ropeline.EventID) { c.cache.forget(event) }
