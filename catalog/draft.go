package catalog

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
)

// Publish shows a draft to everybody, in the caller's transaction; new is false
// for an event that is published already, which stays as it is. Codes:
// event_not_found; phase_conflict where there is nothing to sell any more.
func (c *Catalog) Publish(ctx context.Context, tx pgx.Tx, event ropeline.EventID) (new bool, err error) {
	var published, over bool
	err = tx.QueryRow(ctx, "select published_at is not null, closes_at <= clock_timestamp() or canceled_at is not null from events where id = $1 for update", event).
		Scan(&published, &over)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return false, ropeline.Errorf(ropeline.CodeEventNotFound, "There is no such event.")
	case err != nil:
		return false, ropeline.Unavailable(err)
	case published:
		return false, nil
	case over:
		return false, ropeline.Errorf(ropeline.CodePhaseConflict, "Its sale has ended, or it is canceled: there is nothing to publish.")
	}
	if _, err := tx.Exec(ctx, "update events set published_at = clock_timestamp() where id = $1", event); err != nil {
		return false, ropeline.Unavailable(err)
	}
	return true, nil
}

// Again is a new event like another one: all its times are as far from the new
// drop, by the venue's clock, as they were from the old one. It is a draft.
func Again(event ropeline.Event, drop time.Time) (ropeline.Event, error) {
	zone, err := time.LoadLocation(event.Venue.TimeZone)
	if err != nil {
		return event, err
	}
	// Days are not all as long as each other: at eight in the evening stays so.
	wall := func(t time.Time) time.Time {
		t = t.In(zone)
		return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC)
	}
	shift := wall(drop).Sub(wall(event.DropAt))
	move := func(t time.Time) time.Time {
		t = wall(t).Add(shift)
		return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), zone)
	}
	moved := func(t *time.Time) *time.Time {
		if t == nil {
			return nil
		}
		at := move(*t)
		return &at
	}
	next := event
	next.StartsAt, next.LobbyAt, next.DropAt, next.ClosesAt = move(event.StartsAt), moved(event.LobbyAt), drop, move(event.ClosesAt)
	next.DrawnAt, next.CanceledAt, next.Draft = nil, nil, true
	next.TicketTypes = make([]ropeline.TicketType, len(event.TicketTypes))
	for i, t := range event.TicketTypes {
		t.SaleFrom, t.SaleUntil = moved(t.SaleFrom), moved(t.SaleUntil)
		next.TicketTypes[i] = t
	}
	return next, nil
}

// CopyPicture gives an event the picture of another one.
func (c *Catalog) CopyPicture(ctx context.Context, tx pgx.Tx, from, to ropeline.EventID) error {
	_, err := tx.Exec(ctx, "update events e set picture = f.picture, picture_alt = f.picture_alt from events f where f.id = $1 and e.id = $2", from, to)
	return err
}
