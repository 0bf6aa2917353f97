package outbox

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// LeastKept is how long domain events stay at the least; the database refuses
// to let younger ones go.
const LeastKept = 7 * 24 * time.Hour

// Prune removes up to limit events that are older than keep and that every
// reader has taken. It returns how many went.
func Prune(ctx context.Context, pool *pgxpool.Pool, keep time.Duration, limit int) (int, error) {
	tag, err := pool.Exec(ctx, `
		delete from outbox where seq = any(array(
			select o.seq from outbox o
			where o.seq <= (select min(seq) from outbox_cursors) and o.created_at < now() - $1::interval
			order by o.seq limit $2))`, max(keep, LeastKept), limit)
	return int(tag.RowsAffected()), err
}
