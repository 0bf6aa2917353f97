package catalog

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/internal/outbox"
)

// Change is what an organizer changes of a published event; nil stays as it
// is. When its phases begin is Reschedule's.
type Change struct {
	Name        *string      `json:"name"`
	Description *string      `json:"description"`
	StartsAt    *time.Time   `json:"starts_at"`
	Venue       *VenueChange `json:"venue"`
	Note        string       `json:"note"`     // to those who are told; beside what is so already it tells nobody
	Sequence    *int         `json:"sequence"` // of the event that was looked at; nil: whatever it is
}

// VenueChange is the part of a Change about the venue.
type VenueChange struct {
	Name     *string `json:"name"`
	Address  *string `json:"address"`
	City     *string `json:"city"`
	TimeZone *string `json:"time_zone"`
}

// Names tells whether a change names a field. One that does not may be a note
// alone.
func (c Change) Names() bool {
	return c.Name != nil || c.Description != nil || c.StartsAt != nil || c.Venue != nil && *c.Venue != VenueChange{}
}

// Says tells whether a change has a note.
func (c Change) Says() bool { return strings.TrimSpace(c.Note) != "" }

// Details are what a Change may change.
type Details struct {
	Name        string         `json:"name"`
	Description string         `json:"description"`
	StartsAt    time.Time      `json:"starts_at"`
	Venue       ropeline.Venue `json:"venue"`
}

const mostNote = 2000 // characters of a Change's note

// Change changes an event in the caller's transaction and tells the domain
// events what is different; fields names it, and is empty when nothing is, and
// then nothing was written. A note alone changes nothing and is told, as the
// field "note"; it raises the sequence, so that a form sent twice tells it once. Codes: invalid_request, by the rules of Create;
// phase_conflict for an event that is canceled; event_conflict for one that
// has changed since it was looked at.
func (c *Catalog) Change(ctx context.Context, tx pgx.Tx, event ropeline.EventID, to Change) (before, after Details, fields []string, err error) {
	var canceled *time.Time
	var sequence int
	err = tx.QueryRow(ctx, `
		select e.name, e.description, e.starts_at, e.canceled_at, e.sequence, v.id, v.name, v.address, v.city, v.time_zone
		from events e join venues v on v.id = e.venue_id where e.id = $1 for update`, event).
		Scan(&before.Name, &before.Description, &before.StartsAt, &canceled, &sequence,
			&before.Venue.ID, &before.Venue.Name, &before.Venue.Address, &before.Venue.City, &before.Venue.TimeZone)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return before, before, nil, ropeline.Errorf(ropeline.CodeEventNotFound, "There is no such event.")
	case err != nil:
		return before, before, nil, ropeline.Unavailable(err)
	case canceled != nil:
		return before, before, nil, ropeline.Errorf(ropeline.CodePhaseConflict, "The event is canceled: nothing changes any more.")
	}
	after, fields = before.take(to)
	if err := validateDetails(after); err != nil {
		return before, before, nil, err
	}
	if !text(to.Note, 0, mostNote) {
		return before, before, nil, ropeline.Errorf(ropeline.CodeInvalidRequest, "The note must be text of at most 2,000 characters.")
	}
	told := outbox.Change{Fields: fields, Note: to.Note}
	noteAlone := to.Says() && !to.Names()
	switch {
	case noteAlone:
		fields = []string{"note"}
	case len(fields) == 0:
		return before, before, nil, nil
	}
	if to.Sequence != nil && *to.Sequence != sequence {
		return before, before, nil, ropeline.Errorf(ropeline.CodeEventConflict, "The event was changed meanwhile. Look at it again.")
	}
	news, err := outbox.New(outbox.EventChanged, event, string(event), told)
	if err != nil {
		return before, before, nil, err
	}
	batch := &pgx.Batch{}
	if noteAlone {
		batch.Queue("update events set sequence = sequence + 1, changed_at = clock_timestamp() where id = $1", event)
	} else {
		batch.Queue("update events set name = $2, description = $3, starts_at = $4 where id = $1", event, after.Name, after.Description, after.StartsAt)
	}
	if slices.Contains(fields, "venue") {
		batch.Queue("update venues set name = $2, address = $3, city = $4, time_zone = $5 where id = $1",
			after.Venue.ID, after.Venue.Name, after.Venue.Address, after.Venue.City, after.Venue.TimeZone)
	}
	news.Queue(batch)
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return before, before, nil, ropeline.Unavailable(err)
	}
	return before, after, fields, nil
}

// take is what the details are after a change, and which of them differ, by
// the API's names; it is pure.
func (d Details) take(to Change) (next Details, fields []string) {
	next = d
	set(&next.Name, to.Name)
	set(&next.Description, to.Description)
	if to.StartsAt != nil {
		next.StartsAt = to.StartsAt.UTC().Truncate(time.Microsecond)
	}
	if v := to.Venue; v != nil {
		set(&next.Venue.Name, v.Name)
		set(&next.Venue.Address, v.Address)
		set(&next.Venue.City, v.City)
		set(&next.Venue.TimeZone, v.TimeZone)
	}
	for _, f := range []struct {
		name    string
		differs bool
	}{
		{"name", next.Name != d.Name}, {"description", next.Description != d.Description},
		{"starts_at", !next.StartsAt.Equal(d.StartsAt)}, {"venue", next.Venue != d.Venue},
	} {
		if f.differs {
			fields = append(fields, f.name)
		}
	}
	return next, fields
}

func set(into *string, value *string) {
	if value != nil {
		*into = *value
	}
}
