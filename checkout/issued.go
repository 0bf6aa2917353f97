package checkout

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
)

// Issued is how many tickets of a type were issued in a step of time.
type Issued struct {
	At     time.Time // when the step begins
	Type   ropeline.TicketTypeID
	Number int
}

// IssuedBy counts an event's tickets by type and step, the revoked ones too:
// they were sold then. One that came in another's place was not. Steps are whole multiples of their length.
func (c *Checkout) IssuedBy(ctx context.Context, event ropeline.EventID, step time.Duration) ([]Issued, error) {
	rows, err := c.pool.Query(ctx, `select date_bin($2, issued_at, 'epoch'), ticket_type_id, count(*) from tickets
		where event_id = $1 and given_by is null group by 1, 2 order by 1, 2`, event, step)
	if err != nil {
		return nil, ropeline.Unavailable(err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Issued])
	if err != nil {
		return nil, ropeline.Unavailable(err)
	}
	return list, nil
}
