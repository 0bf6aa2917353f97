package catalog

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
)

// Changed tells how often an event's name, description, time or venue was
// changed, or it was canceled, and when last; the database counts it (see migrations).
func (c *Catalog) Changed(ctx context.Context, id ropeline.EventID) (sequence int, at time.Time, err error) {
	err = c.pool.QueryRow(ctx, "select sequence, changed_at from events where id = $1", id).Scan(&sequence, &at)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, at, ropeline.Errorf(ropeline.CodeEventNotFound, "There is no such event.")
	}
	if err != nil {
		return 0, at, ropeline.Unavailable(err)
	}
	return sequence, at, nil
}
