package sandbox

import (
	"context"
	"errors"
	"time"
)

// Prune removes up to limit webhooks that were delivered, and up to limit
// intents that ended without money, older than keep. It returns how many went.
func (g *Gateway) Prune(ctx context.Context, keep time.Duration, limit int) (gone int, err error) {
	for _, sql := range []string{
		`delete from sandbox_webhooks where seq in (
			select seq from sandbox_webhooks where delivered_at < now() - $1::interval order by delivered_at limit $2)`,
		`delete from sandbox_intents where ref in (
			select ref from sandbox_intents i where created_at < now() - $1::interval and state in ('canceled', 'failed')
				and not exists (select from sandbox_webhooks w where w.ref = i.ref) and not exists (select from sandbox_disputes d where d.intent = i.ref)
				and not exists (select from sandbox_refunds r where r.intent = i.ref)
			order by created_at limit $2)`,
	} {
		tag, failed := g.pool.Exec(ctx, sql, keep, limit)
		gone += int(tag.RowsAffected())
		err = errors.Join(err, failed)
	}
	return gone, err
}
