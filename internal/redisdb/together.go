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
	calls  *batch.Batcher[Call, *redis.Cmd]
}

// Call is a script and what it is called with.
type Call struct {
	Script *redis.Script
	Keys   []string
	Args   []any
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
	return t.calls.Do(ctx, Call{t.script, keys, args})
}

// run is the batcher's call.
func (t *Together) run(ctx context.Context, calls []Call) []batch.Result[*redis.Cmd] {
	results := make([]batch.Result[*redis.Cmd], len(calls))
	for i, answer := range RunAll(ctx, t.client, calls) {
		results[i].Value = answer
	}
	return results
}

// RunAll calls scripts in one round trip; each answer has its own error. The
// calls may have keys of different slots, which one call may not; those of one
// slot come in their order. A script that Redis has forgotten is sent with the
// calls that met that, after all others.
func RunAll(ctx context.Context, client redis.UniversalClient, calls []Call) []*redis.Cmd {
	answers := make([]*redis.Cmd, len(calls))
	if len(calls) > 1 {
		_, _ = client.Pipelined(ctx, func(p redis.Pipeliner) error {
			for i, c := range calls {
				answers[i] = c.Script.EvalSha(ctx, p, c.Keys, c.Args...)
			}
			return nil
		})
	}
	for i, c := range calls {
		if answers[i] == nil || redis.HasErrorPrefix(answers[i].Err(), "NOSCRIPT") {
			answers[i] = c.Script.Run(ctx, client, c.Keys, c.Args...)
		}
	}
	return answers
}
