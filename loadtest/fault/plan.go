package fault

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/ropeline/ropeline/loadtest/scenario"
)

// House is what faults befall.
type House interface {
	// Kill ends a process of a role with SIGKILL and starts it again after a
	// pause. It tells which one it was.
	Kill(ctx context.Context, role string, pause time.Duration) (string, error)
	// Restart ends an engine as a crash would and starts it again; with wipe,
	// without its data. It returns when the engine answers.
	Restart(ctx context.Context, engine string, wipe bool) error
	// Proxies are those in front of the nodes ("fans") or of an engine.
	Proxies(target string) []*Proxy
	// Webhooks is the relay of the gateway's webhooks.
	Webhooks() *Webhooks
}

// Plan plays a scenario's faults.
type Plan struct {
	House House
	Began time.Time
	Tell  func(kind, note string) // when a fault begins, and ("over") when it ends
}

// Run plays the faults until all are over or ctx ends; the end of ctx is no
// error.
func (p Plan) Run(ctx context.Context, faults []scenario.Fault) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, f := range faults {
		g.Go(func() error {
			for at := f.At; ; at += f.Every {
				if !sleepUntil(ctx, p.Began.Add(at)) {
					return nil
				}
				if err := p.one(ctx, f); err != nil && ctx.Err() == nil {
					return fmt.Errorf("fault %s %s at %v: %w", f.Kind, f.Target, at, err)
				}
				if f.Every == 0 || f.For > 0 && at+f.Every > f.At+f.For {
					return nil
				}
			}
		})
	}
	return g.Wait()
}

// one lets a fault happen once, from its beginning to its end.
func (p Plan) one(ctx context.Context, f scenario.Fault) error {
	lasts := f.For
	if f.Every > 0 {
		lasts = 0 // For is how long it goes on to come again
	}
	if lasts == 0 {
		lasts = 5 * time.Second
	}
	over := func(note string) { p.Tell("over", note) }
	switch f.Kind {
	case "kill", "wipe":
		if f.Target == "redis" || f.Target == "postgres" {
			p.Tell(f.Kind, f.Target)
			if err := p.House.Restart(ctx, f.Target, f.Kind == "wipe"); err != nil {
				return err
			}
			over(f.Kind + " " + f.Target)
			return nil
		}
		name, err := p.House.Kill(ctx, f.Target, f.By)
		p.Tell(f.Kind, name)
		return err
	case "duplicate", "shuffle":
		return p.webhooks(ctx, f, lasts, over)
	}
	proxies := p.House.Proxies(f.Target)
	if len(proxies) == 0 {
		return fmt.Errorf("there is no proxy in front of %s", f.Target)
	}
	var ends []func()
	for _, proxy := range proxies {
		switch f.Kind {
		case "latency":
			proxy.Delay(f.By)
			ends = append(ends, func() { proxy.Delay(0) })
		case "cut":
			proxy.Cut(f.Share)
		case "half_open":
			ends = append(ends, proxy.Stall(f.Share))
		case "lost_reply":
			share := f.Share
			if share == 0 {
				share = 1
			}
			proxy.LoseReplies(share)
			ends = append(ends, func() { proxy.LoseReplies(0) })
		default:
			return fmt.Errorf("an unknown kind")
		}
	}
	p.Tell(f.Kind, f.Target)
	if len(ends) == 0 {
		return nil
	}
	sleepUntil(ctx, time.Now().Add(lasts))
	for _, end := range ends {
		end()
	}
	over(f.Kind + " " + f.Target)
	return nil
}

func (p Plan) webhooks(ctx context.Context, f scenario.Fault, lasts time.Duration, over func(string)) error {
	relay := p.House.Webhooks()
	if relay == nil {
		return fmt.Errorf("there is no relay of webhooks")
	}
	share := f.Share
	if share == 0 {
		share = 1
	}
	if f.Kind == "duplicate" {
		relay.Duplicate(share)
		defer relay.Duplicate(0)
	} else {
		relay.Shuffle(share, max(f.By, time.Millisecond))
		defer relay.Shuffle(0, 0)
	}
	p.Tell(f.Kind, f.Target)
	if sleepUntil(ctx, time.Now().Add(lasts)) {
		over(f.Kind + " " + f.Target)
	}
	return nil
}

func sleepUntil(ctx context.Context, at time.Time) bool {
	timer := time.NewTimer(time.Until(at))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
