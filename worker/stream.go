package worker

import (
	"context"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ropeline/ropeline/internal/outbox"
	"github.com/ropeline/ropeline/internal/redisdb"
)

// StreamKey is the Redis stream that RedisStream writes to.
const StreamKey = "ropeline:events"

const streamLength = 100_000 // entries kept, about

// RedisStream is a sink for readers outside the house: one capped stream. The
// outbox keeps everything; the stream may lose its tail with Redis.
type RedisStream struct{ redis *redisdb.Clients }

// NewRedisStream opens the sink.
func NewRedisStream(r *redisdb.Clients) *RedisStream { return &RedisStream{redis: r} }

// Send appends the events.
func (s *RedisStream) Send(ctx context.Context, events []outbox.Event) error {
	pipe := s.redis.Write.Pipeline()
	for _, e := range events {
		pipe.XAdd(ctx, &redis.XAddArgs{
			Stream: StreamKey, MaxLen: streamLength, Approx: true,
			Values: []string{
				"seq", strconv.FormatInt(e.Seq, 10), "previous", strconv.FormatInt(e.Previous, 10), "event", string(e.Event), "kind", string(e.Kind), "version", strconv.Itoa(e.Version),
				"subject", e.Subject, "at", e.At.UTC().Format(time.RFC3339Nano), "payload", string(e.Payload),
			},
		})
	}
	_, err := pipe.Exec(ctx)
	return err
}
