package crowd

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/loadtest/record"
)

// scene is what all fans of one run share.
type scene struct {
	clients [][]*client // for each address that fans come from, one to each node
	event   ropeline.EventID
	log     *slog.Logger

	mix                 Mix
	pace                float64
	repeats, intrusions float64
	lastLook            bool // fans still in the line ask once more at the end

	began time.Time
	conns atomic.Int64 // names the WebSockets
	loot  loot

	mu    sync.Mutex // one observation at a time
	sinks []record.Sink
}

func (s *scene) see(o record.Observation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sink := range s.sinks {
		sink.See(o)
	}
}

// since is t on the scale of Observation.T.
func (s *scene) since(t time.Time) int64 { return t.Sub(s.began).Microseconds() }

// chance is the source of everything about one fan: it depends on the seed
// and on the fan's index alone.
func chance(seed uint64, index int) *rand.Rand {
	return rand.New(rand.NewPCG(seed, uint64(index)+1))
}

// rest waits for d, and reports whether ctx is still alive.
func rest(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

// botAddresses is the share of the addresses that all bots come from.
const botAddresses = 16

// clientOf gives a fan its address, always the same.
func (s *scene) clientOf(index int, bot bool) (nodes []*client, first int) {
	nodes = s.clients[index%len(s.clients)]
	if bot {
		nodes = s.clients[index%max(1, len(s.clients)/botAddresses)]
	}
	return nodes, index % len(nodes)
}

// deep runs f on a goroutine of its own and waits for it. What calls deep makes
// a stack grow, and only the collector makes it small again; a fan's own stack,
// of which there are thousands that wait, stays as it is.
func deep(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	<-done
}

// Chance is the source that the arrivals of a crowd of this seed are drawn from.
func Chance(seed uint64) *rand.Rand { return chance(seed, -1) }
