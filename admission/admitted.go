package admission

import (
	"context"
	"encoding/json"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
)

// Turn is fans of consecutive numbers who were let in at one moment.
type Turn struct {
	At          time.Time
	First, Last int64
}

// Turns are all admissions of an event, as its pace log tells them: they are
// there when Redis is gone.
func (a *Admission) Turns(ctx context.Context, event ropeline.EventID) ([]Turn, error) {
	rows, err := a.pool.Query(ctx, "select at, data from pace_entries where event_id = $1 and kind = $2 order by seq", event, PaceAdmitted)
	if err != nil {
		return nil, ropeline.Unavailable(err)
	}
	var turns []Turn
	var at time.Time
	var data string
	_, err = pgx.ForEachRow(rows, []any{&at, &data}, func() error {
		var entry paceAdmitted
		if err := json.Unmarshal([]byte(data), &entry); err != nil {
			return err
		}
		spans, err := parseNumbers(entry.Numbers)
		for _, s := range spans {
			turns = append(turns, Turn{at, s.first, s.last})
		}
		return err
	})
	if err != nil {
		return nil, ropeline.Unavailable(err)
	}
	return turns, nil
}
