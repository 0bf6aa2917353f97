package admission

import (
	"context"

	"github.com/ropeline/ropeline"
)

// Stop is the emergency stop: from the next tick on, on whatever node, nobody
// is admitted. It acts in Redis first, so that Postgres cannot hold it up, and
// then makes rules that say the same. When only the second fails, the error
// tells so, and admissions are stopped until new rules come.
func (a *Admission) Stop(ctx context.Context, event ropeline.EventID, by string) (Rules, error) {
	keys := keysOf(event)
	reply, stopErr := a.scripts.stop.Run(ctx, a.redis.Write, []string{keys.rules, keys.state}, "").Int64()
	rules, err := a.Rules(ctx, event)
	if err == nil {
		rules.Paused = true
		rules, err = a.SetRules(ctx, event, rules, 0, by)
	}
	if err != nil && stopErr == nil && reply == 1 {
		return Rules{}, &ropeline.Error{Code: ropeline.CodeUnavailable, Err: err,
			Message: "Admissions are stopped, but the rules do not say so yet. Stop once more to make it last."}
	}
	return rules, err // with Redis away nobody is admitted; the rules are there when it is back
}
