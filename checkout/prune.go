package checkout

import (
	"context"
	"errors"
	"time"
)

// Prune removes up to limit rows of each kind that are older than keep and
// that nothing is decided by any more. Gateways repeat a webhook for days, not
// for weeks. It returns how many went.
func (c *Checkout) Prune(ctx context.Context, keep time.Duration, limit int) (gone int, err error) {
	for _, sql := range []string{
		`delete from webhook_events where ctid = any(array(select ctid from webhook_events where received_at < now() - $1::interval limit $2))`,
		`delete from reconciliations where id = any(array(
			select id from reconciliations where started_at < now() - $1::interval and alerts = 0 order by id limit $2))`,
	} {
		tag, failed := c.pool.Exec(ctx, sql, keep, limit)
		gone += int(tag.RowsAffected())
		err = errors.Join(err, failed)
	}
	return gone, err
}
