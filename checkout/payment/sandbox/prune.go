package sandbox

import (
	"context"
	"time"
)

// Prune removes up to limit intents that ended without money, older than keep,
// whose webhooks were delivered. It returns how many went.
func (g *Gateway) Prune(ctx context.Context, keep time.Duration, limit int) (gone int, err error) {
	tag, err := g.pool.Exec(ctx, `
		delete from sandbox_intents where ref = any(array(
			select ref from sandbox_intents i where created_at < now() - $1::interval and state in ('canceled', 'failed')
				and not exists (select from sandbox_webhooks w where w.ref = i.ref) and not exists (select from sandbox_disputes d where d.intent = i.ref)
				and not exists (select from sandbox_refunds r where r.intent = i.ref)
			order by created_at limit $2))`, keep, limit)
	return int(tag.RowsAffected()), err
}
