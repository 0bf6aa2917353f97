package admission

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/ropeline/ropeline"
)

// Over 60 seconds five nodes that tick out of step admit rate·t within half a
// percent, and in no window more than rate·t + burst. Time is the test's.
func TestFiveNodesKeepTheRate(t *testing.T) {
	const nodes, perMinute, burst, fans = 5, 1777, 10, 2000
	h := newHouse(t)
	rules := quick()
	rules.RatePerMinute, rules.Burst, rules.MaxShoppers, rules.ShowUp = perMinute, burst, 1_000_000, time.Hour
	event := h.event(rules)
	h.joinMany(event, fans)

	random := rand.New(rand.NewPCG(1, 2))
	begin := h.now
	next := make([]time.Time, nodes)
	for i := range next {
		next[i] = begin.Add(time.Duration(random.Int64N(int64(tickEvery))))
	}
	type tick struct {
		at time.Time
		n  int64
	}
	var ticks []tick
	total := int64(0)
	for {
		node := 0
		for i, at := range next {
			if at.Before(next[node]) {
				node = i
			}
		}
		h.now = next[node]
		if h.now.Sub(begin) > time.Minute {
			break
		}
		n := int64(len(h.tickNow(event).Admitted))
		if len(ticks) == 0 {
			begin = h.now
		}
		ticks = append(ticks, tick{h.now, n})
		total += n
		next[node] = h.now.Add(tickEvery + time.Duration(random.Int64N(int64(20*time.Millisecond)))) // late, as loops are
	}
	for i := range ticks {
		sum := int64(0)
		for _, later := range ticks[i:] {
			sum += later.n
			if most := later.at.Sub(ticks[i].at).Microseconds()*perMinute + burst*Unit; sum*Unit > most {
				t.Fatalf("%d admitted in %s", sum, later.at.Sub(ticks[i].at))
			}
		}
	}
	want := float64(perMinute)*h.now.Sub(begin).Minutes() + burst // the bucket begins full
	if off := (float64(total) - want) / want; off < -0.005 || off > 0.005 {
		t.Errorf("%d admitted, want %.0f: %.2f %% off", total, want, 100*off)
	}
}

// joinMany lets n fans join at once.
func (h *house) joinMany(event ropeline.EventID, n int) {
	h.t.Helper()
	failed := make(chan error, n)
	for range n {
		go func() {
			_, err := h.line.Join(context.Background(), event, ropeline.NewID[ropeline.FanID](), nil)
			failed <- err
		}()
	}
	for range n {
		if err := <-failed; err != nil {
			h.t.Fatal(err)
		}
	}
}
