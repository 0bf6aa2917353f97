package hub

import (
	"math"
	"testing"
	"time"

	"github.com/ropeline/ropeline"
)

func TestAbsence(t *testing.T) {
	start := time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)
	var a absence
	expect := func(second int, admitted, noShows int64, want float64) {
		t.Helper()
		if got := a.observe(start.Add(time.Duration(second)*time.Second), admitted, noShows); math.Abs(got-want) > 1e-9 {
			t.Errorf("second %d: %v, want %v", second, got, want)
		}
	}
	expect(0, 1000, 900, 0) // what was before is not looked at
	expect(60, 1019, 905, 0)
	expect(61, 1020, 905, 0.25)
	expect(120, 1100, 910, 0.1)
	expect(400, 1200, 910, 0)   // five minutes back: second 120
	expect(460, 1200, 1200, 0)  // nobody was admitted since
	expect(461, 1300, 1400, .9) // the passes of longer ago run out now
	expect(462, 30, 3, 0)       // Redis was lost
	expect(463, 80, 13, .2)
}

// The wait is told when the pace is known, and left out when it is not.
func TestWaitIsHonest(t *testing.T) {
	h := openHouse(t)
	event := h.event()
	place := h.join(event, nil)
	r := h.room(event)
	if got := h.status(r, place); got.Wait != nil {
		t.Errorf("a wait of %+v without a pace", got.Wait)
	}
	f := *r.facts.Load()
	for _, change := range []func(*facts){
		func(f *facts) { f.paused = true },
		func(f *facts) { f.phase = ropeline.PhaseSoldOut },
	} {
		g := f
		change(&g)
		r.facts.Store(&g)
		if got := r.estimate(100, 60, 120, true); got != nil {
			t.Errorf("a wait of %+v in %+v", got, g)
		}
	}
	r.facts.Store(&f)
	for _, c := range []struct {
		position   int64
		slow, fast float64
		noShows    float64
		low, high  int64
	}{
		{0, 60, 60, 0, 0, 2},
		{100, 60, 120, 0, 50, 102},
		{100, 60, 120, 0.5, 50, 203}, // half of the pace was owed to no-shows
	} {
		g := f
		g.noShows = c.noShows
		r.facts.Store(&g)
		if got := r.estimate(c.position, c.slow, c.fast, true); got == nil || got.Low != c.low || got.High != c.high {
			t.Errorf("%+v: %+v", c, got)
		}
	}
	if got := r.estimate(100, 0, 60, true); got != nil {
		t.Errorf("a wait of %+v in a line that stood still lately", got)
	}
}
