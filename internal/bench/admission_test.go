package bench

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/admission"
	"github.com/ropeline/ropeline/internal/app"
	"github.com/ropeline/ropeline/queue"
)

// open boots another node with some roles on the house's engines.
func (h *house) open(b *testing.B, roles string) *app.App {
	b.Helper()
	config := app.DefaultConfig()
	config.Listen, config.Roles = "127.0.0.1:0", roles
	config.DatabaseURL, config.RedisURL = h.engines.DatabaseURL(), h.engines.RedisURL()
	a, err := app.Open(b.Context(), config, slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	b.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			b.Error(err)
		}
		a.Close()
	})
	return a
}

// fill lets n fans join, 512 at a time.
func fill(b *testing.B, line *queue.Line, event ropeline.EventID, n int) []queue.Place {
	b.Helper()
	places := make([]queue.Place, n)
	var next atomic.Int64
	var all sync.WaitGroup
	for range 512 {
		all.Go(func() {
			for i := int(next.Add(1)) - 1; i < n && !b.Failed(); i = int(next.Add(1)) - 1 {
				place, err := line.Join(context.Background(), event, ropeline.NewID[ropeline.FanID](), nil)
				if err != nil {
					b.Error(err)
				}
				places[i] = place
			}
		})
	}
	all.Wait()
	return places
}

// BenchmarkAdmissionAccuracy lets five nodes admit for 60 seconds of the
// clock and compares with the rate. The pace log of the event tells what was
// admitted when; VerifyPace fails when a window had more than rate·t + burst.
func BenchmarkAdmissionAccuracy(b *testing.B) {
	const nodes, perMinute, burst = 5, 6000, 50
	h := openHouse(b)
	for range nodes - 1 {
		h.open(b, app.RoleAdmission)
	}
	figures := rounds{}
	for b.Loop() {
		event := h.event(b, 1)
		fill(b, h.Line, event.ID, perMinute+perMinute/2)
		rules := admission.DefaultRules()
		rules.RatePerMinute, rules.Burst, rules.MaxShoppers, rules.StockGate, rules.ShowUp = perMinute, burst, 1_000_000, false, time.Hour
		if _, err := h.Admission.SetRules(b.Context(), event.ID, rules, 0, "bench"); err != nil {
			b.Fatal(err)
		}
		before := h.admitted(b, event.ID)
		begin := time.Now()
		<-time.After(time.Minute)
		total, took := h.admitted(b, event.ID)-before, time.Since(begin)
		want := perMinute * took.Minutes()
		figures.add("admitted", float64(total))
		figures.add("%-off", 100*math.Abs(float64(total)-want)/want)
		text := h.paceLog(b, event.ID)
		report, err := admission.VerifyPace(bytes.NewReader(text), nil)
		if err != nil {
			b.Fatal(err)
		}
		figures.add("inversions", float64(report.Overtaken))
		rules.Paused = true
		if _, err := h.Admission.SetRules(b.Context(), event.ID, rules, 0, "bench"); err != nil {
			b.Fatal(err)
		}
	}
	figures.report(b)
}

// admitted waits out the burst that the bucket begins with, and counts.
func (h *house) admitted(b *testing.B, event ropeline.EventID) int64 {
	b.Helper()
	for {
		counts, err := h.Admission.Counts(b.Context(), event)
		if err != nil {
			b.Fatal(err)
		}
		if counts.Admitted >= 100 {
			return counts.Admitted
		}
		<-time.After(time.Millisecond)
	}
}

func (h *house) paceLog(b *testing.B, event ropeline.EventID) []byte {
	b.Helper()
	var all []byte
	for after := int64(0); ; {
		text, next, err := h.Admission.Pace(b.Context(), event, after, 5000)
		if err != nil {
			b.Fatal(err)
		}
		all = append(all, text...)
		if after = next; next == 0 {
			return all
		}
	}
}

// BenchmarkLongLine compares joining (256 at once), leaving and admitting (50
// by one tick) in a line of 1,000,000 with a line of 10,000.
func BenchmarkLongLine(b *testing.B) {
	const short, long, turns = 10_000, 1_000_000, 40
	h := openHouse(b)
	node := h.open(b, app.RoleWeb) // its own clients; nobody else ticks an event that has not dropped
	lines := [2]ropeline.EventID{}
	places := [2][]queue.Place{}
	for i, n := range []int{short, long} {
		event := h.later(b)
		lines[i], places[i] = event.ID, fill(b, node.Line, event.ID, n)
		if line, err := node.Line.Snapshot(b.Context(), event.ID); err != nil || line.Waiting != int64(n) {
			b.Fatalf("%d wait, want %d: %v", line.Waiting, n, err)
		}
	}
	figures := rounds{}
	measure := func(name string, do func(i, round int)) {
		var took [2]time.Duration
		for round := range turns {
			for _, i := range []int{round % 2, 1 - round%2} {
				begin := time.Now()
				do(i, round)
				took[i] += time.Since(begin)
			}
		}
		figures.add(name+"-short-µs", float64(took[0].Microseconds())/turns)
		figures.add(name+"-long-µs", float64(took[1].Microseconds())/turns)
		figures.add(name+"-x", float64(took[1])/float64(took[0]))
	}
	leaving := 0
	for b.Loop() {
		measure("join256", func(i, _ int) {
			var all sync.WaitGroup
			for range 256 {
				all.Go(func() {
					if _, err := node.Line.Join(b.Context(), lines[i], ropeline.NewID[ropeline.FanID](), nil); err != nil {
						b.Error(err)
					}
				})
			}
			all.Wait()
		})
		measure("leave32", func(i, round int) {
			for n := range 32 {
				at := len(places[i]) / 2
				if err := node.Line.Leave(b.Context(), lines[i], places[i][at+leaving+round*32+n].Fan, ""); err != nil {
					b.Error(err)
				}
			}
		})
		leaving += turns * 32
		measure("tick50", func(i, _ int) {
			ticked, err := node.Admission.Tick(b.Context(), lines[i])
			if err != nil || len(ticked.Admitted) != 50 {
				b.Errorf("%d admitted, %v", len(ticked.Admitted), err)
			}
		})
	}
	figures.report(b)
}

// later creates an event whose drop is far away, so that no node ticks it.
func (h *house) later(b *testing.B) ropeline.Event {
	b.Helper()
	rules := admission.DefaultRules()
	rules.RatePerMinute, rules.Burst, rules.Batch, rules.MaxShoppers, rules.StockGate = 1_000_000, 100_000, 50, 1_000_000, false
	rules.ShowUp = time.Hour
	event, err := h.CreateEvent(b.Context(), ropeline.Event{
		Name: "Benchmark", Venue: ropeline.Venue{Name: "Bench", TimeZone: "UTC"},
		StartsAt: time.Now().Add(48 * time.Hour), DropAt: time.Now().Add(24 * time.Hour), ClosesAt: time.Now().Add(25 * time.Hour),
		TicketTypes: []ropeline.TicketType{{Name: "Seat", Price: ropeline.Money{Minor: 1000, Currency: "EUR"}, Capacity: 1, MaxPerOrder: 4, MaxPerFan: 4}},
	}, rules, "bench")
	if err != nil {
		b.Fatal(err)
	}
	return event
}
