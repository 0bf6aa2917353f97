package bench

import (
	"testing"
	"time"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/admission"
	"github.com/ropeline/ropeline/queue"
	"github.com/ropeline/ropeline/queue/draw"
)

// BenchmarkDraw draws a lobby of a million, while another process asks Redis
// for small things: the whole draw at most 10 s, and nobody waits over 20 ms
// for Redis. The same process asks an idle Redis by turns; what it waits there
// it waits for the machine.
func BenchmarkDraw(b *testing.B) {
	const entrants = 1_000_000
	h := openHouse(b)
	for range b.N {
		b.StopTimer()
		lobby, rules := time.Now().Add(-time.Second), admission.DefaultRules()
		rules.Paused = true
		event, err := h.CreateEvent(b.Context(), ropeline.Event{
			Name: "Draw", Venue: ropeline.Venue{Name: "Bench", TimeZone: "UTC"}, LobbyAt: &lobby,
			StartsAt: time.Now().Add(24 * time.Hour), DropAt: time.Now().Add(time.Hour), ClosesAt: time.Now().Add(2 * time.Hour),
			TicketTypes: []ropeline.TicketType{{Name: "Seat", Price: ropeline.Money{Minor: 1000, Currency: "EUR"}, Capacity: 9, MaxPerOrder: 4, MaxPerFan: 4}},
		}, rules, "bench")
		if err != nil {
			b.Fatal(err)
		}
		fill(b, h.Line, event.ID, entrants)

		client := h.redis(b)
		client.ConfigSet(b.Context(), "slowlog-max-len", "10000")
		client.ConfigSet(b.Context(), "slowlog-log-slower-than", "1000")
		client.Do(b.Context(), "slowlog", "reset")
		client.ConfigSet(b.Context(), "latency-monitor-threshold", "3") // of Redis' main thread, in ms
		client.Do(b.Context(), "latency", "reset")
		stop := h.ask(b)
		b.StartTimer()
		if _, err := h.Pool().Exec(b.Context(), "update events set drop_at = now() where id = $1", event.ID); err != nil {
			b.Fatal(err)
		}
		look := time.NewTicker(20 * time.Millisecond)
		defer look.Stop()
		var d queue.Draw
		for d.DoneAt == nil {
			if d, err = h.Line.Draw(b.Context(), event.ID); err != nil {
				b.Fatal(err)
			}
			<-look.C // looking must not be a load
		}
		b.StopTimer()
		tested, idle := stop()

		slow, err := client.SlowLogGet(b.Context(), -1).Result()
		if err != nil {
			b.Fatal(err)
		}
		longest := time.Duration(0)
		for _, s := range slow {
			longest = max(longest, s.Duration)
		}
		b.Logf("stalls of Redis by their reason, the latest and the longest in ms: %v", client.Do(b.Context(), "latency", "latest").Val())
		b.ReportMetric(float64(longest.Microseconds())/1000, "ms-longest-command")
		b.ReportMetric(tested.part(1), "ms-longest-wait")
		b.ReportMetric(tested.part(0.999), "ms-p99.9-wait")
		b.ReportMetric(tested.over(20*time.Millisecond), "ppm-over-20ms")
		b.ReportMetric(idle.part(1), "ms-longest-wait-idle")
		b.ReportMetric(idle.part(0.999), "ms-p99.9-wait-idle")
		b.ReportMetric(idle.over(20*time.Millisecond), "ppm-over-20ms-idle")
		b.ReportMetric(d.DoneAt.Sub(*d.MixedAt).Seconds(), "s-numbering")
		b.ReportMetric(float64(len(tested)), "asked")
		if d.Entrants != entrants {
			b.Errorf("%d entrants", d.Entrants)
		}
		began := time.Now()
		var all draw.Entrants
		for page := 0; len(all) < entrants*draw.IDLength; page++ {
			some, err := h.Line.EntrantsPage(b.Context(), event.ID, page)
			if err != nil || len(some) == 0 {
				b.Fatalf("page %d: %v", page, err)
			}
			all = append(all, some...)
		}
		if _, err := d.Record().Verify(all); err != nil {
			b.Error(err)
		}
		b.ReportMetric(time.Since(began).Seconds(), "s-verify")
		b.StartTimer()
	}
}
