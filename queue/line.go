package queue

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/singleflight"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/internal/batch"
	"github.com/ropeline/ropeline/internal/keyring"
	"github.com/ropeline/ropeline/internal/redisdb"
)

const (
	joinsPerCall = 256 // the script refuses more
	// While calls are under way the next batch fills, so a crowd batches itself
	// and waiting any longer only leaves the machine idle (BenchmarkJoin: 2 ms
	// cost 64 fans at a time six times the throughput).
	joinWait    = 50 * time.Microsecond
	joinCalls   = 4                    // one event's slow restore does not hold up the others,
	joinAlone   = 2 * time.Millisecond // but a crowd shares few calls, which cost Redis and us most
	callTimeout = 3 * time.Second      // of one batch, with a restore and a block

	// settle is how long a lost line admits nobody, so that fans of the front,
	// who poll every few seconds at the most, come back before the rest is served.
	settle = 5 * time.Second

	// comeBack is how long a lobby that was lost stays open at least, so that
	// its fans, who poll every ten seconds or so, are in the draw.
	comeBack = 20 * time.Second
)

// Line is the lines of all events. It is safe for concurrent use; Join waits
// while Run does not run.
type Line struct {
	redis   *redisdb.Clients
	pool    *pgxpool.Pool
	keys    *keyring.Keyring
	log     *slog.Logger
	scripts scripts
	metrics metrics
	settle  time.Duration
	back    time.Duration

	joins    *batch.Batcher[joining, Place]
	restores singleflight.Group
	blocks   blocks
	epochs   epochs
	orders   orders
	ahead    sync.WaitGroup // reservations of blocks under way

	grown func(ropeline.EventID) // see OnGrowth
}

// New makes the line on given engines. It starts nothing: see Run.
func New(r *redisdb.Clients, pool *pgxpool.Pool, k *keyring.Keyring, log *slog.Logger) *Line {
	l := &Line{redis: r, pool: pool, keys: k, log: log, scripts: loadScripts(r), metrics: newMetrics(), settle: settle, back: comeBack}
	l.joins = batch.New(batch.Options{Size: joinsPerCall, Wait: joinWait, Calls: joinCalls, Alone: joinAlone, Timeout: callTimeout}, l.joinBatch)
	return l
}

// OnGrowth has somebody told of each line that has got longer in this process, by
// joins or by a draw; it must be quick. It is called before the line is used.
func (l *Line) OnGrowth(told func(ropeline.EventID)) { l.grown = told }

// grow tells of it.
func (l *Line) grow(event ropeline.EventID) {
	if l.grown != nil {
		l.grown(event)
	}
}

// Run gathers and sends joins until ctx ends; it returns when every call and
// every reservation of a block has.
func (l *Line) Run(ctx context.Context) error {
	err := l.joins.Run(ctx)
	l.ahead.Wait()
	return err
}

// Open begins the line of a new event, in the transaction that creates the event.
func (l *Line) Open(ctx context.Context, tx pgx.Tx, event ropeline.EventID) error {
	if _, err := tx.Exec(ctx, "insert into lines (event_id) values ($1)", event); err != nil {
		return ropeline.Unavailable(err)
	}
	return nil
}

// Number finds the place of a fan who came without one, or came with the one of
// the lobby; false, with the line's epoch, when the fan stands neither in the
// line nor in its lobby.
// One round trip.
func (l *Line) Number(ctx context.Context, event ropeline.EventID, fan ropeline.FanID) (Place, bool, error) {
	keys := KeysOf(event)
	for range 2 {
		pipe := l.redis.Read.Pipeline()
		meta := pipe.HMGet(ctx, keys.Meta, "epoch", "lobby")
		lobby := pipe.SIsMember(ctx, keys.Lobby, string(fan))
		score := pipe.ZScore(ctx, keys.Waiting, string(fan))
		_, err := pipe.Exec(ctx)
		if err != nil && !errors.Is(err, redis.Nil) {
			return Place{}, false, ropeline.Unavailable(err)
		}
		epoch, alive := meta.Val()[0].(string)
		if !alive {
			if err := l.Restore(ctx, event); err != nil {
				return Place{}, false, err
			}
			continue
		}
		e, err := strconv.ParseInt(epoch, 10, 64)
		if err != nil {
			return Place{}, false, ropeline.Unavailable(err)
		}
		if errors.Is(score.Err(), redis.Nil) {
			found := meta.Val()[1] != nil && lobby.Val()
			return Place{Event: event, Fan: fan, Number: NoNumber, Epoch: e}, found, nil
		}
		return Place{Event: event, Fan: fan, Number: int64(score.Val()), Epoch: e}, true, nil
	}
	return Place{}, false, ropeline.Unavailable(errLost)
}

// errLost is the cause when a line goes missing as fast as it is restored.
var errLost = errors.New("queue: the line is lost again and again")
