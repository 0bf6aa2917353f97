package bench

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/admission"
	"github.com/ropeline/ropeline/queue"
	"github.com/ropeline/ropeline/queue/draw"
)

// BenchmarkDraw draws a lobby of a million, while others ask Redis for small
// things: the whole draw at most 10 s, and nobody waits over 20 ms for Redis.
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

		ctx, stop := context.WithCancel(b.Context())
		client, key := h.redis(b), queue.KeysOf(event.ID).Meta
		client.ConfigSet(ctx, "slowlog-max-len", "10000")
		client.ConfigSet(ctx, "slowlog-log-slower-than", "1000")
		client.Do(ctx, "slowlog", "reset")
		client.ConfigSet(ctx, "latency-monitor-threshold", "3") // of Redis' main thread, in ms
		client.Do(ctx, "latency", "reset")
		var waits []time.Duration
		var asking sync.WaitGroup
		asking.Go(func() {
			ticker := time.NewTicker(500 * time.Microsecond)
			defer ticker.Stop()
			for ctx.Err() == nil {
				began := time.Now()
				client.HGet(context.Background(), key, "epoch")
				waits = append(waits, time.Since(began))
				<-ticker.C
			}
		})
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
		stop()
		asking.Wait()

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
		slices.Sort(waits)
		b.ReportMetric(float64(waits[len(waits)-1].Microseconds())/1000, "ms-longest-wait")
		b.ReportMetric(float64(waits[len(waits)*999/1000].Microseconds())/1000, "ms-p99.9-wait")
		b.ReportMetric(d.DoneAt.Sub(*d.MixedAt).Seconds(), "s-numbering")
		b.ReportMetric(float64(len(waits)), "asked")
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
