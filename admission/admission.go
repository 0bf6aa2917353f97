package admission

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/internal/batch"
	"github.com/ropeline/ropeline/internal/keyring"
	"github.com/ropeline/ropeline/internal/redisdb"
	"github.com/ropeline/ropeline/queue"
)

// Admission is the admission of all events. It is safe for concurrent use.
type Admission struct {
	redis   *redisdb.Clients
	pool    *pgxpool.Pool
	keys    *keyring.Keyring
	line    *queue.Line
	log     *slog.Logger
	scripts scripts
	metrics metrics
	node    string // this process, among those that tick
	records *batch.Batcher[member, string]
	leaving *batch.Batcher[member, struct{}]
	ticks   *redisdb.Together // the events of this node tick at the same moments, and share their round trips
	stocks  *redisdb.Together
	phase   time.Duration // of those moments, since nodes do not tick in step
	loops   sync.Map      // the *ticking of each event that Run ticks, by its id
}

// New makes the admission on given engines. It starts nothing: see Run.
func New(r *redisdb.Clients, pool *pgxpool.Pool, k *keyring.Keyring, line *queue.Line, log *slog.Logger) *Admission {
	a := &Admission{redis: r, pool: pool, keys: k, line: line, log: log, scripts: loadScripts(r), metrics: newMetrics(), node: rand.Text()}
	a.records = batch.Open(batch.Options{Size: tripSize, Wait: 50 * time.Microsecond, Calls: 4, Timeout: tripTime}, a.look)
	a.ticks = redisdb.NewTogether(r.Write, a.scripts.tick, tripTime)
	a.stocks = redisdb.NewTogether(r.Write, a.scripts.stock, tripTime)
	a.phase = mathrand.N(tickEvery)
	a.leaving = batch.Open(batch.Options{Size: tripSize, Wait: time.Millisecond, Calls: 2, Timeout: tripTime}, a.done)
	line.OnGrowth(a.stir)
	return a
}

// push brings rules to Redis; at is the clock in microseconds, "" for Redis'.
func (a *Admission) push(ctx context.Context, event ropeline.EventID, r Rules, at string) error {
	keys := keysOf(event)
	reply, err := a.scripts.rules.Run(ctx, a.redis.Write, []string{keys.rules, keys.state}, at,
		r.Version, r.RatePerMinute, r.Burst, r.MaxShoppers, r.Batch, r.Paused, r.StockGate,
		r.ShowUp.Milliseconds(), r.Shop.Milliseconds(), scheduleText(r), r.CompensatePercent).Int64()
	if err != nil {
		return ropeline.Unavailable(err)
	}
	if reply != 0 && reply != 1 {
		return ropeline.Unavailable(replyError("rules", reply))
	}
	return nil
}

// heal brings the rules of one event from Postgres to a Redis that has none.
func (a *Admission) heal(ctx context.Context, event ropeline.EventID) error {
	r, err := a.Rules(ctx, event)
	if err != nil {
		return err
	}
	return a.push(ctx, event, r, "")
}

func replyError(script string, reply any) error {
	return fmt.Errorf("admission: script %s answered %v", script, reply)
}
