package bench

import (
	"net/http"
	"testing"
	"time"
)

// BenchmarkIdleEvents is what a house pays for events that are on sale and that
// nobody comes to: processor time a second, with a hundred of them, of each of which
// 50 tickets are held. The reference is the same house before there were any.
func BenchmarkIdleEvents(b *testing.B) {
	const events, held, watched = 100, 50, 10 * time.Second
	h := openHouse(b)
	client := h.redis(b)
	watch := func() processes {
		before := h.processes(b, client)
		time.Sleep(watched)
		after := h.processes(b, client)
		return processes{program: after.program - before.program, postgres: after.postgres - before.postgres, redis: after.redis - before.redis}
	}
	figures := rounds{}
	add := func(name string, spent processes) {
		for process, its := range map[string]time.Duration{"program": spent.program, "postgres": spent.postgres, "redis": spent.redis} {
			figures.add(name+process+"-cpu-ms/s", float64(its.Milliseconds())/watched.Seconds())
		}
	}
	without := watch()
	for range events {
		event := h.event(b, 10*held)
		requests := reservations(h, event, held)
		load(b, h.address, 32, held, http.StatusCreated, func(i int) []byte { return requests[i] })
	}
	time.Sleep(2 * time.Second) // until their clerks have closed
	for b.Loop() {
		add("", watch())
		add("no-events-", without)
	}
	figures.report(b)
}
