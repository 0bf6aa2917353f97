package crowd

import (
	"context"
	"sync"
	"time"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/loadtest/record"
)

// ending is why a fan stopped listening.
type ending int

const (
	toldEnough ending = iota // the last status ends the wait
	timeIsUp                 // patience or the next reload
	broken                   // the connection ended, or nothing was heard for long
	refused                  // the server does not want a WebSocket from this fan
)

// wait stands in the line until the server says something final, patience
// ends, or the run does.
func (f *fan) wait(ctx context.Context) record.Outcome {
	stopTabs := f.openTabs(ctx)
	outcome := f.stand(ctx)
	stopTabs()
	if outcome == record.Left {
		return f.leave(ctx)
	}
	return outcome
}

func (f *fan) stand(ctx context.Context) record.Outcome {
	var leaveAt time.Time
	if f.plan.patience > 0 {
		leaveAt = time.Now().Add(f.plan.patience)
	}
	polls, failures := f.plan.is.Polls, 0
	for {
		if outcome, final := final(f.status); final {
			return outcome
		}
		if ctx.Err() != nil {
			return f.lastLook(ctx)
		}
		if !leaveAt.IsZero() && !time.Now().Before(leaveAt) {
			return record.Left
		}
		if polls {
			if outcome := f.pollOnce(ctx, leaveAt); outcome != "" {
				return outcome
			}
			continue
		}
		switch f.listen(ctx, f.nextStir(leaveAt)) {
		case toldEnough:
		case refused:
			polls = true
		case broken:
			if failures++; failures >= 3 {
				polls = true
			}
			rest(ctx, time.Duration(f.rng.Int64N(int64(500*time.Millisecond))))
			if outcome := f.glance(ctx); outcome != "" {
				return outcome
			}
		case timeIsUp:
			failures = 0
			if outcome := f.reload(ctx, leaveAt); outcome != "" {
				return outcome
			}
		}
	}
}

// final tells whether a status ends the wait; the outcome "" means admitted.
func final(s ropeline.Status) (record.Outcome, bool) {
	switch {
	case s.Standing == ropeline.StandingAdmitted, s.Standing == ropeline.StandingShopping:
		return "", true
	case s.Standing == ropeline.StandingGone:
		return record.Lost, true
	case s.Phase == ropeline.PhaseSoldOut:
		return record.SoldOut, true
	case s.Phase == ropeline.PhaseClosed:
		return record.Closed, true
	}
	return "", false
}

// nextStir is when the fan does something unasked; zero: never.
func (f *fan) nextStir(leaveAt time.Time) time.Time {
	if f.plan.reload == 0 {
		return leaveAt
	}
	next := time.Now().Add(f.plan.reload/2 + time.Duration(f.rng.Int64N(int64(f.plan.reload)+1)))
	if !leaveAt.IsZero() && leaveAt.Before(next) {
		return leaveAt
	}
	return next
}

// reload loads the page again: one that joins, or one that only looks.
func (f *fan) reload(ctx context.Context, leaveAt time.Time) record.Outcome {
	if !leaveAt.IsZero() && !time.Now().Before(leaveAt) {
		return ""
	}
	if f.rng.IntN(2) == 0 {
		return f.glance(ctx)
	}
	f.askToJoin(ctx)
	return ""
}

// pollOnce waits as long as the server asked for, then looks.
func (f *fan) pollOnce(ctx context.Context, leaveAt time.Time) record.Outcome {
	pause := max(time.Duration(f.status.NextMS)*time.Millisecond, 100*time.Millisecond)
	if f.status.NextMS == 0 {
		pause = time.Second
	}
	pause += time.Duration(f.rng.Int64N(int64(pause)/5 + 1))
	if !leaveAt.IsZero() {
		pause = min(pause, max(time.Until(leaveAt), 0)+time.Millisecond)
	}
	if !rest(ctx, pause) {
		return ""
	}
	return f.glance(ctx)
}

// glance asks for the position once. A fan whom the server does not know in
// the line comes back with its place, as the page does: after the line was
// rebuilt that is the rule; without a new epoch the place is lost.
func (f *fan) glance(ctx context.Context) record.Outcome {
	var told ropeline.Status
	a := f.ask(ctx, request{step: record.StepPoll, method: "GET", path: f.path("/queue"), into: &told}, func(o *record.Observation) {
		f.hear(told)
		o.Line = lineFacts(told)
	})
	if a.code != string(ropeline.CodeNotInLine) {
		return "" // told, or nobody well: stay and ask again later
	}
	before := f.status
	if a := f.askToJoin(ctx); !a.ok() {
		switch a.code {
		case string(ropeline.CodeSaleClosed):
			return record.Closed
		case string(ropeline.CodeSoldOut):
			return record.SoldOut
		}
		return ""
	}
	if before.Standing != ropeline.StandingLobby && f.status.Number != before.Number && f.status.Epoch == before.Epoch {
		return record.Lost
	}
	return ""
}

// lastLook asks, when the run ends, whether the place is still there.
func (f *fan) lastLook(ctx context.Context) record.Outcome {
	if !f.scene.lastLook {
		return record.Waiting
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if outcome := f.glance(ctx); outcome != "" {
		return outcome
	}
	if outcome, final := final(f.status); final {
		if outcome == "" {
			return record.Cut // admitted in the last moment
		}
		return outcome
	}
	return record.Waiting
}

func (f *fan) leave(ctx context.Context) record.Outcome {
	a := f.ask(ctx, request{step: record.StepLeave, method: "DELETE", path: f.path("/queue")}, nil)
	if !a.ok() && ctx.Err() != nil {
		return record.Cut
	}
	return record.Left
}

// openTabs opens the fan's other windows, which watch the same place. The
// function it returns closes them and waits until they are.
func (f *fan) openTabs(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	for n := 1; n < f.plan.is.Tabs; n++ {
		tab := *f
		tab.rng = chance(f.rng.Uint64(), n)
		wg.Go(func() {
			if a := tab.askToJoin(ctx); !a.ok() {
				return
			}
			for range 10 {
				if _, final := final(tab.status); final || ctx.Err() != nil {
					return
				}
				if tab.listen(ctx, time.Time{}) == refused || !rest(ctx, time.Second) {
					return
				}
			}
		})
	}
	return func() { cancel(); wg.Wait() }
}
