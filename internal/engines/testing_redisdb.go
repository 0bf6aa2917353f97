package engines

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

// takeRedis reserves an empty logical database. The reservation is a key with a
// deadline, so that databases of killed tests come back.
func (r *testRun) takeRedis(ctx context.Context) (int, error) {
	var number int
	err := poll(ctx, func() (bool, error) {
		turn, err := r.redis.Incr(ctx, "ropeline:test:turn").Result()
		if err != nil {
			return false, err
		}
		number = 1 + int(turn)%(r.redisDBs-1)
		return r.redis.SetNX(ctx, redisReservation(number), os.Getpid(), 15*time.Minute).Result()
	})
	if err != nil {
		return 0, err
	}
	return number, r.flushRedis(ctx, number)
}

func (r *testRun) giveRedis(ctx context.Context, number int) error {
	if err := r.flushRedis(ctx, number); err != nil {
		return err
	}
	return r.redis.Del(ctx, redisReservation(number)).Err()
}

func (r *testRun) flushRedis(ctx context.Context, number int) error {
	options, err := redis.ParseURL(withRedisDB(r.redisURL, number))
	if err != nil {
		return err
	}
	options.PoolSize = 1
	client := redis.NewClient(options)
	return errors.Join(client.FlushDB(ctx).Err(), client.Close())
}

func redisReservation(number int) string { return fmt.Sprintf("ropeline:test:db:%d", number) }

func withRedisDB(address string, number int) string {
	parsed, err := url.Parse(address)
	if err != nil {
		return address
	}
	if parsed.Scheme != "unix" {
		parsed.Path = "/" + strconv.Itoa(number)
		return parsed.String()
	}
	query := parsed.Query()
	query.Set("db", strconv.Itoa(number))
	parsed.RawQuery = query.Encode()
	return parsed.String()
}
