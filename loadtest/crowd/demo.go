package crowd

import (
	"context"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/loadtest/record"
)

// The demo crowd: how many fans at once, how fast they come, and how fast
// when there is nothing left to wait for. Fans come for as long as it runs.
const (
	demoFans      = 300
	demoInterval  = 300 * time.Millisecond // mean time between two arrivals
	demoIdle      = 5 * time.Second        // the same, once fans are told that it is over
	demoConns     = 32
	demoUnwelcome = 20 // fans in a row who were told so, or met nobody
)

// Demo sends fans to an event until ctx ends, so that whoever opens the page
// does not stand in the line alone: a few hundred at once, arriving one by one
// at random, waiting, buying, giving up, letting holds run out. Whoever goes
// home is replaced. Nothing is recorded or judged.
//
// It returns nil at the end of ctx, and fails only for a URL that is none.
func Demo(ctx context.Context, baseURL string, event ropeline.EventID, log *slog.Logger) error {
	only, err := newClient(baseURL, demoConns, false, netip.Addr{})
	if err != nil {
		return err
	}
	defer only.close()
	s := &scene{clients: [][]*client{{only}}, event: event, log: log, mix: DefaultMix(), pace: 1, began: time.Now()}

	var (
		fans      sync.WaitGroup
		seats     = make(chan struct{}, demoFans)
		mu        sync.Mutex
		unwelcome int
		seed      = uint64(s.began.UnixNano()) // another crowd each time: identities do not repeat either
		rng       = chance(seed, -1)
	)
	defer fans.Wait()
	for index := 0; ; index++ {
		mean := demoInterval
		mu.Lock()
		if unwelcome >= demoUnwelcome {
			mean = demoIdle
		}
		mu.Unlock()
		if !rest(ctx, time.Duration(rng.ExpFloat64()*float64(mean))) {
			return nil
		}
		select {
		case seats <- struct{}{}:
		case <-ctx.Done():
			return nil
		}
		f := newFan(s, seed, index)
		fans.Go(func() {
			defer func() { <-seats }()
			outcome := f.live(ctx)
			log.Debug("fan went home", "fan", f.index, "behaviour", f.plan.Is.Name, "outcome", outcome)
			mu.Lock()
			defer mu.Unlock()
			switch outcome {
			case record.SoldOut, record.Closed, record.Failed:
				unwelcome++
			default:
				unwelcome = 0
			}
		})
	}
}
