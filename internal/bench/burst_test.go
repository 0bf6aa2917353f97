package bench

import (
	"strconv"
	"testing"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/internal/app"
)

// BenchmarkReserveDuringBurst compares reserving on one event, as in
// BenchmarkReserve, while nothing else goes on with doing so while 50,000
// messages about a canceled event wait and some are sent each second: at the pace that the
// configuration has by default, and at ten times that. In turns, by the clock and by the processor time of the
// program, Redis and Postgres. The messages are written out and go to the log.
func BenchmarkReserveDuringBurst(b *testing.B) {
	for _, pace := range []int{app.DefaultConfig().NotifyRate, 10 * app.DefaultConfig().NotifyRate} {
		b.Run(strconv.Itoa(pace), func(b *testing.B) { reserveDuringBurst(b, pace) })
	}
}

func reserveDuringBurst(b *testing.B, pace int) {
	const n, messages = 20_000, 50_000
	h := openHouse(b, func(c *app.Config) { c.NotifyRate = pace })
	client := h.redis(b)
	figures := rounds{}
	measure := func() sale { return h.sell(b, client, 1, 128, n) }
	measure() // plans, connections and tables are made by whoever comes first
	for round := 0; b.Loop(); round++ {
		quiet, busy := inTurns(round, measure, func() sale {
			about := h.event(b, 1)
			if _, err := h.Pool().Exec(b.Context(), `
				insert into notifications (id, dedupe, kind, channel, recipient, event_id, subject, data, bulk)
				select 'n' || $1 || i, 'n' || $1 || i, 'event_canceled', 'email', 'fan' || i || '@example.com', $1, 'order', '{"note": "The hall is flooded."}', true
				from generate_series(1, $2) i`, about.ID, messages); err != nil {
				b.Fatal(err)
			}
			before := sentMessages(b, h, about.ID)
			m := measure()
			figures.add("sent-meanwhile", float64(sentMessages(b, h, about.ID)-before))
			// The next round finds the table as this one did.
			if _, err := h.Pool().Exec(b.Context(), "delete from notifications where event_id = $1", about.ID); err != nil {
				b.Fatal(err)
			}
			if _, err := h.Pool().Exec(b.Context(), "vacuum analyze notifications"); err != nil {
				b.Fatal(err)
			}
			return m
		})
		figures.addSale("quiet", quiet)
		figures.addSale("burst", busy)
		figures.add("burst/quiet", busy.rate/quiet.rate)
		figures.add("burst/quiet-by-cpu", float64(quiet.cpu())/float64(busy.cpu()))
	}
	figures.report(b)
}

func sentMessages(b *testing.B, h *house, event ropeline.EventID) (sent int) {
	b.Helper()
	if err := h.Pool().QueryRow(b.Context(), "select count(*) from notifications where event_id = $1 and state = 'sent'", event).Scan(&sent); err != nil {
		b.Fatal(err)
	}
	return sent
}
