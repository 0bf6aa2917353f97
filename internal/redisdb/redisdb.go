// Package redisdb opens Redis the way this house uses it: two clients over the
// same server or cluster.
//
// go-redis sends a command again when the reply was lost, so a script may run
// twice. Reads may retry; writes never do by themselves (MaxRetries -1), and
// every script that changes something either takes an operation id or is
// idempotent by its own arguments, so that a caller who retries on purpose
// gets the stored result. Both clients honour the context's deadline and give
// up after 500 ms.
package redisdb

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

const timeout = 500 * time.Millisecond

// Clients is the pair of clients. Keys of one event share a hash tag, so the
// same scripts run on a single server and on a cluster.
type Clients struct {
	Read  redis.UniversalClient
	Write redis.UniversalClient

	single *redis.Options
	nodes  []string
	names  sync.Map // of scripts, by their hashes; see Measure
}

// Open parses a URL and connects: redis://, rediss:// and unix:// as go-redis
// defines them, or redis+cluster://host:port,host:port for a Redis Cluster.
// It fails when the server does not answer.
func Open(ctx context.Context, rawURL string) (*Clients, error) {
	c := &Clients{}
	if nodes, isCluster := strings.CutPrefix(rawURL, "redis+cluster://"); isCluster {
		c.nodes = strings.Split(strings.TrimSuffix(nodes, "/"), ",")
		c.Read = c.cluster(3)
		c.Write = c.cluster(-1)
	} else {
		options, err := redis.ParseURL(rawURL)
		if err != nil {
			return nil, fmt.Errorf("redis: %w", withoutURL(err))
		}
		c.single = options
		c.Read = c.server(3)
		c.Write = c.server(-1)
	}
	if err := c.Read.Ping(ctx).Err(); err != nil {
		c.Close()
		return nil, fmt.Errorf("redis: %w", err)
	}
	return c, nil
}

// withoutURL drops the URL, which may hold a password, from a parse error.
func withoutURL(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}

func (c *Clients) server(retries int) redis.UniversalClient {
	o := *c.single
	o.MaxRetries = retries
	o.ContextTimeoutEnabled = true
	o.DialTimeout, o.ReadTimeout, o.WriteTimeout = timeout, timeout, timeout
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	return redis.NewClient(&o)
}

func (c *Clients) cluster(retries int) redis.UniversalClient {
	return redis.NewClusterClient(&redis.ClusterOptions{
		Addrs:                    c.nodes,
		MaxRetries:               retries,
		ContextTimeoutEnabled:    true,
		DialTimeout:              timeout,
		ReadTimeout:              timeout,
		WriteTimeout:             timeout,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	})
}

// Asynq is how asynq connects to the same Redis.
func (c *Clients) Asynq() asynq.RedisConnOpt {
	if c.single == nil {
		return asynq.RedisClusterClientOpt{Addrs: c.nodes}
	}
	return asynq.RedisClientOpt{
		Network:   c.single.Network,
		Addr:      c.single.Addr,
		Username:  c.single.Username,
		Password:  c.single.Password,
		DB:        c.single.DB,
		TLSConfig: c.single.TLSConfig,
	}
}

// Close closes both clients.
func (c *Clients) Close() error {
	return errors.Join(c.Read.Close(), c.Write.Close())
}
