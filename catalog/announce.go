package catalog

import (
	"context"
	"errors"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
)

const (
	mostAnnounced    = 280            // characters
	longestAnnounced = 24 * time.Hour // an announcement with an end
)

// Announcement is what an organizer tells everybody who waits or shops.
type Announcement struct {
	ropeline.Announcement
	Until   *time.Time `json:"until,omitempty"` // absent: until it is taken back
	By      string     `json:"by"`
	EndedAt *time.Time `json:"ended_at,omitempty"` // taken back or replaced
	EndedBy string     `json:"ended_by,omitempty"`
}

// Holds tells whether it is still to be told.
func (a *Announcement) Holds(at time.Time) bool {
	return a != nil && a.EndedAt == nil && (a.Until == nil || at.Before(*a.Until))
}

// Announce tells text for some time, 0 until it is taken back, instead of what
// was told before, which is returned if it still held.
func (c *Catalog) Announce(ctx context.Context, tx pgx.Tx, event ropeline.EventID, text string, lasting time.Duration, by string) (before *Announcement, after Announcement, err error) {
	text = strings.TrimSpace(text)
	switch {
	case text == "" || utf8.RuneCountInString(text) > mostAnnounced:
		return nil, after, ropeline.Errorf(ropeline.CodeInvalidRequest, "An announcement has 1 to %d characters.", mostAnnounced)
	case !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl):
		return nil, after, ropeline.Errorf(ropeline.CodeInvalidRequest, "An announcement is one line of text.")
	case lasting < 0 || lasting > longestAnnounced:
		return nil, after, ropeline.Errorf(ropeline.CodeInvalidRequest, "minutes must be between 0 and %d.", int(longestAnnounced.Minutes()))
	}
	if before, err = c.Retract(ctx, tx, event, by); err != nil {
		return nil, after, err
	}
	var seconds *float64
	if lasting > 0 {
		s := lasting.Seconds()
		seconds = &s
	}
	rows, err := tx.Query(ctx, `insert into announcements (id, event_id, text, said_by, until)
		values ($1, $2, $3, $4, clock_timestamp() + make_interval(secs => $5)) returning `+announcementColumns,
		ropeline.NewID[string](), event, text, by, seconds)
	if err == nil {
		after, err = pgx.CollectExactlyOneRow(rows, scanAnnouncement)
	}
	if err != nil {
		return nil, after, ropeline.Unavailable(err)
	}
	return before, after, nil
}

// Retract takes back what is told; nil when nothing was. It holds the event's
// row, so that two organizers speak one after the other.
func (c *Catalog) Retract(ctx context.Context, tx pgx.Tx, event ropeline.EventID, by string) (*Announcement, error) {
	if _, err := tx.Exec(ctx, "select from events where id = $1 for no key update", event); err != nil {
		return nil, ropeline.Unavailable(err)
	}
	rows, err := tx.Query(ctx, "select "+announcementColumns+" from announcements where event_id = $1 and ended_at is null", event)
	if err != nil {
		return nil, ropeline.Unavailable(err)
	}
	before, err := pgx.CollectExactlyOneRow(rows, scanAnnouncement)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err == nil {
		_, err = tx.Exec(ctx, "update announcements set ended_at = clock_timestamp(), ended_by = $2 where id = $1", before.ID, by)
	}
	if err != nil {
		return nil, ropeline.Unavailable(err)
	}
	if !before.Holds(time.Now()) {
		return nil, nil
	}
	return &before, nil
}

// Announced is what is told to those who wait and shop; nil for nothing.
func (c *Catalog) Announced(ctx context.Context, event ropeline.EventID) (*Announcement, error) {
	rows, err := c.pool.Query(ctx, "select "+announcementColumns+" from announcements where event_id = $1 and ended_at is null and (until is null or until > now())", event)
	if err != nil {
		return nil, ropeline.Unavailable(err)
	}
	a, err := pgx.CollectExactlyOneRow(rows, scanAnnouncement)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, ropeline.Unavailable(err)
	}
	return &a, nil
}

// Announcements are the last ones of an event, the newest first.
func (c *Catalog) Announcements(ctx context.Context, event ropeline.EventID, limit int) ([]Announcement, error) {
	rows, err := c.pool.Query(ctx, "select "+announcementColumns+" from announcements where event_id = $1 order by said_at desc limit $2", event, limit)
	if err != nil {
		return nil, ropeline.Unavailable(err)
	}
	list, err := pgx.CollectRows(rows, scanAnnouncement)
	if err != nil {
		return nil, ropeline.Unavailable(err)
	}
	return list, nil
}

const announcementColumns = "id, text, said_at, until, said_by, ended_at, coalesce(ended_by, '')"

func scanAnnouncement(row pgx.CollectableRow) (a Announcement, err error) {
	return a, row.Scan(&a.ID, &a.Text, &a.At, &a.Until, &a.By, &a.EndedAt, &a.EndedBy)
}
