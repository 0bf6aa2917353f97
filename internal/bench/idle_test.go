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
		return h.processes(b, client).since(before, int(watched.Seconds()))
	}
	figures := rounds{}
	without := watch()
	for range events {
		event := h.event(b, 10*held)
		requests := reservations(h, event, held)
		load(b, h.address, 32, held, http.StatusCreated, func(i int) []byte { return requests[i] })
	}
	time.Sleep(2 * time.Second) // until their clerks have closed
	for b.Loop() {
		figures.addProcesses("", watch(), "-cpu-µs/s")
		figures.addProcesses("no-events-", without, "-cpu-µs/s")
	}
	figures.report(b)
}
