package redisdb

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ropeline/ropeline/internal/batch"
)

// Together calls one script for many callers: the calls that come at the same
// moment share a round trip. Each is its own, in any slot of a cluster.
type Together struct {
	client redis.UniversalClient
	script *redis.Script
	calls  *batch.Batcher[scriptCall, *redis.Cmd]
}

type scriptCall struct {
	keys []string
	args []any
}

// NewTogether makes one; timeout is that of a round trip.
func NewTogether(client redis.UniversalClient, script *redis.Script, timeout time.Duration) *Together {
	t := &Together{client: client, script: script}
	t.calls = batch.Open(batch.Options{Size: 64, Wait: time.Millisecond, Calls: 4, Timeout: timeout}, t.run)
	return t
}

// Run returns the script's answer, which may be an error too; the error beside it
// is that of ctx.
func (t *Together) Run(ctx context.Context, keys []string, args ...any) (*redis.Cmd, error) {
	return t.calls.Do(ctx, scriptCall{keys, args})
}

// run is the batcher's call. A script that Redis has forgotten is sent with the
// calls that met that.
func (t *Together) run(ctx context.Context, calls []scriptCall) []batch.Result[*redis.Cmd] {
	results := make([]batch.Result[*redis.Cmd], len(calls))
	if len(calls) > 1 {
		// Each answer has its own error.
		_, _ = t.client.Pipelined(ctx, func(p redis.Pipeliner) error {
			for i, c := range calls {
				results[i].Value = t.script.EvalSha(ctx, p, c.keys, c.args...)
			}
			return nil
		})
	}
	for i, c := range calls {
		if told := results[i].Value; told == nil || redis.HasErrorPrefix(told.Err(), "NOSCRIPT") {
			results[i].Value = t.script.Run(ctx, t.client, c.keys, c.args...)
		}
	}
	return results
}
