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
	timeIsUp                 // something that the fan does unasked is due
	broken                   // the connection ended, or nothing was heard for long
	refused                  // the server does not want a WebSocket from this fan
)

// wait stands in the line until the server says something final, patience
// ends, or the run does.
func (f *fan) wait(ctx context.Context) record.Outcome {
	stopTabs := f.openTabs(ctx)
	outcome := f.stand(ctx)
	f.hangUp()
	stopTabs()
	if outcome == record.Left {
		return f.leave(ctx)
	}
	return outcome
}

func (f *fan) stand(ctx context.Context) record.Outcome {
	stirs := f.newStirs()
	polls, failures := f.plan.Is.Transport == Polling, 0
	if f.plan.Is.SlowReader {
		polls = true
		if outcome := f.readNothing(ctx, stirs); outcome != "" {
			return outcome
		}
	}
	for {
		if outcome, final := final(&f.status); final {
			return outcome
		}
		if ctx.Err() != nil {
			return f.lastLook(ctx)
		}
		next := stirs.next()
		if !next.IsZero() && !time.Now().Before(next) {
			if outcome := f.stir(ctx, stirs); outcome != "" {
				return outcome
			}
			continue
		}
		if polls {
			if outcome := f.pollOnce(ctx, next); outcome != "" {
				return outcome
			}
			continue
		}
		switch f.listen(ctx, next) {
		case toldEnough:
		case refused:
			polls = true
		case broken:
			if failures++; failures >= 3 {
				polls = f.plan.Is.Transport != Stream
				failures = 0
			}
			f.hop()
			f.rest(ctx, f.backoff(failures))
			if outcome := f.glance(ctx, 0); outcome != "" {
				return outcome
			}
		case timeIsUp:
			failures = 0
		}
	}
}

// backoff is how long a page waits before it connects again.
func (f *fan) backoff(failures int) time.Duration {
	return time.Duration(f.rng.Int64N(int64(500*time.Millisecond) << failures))
}

// final tells whether a status ends the wait; the outcome "" means admitted.
func final(s *ropeline.Status) (record.Outcome, bool) {
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

// pollOnce waits as long as the server asked for, then looks.
func (f *fan) pollOnce(ctx context.Context, next time.Time) record.Outcome {
	pause := max(time.Duration(f.status.NextMS)*time.Millisecond, 100*time.Millisecond)
	if f.status.NextMS == 0 {
		pause = time.Second
	}
	pause += time.Duration(f.rng.Int64N(int64(pause)/5 + 1))
	if !next.IsZero() && time.Until(next) < pause {
		f.rest(ctx, max(time.Until(next), 0)+time.Millisecond)
		return ""
	}
	if !f.rest(ctx, pause) {
		return ""
	}
	return f.glance(ctx, pause)
}

// glance asks for the position once; every is the pause between such looks. A
// fan whom the server does not know in the line comes back with its place, as
// the page does: after the line was rebuilt that is the rule; without a new
// epoch the place is lost.
func (f *fan) glance(ctx context.Context, every time.Duration) record.Outcome {
	var told ropeline.Status
	path := f.path("/queue")
	if f.status.Offset != "" {
		path += "?offset=" + f.status.Offset
	}
	a := f.ask(ctx, request{step: record.StepPoll, method: "GET", path: path, into: &told, every: every}, func(o *record.Observation) {
		f.hear(told)
		tell(o, told)
	})
	if a.code != string(ropeline.CodeNotInLine) {
		return "" // told, or nobody well: stay and ask again later
	}
	lobby, number, epoch := f.status.Standing == ropeline.StandingLobby, f.status.Number, f.status.Epoch
	if a := f.askToJoin(ctx); !a.ok() {
		switch a.code {
		case string(ropeline.CodeSaleClosed):
			return record.Closed
		case string(ropeline.CodeSoldOut):
			return record.SoldOut
		}
		return ""
	}
	if !lobby && f.status.Number != number && f.status.Epoch == epoch {
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
	if outcome := f.glance(ctx, 0); outcome != "" {
		return outcome
	}
	if outcome, final := final(&f.status); final {
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
	if f.plan.Is.Tabs < 2 {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	for n := 1; n < f.plan.Is.Tabs; n++ {
		tab := *f
		tab.rng = chance(f.rng.Uint64(), n)
		wg.Go(func() {
			defer tab.hangUp()
			if a := tab.askToJoin(ctx); !a.ok() {
				return
			}
			for range 10 {
				if _, final := final(&tab.status); final || ctx.Err() != nil {
					return
				}
				if tab.listen(ctx, time.Time{}) == refused || !tab.rest(ctx, time.Second) {
					return
				}
			}
		})
	}
	return func() { cancel(); wg.Wait() }
}
