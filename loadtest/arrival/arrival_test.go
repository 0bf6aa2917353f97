package arrival_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/ropeline/ropeline/loadtest/arrival"
)

// TestArrivals holds every shape to its number, order and end.
func TestArrivals(t *testing.T) {
	const n = 20_000
	for shape, half := range map[arrival.Shape]float64{ // where in the time half of them have come
		arrival.Constant: 0.5, arrival.Poisson: 0.5, arrival.Burst: 0.115, arrival.Ramp: 0.707, arrival.Drop: 0.25,
	} {
		t.Run(string(shape), func(t *testing.T) {
			comes := arrival.Arrival{Shape: shape, Over: time.Minute, Lead: 15 * time.Second}
			var times []time.Duration
			for at := range comes.Times(n, rand.New(rand.NewPCG(1, 2))) {
				if len(times) > 0 && at < times[len(times)-1] || at < 0 || at > time.Minute {
					t.Fatalf("fan %d comes at %v", len(times), at)
				}
				times = append(times, at)
			}
			if len(times) != n {
				t.Fatalf("%d fans come, want %d", len(times), n)
			}
			if middle := times[n/2].Minutes(); middle < half-0.02 || middle > half+0.02 {
				t.Errorf("half have come after %.3f of the time, want %.3f", middle, half)
			}
		})
	}
}
