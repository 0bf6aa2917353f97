package redisdb

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
)

// Name tells what to call a script in the metrics, by its SHA-1.
func (c *Clients) Name(hash, name string) { c.names.Store(hash, name) }

// Measure times every command of both clients from now on: scripts by the
// names that Name gave them, the rest by the command. Call it once, before the
// clients are used.
func (c *Clients) Measure() prometheus.Collector {
	seconds := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "ropeline_redis_seconds",
		Help:    "Round trips to Redis, by script or command and how they ended: ok, failed, not_loaded.",
		Buckets: []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5},
	}, []string{"command", "result"})
	c.Read.AddHook(timer{c, seconds})
	c.Write.AddHook(timer{c, seconds})
	return seconds
}

// timer is a go-redis hook.
type timer struct {
	clients *Clients
	seconds *prometheus.HistogramVec
}

func (timer) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

func (t timer) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		begin := time.Now()
		err := next(ctx, cmd)
		t.observe(t.command(cmd), err, begin)
		return err
	}
}

func (t timer) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		begin := time.Now()
		err := next(ctx, cmds)
		t.observe(t.pipeline(cmds), err, begin)
		return err
	}
}

func (t timer) observe(command string, err error, begin time.Time) {
	result := "ok"
	switch {
	case err == nil || errors.Is(err, redis.Nil):
	case redis.HasErrorPrefix(err, "NOSCRIPT"):
		result = "not_loaded" // the script is sent next, whole
	default:
		result = "failed"
	}
	t.seconds.WithLabelValues(command, result).Observe(time.Since(begin).Seconds())
}

// pipeline names what goes together, if it is of one kind or of two; there are few
// such pairs.
func (t timer) pipeline(cmds []redis.Cmder) string {
	var names []string
	for _, cmd := range cmds {
		if name := t.command(cmd); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	if len(names) > 2 {
		return "pipeline"
	}
	slices.Sort(names)
	return strings.Join(names, "+")
}

// command is a script's name or the command's own, which are few: the labels
// cannot grow.
func (t timer) command(cmd redis.Cmder) string {
	name := cmd.Name()
	if args := cmd.Args(); (name == "evalsha" || name == "evalsha_ro") && len(args) > 1 {
		if hash, isText := args[1].(string); isText {
			if known, ok := t.clients.names.Load(hash); ok {
				return known.(string)
			}
		}
	}
	return name
}
