package app

import (
	"bytes"
	"os/exec"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/admission"
	"github.com/ropeline/ropeline/internal/engines"
	"github.com/ropeline/ropeline/queue"
)

// TestOrder admits over 100,000 fans by three nodes, one of which is killed with
// SIGKILL on the way, while fans leave, join anew at the end, come back with
// their places, and most let their pass run out. Nobody is let in after a
// higher number (I2), nobody twice (I5), nobody is lost (I4), and the pace log,
// which is what all of this is read from, holds (I3).
func TestOrder(t *testing.T) {
	t.Parallel()
	fans := 103_000
	if testing.Short() {
		fans = 10_000
	}
	pair := engines.Test(t)
	app := openTest(t, pair, func(c *Config) { c.Roles = RoleWeb })
	rules := testRules()
	rules.RatePerMinute, rules.Burst, rules.Batch, rules.MaxShoppers = 1_000_000, 1000, 1000, 1_000_000
	rules.StockGate, rules.Paused, rules.ShowUp = false, true, 5*time.Second
	event, err := app.CreateEvent(t.Context(), testEvent(10), rules, "test")
	if err != nil {
		t.Fatal(err)
	}
	places := make([]queue.Place, fans)
	each(t, fans, func(i int) error {
		place, err := app.Line.Join(t.Context(), event.ID, ropeline.NewID[ropeline.FanID](), nil)
		places[i] = place
		return err
	})
	slices.SortFunc(places, func(a, b queue.Place) int { return int(a.Number - b.Number) })

	nodes := make([]*exec.Cmd, 3)
	for i := range nodes {
		nodes[i] = startChild(t, "serve", "--roles", "admission", "--log-level", "error",
			"--database-url", pair.DatabaseURL, "--redis-url", pair.RedisURL)
	}
	rules.Paused = false
	if _, err := app.Admission.SetRules(t.Context(), event.ID, rules, 0, "test"); err != nil {
		t.Fatal(err)
	}

	// From the back: a twentieth leaves and half of those join anew, a twentieth comes back.
	var anew atomic.Int64
	moving := fans / 10
	each(t, moving, func(i int) error {
		place := places[fans-1-i*5]
		if i%2 == 0 {
			_, err := app.Line.Join(t.Context(), event.ID, place.Fan, &place)
			return err
		}
		if err := app.Line.Leave(t.Context(), event.ID, place.Fan, ""); err != nil {
			return err
		}
		if i%4 == 1 {
			if again, err := app.Line.Join(t.Context(), event.ID, place.Fan, nil); err != nil || again.Number == place.Number {
				return err
			}
			anew.Add(1)
		}
		return nil
	})
	admitted := func() int64 {
		counts, err := app.Admission.Counts(t.Context(), event.ID)
		if err != nil {
			t.Fatal(err)
		}
		return counts.Admitted
	}
	eventually(t, time.Minute, "a third is in", func() bool { return admitted() > int64(fans/3) })
	if err := nodes[0].Process.Kill(); err != nil {
		t.Fatal(err)
	}
	var line *queue.Snapshot
	eventually(t, 2*time.Minute, "the line is empty", func() bool {
		line, err = app.Line.Snapshot(t.Context(), event.ID)
		return err == nil && line.Waiting == 0
	})
	eventually(t, time.Minute, "passes run out", func() bool {
		counts, err := app.Admission.Counts(t.Context(), event.ID)
		return err == nil && counts.NoShows > 1000
	})

	// The log is written off the ticks' path: it is whole a moment later.
	var report admission.PaceReport
	eventually(t, time.Minute, "the log tells of every admission", func() bool {
		var log []byte
		for after := int64(0); ; {
			text, next, err := app.Admission.Pace(t.Context(), event.ID, after, 1000)
			if err != nil {
				t.Fatal(err)
			}
			log = append(log, text...)
			if after = next; next == 0 {
				break
			}
		}
		if report, err = admission.VerifyPace(bytes.NewReader(log), nil); err != nil {
			t.Fatal(err)
		}
		return report.Admitted+line.Left >= line.Next
	})
	if report.Overtaken != 0 || report.Gaps != 0 || report.Admitted+line.Left != line.Next {
		t.Errorf("%d inversions, %d gaps; %d admitted and %d left of %d", report.Overtaken, report.Gaps, report.Admitted, line.Left, line.Next)
	}
	t.Logf("%d admitted in %d ticks, %d left, %d joined anew, %d no-shows: %d inversions",
		report.Admitted, report.Ticks, line.Left, anew.Load(), report.NoShows, report.Overtaken)
}

// each calls do for 0…n−1, 256 at a time.
func each(t *testing.T, n int, do func(i int) error) {
	t.Helper()
	var next atomic.Int64
	var all sync.WaitGroup
	for range 256 {
		all.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= n || t.Failed() {
					return
				}
				if err := do(i); err != nil {
					t.Errorf("%d: %v", i, err)
				}
			}
		})
	}
	all.Wait()
	if t.Failed() {
		t.FailNow()
	}
}
