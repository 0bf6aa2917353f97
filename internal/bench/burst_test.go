package bench

import (
	"net/http"
	"testing"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/internal/app"
)

// BenchmarkReserveDuringBurst compares reserving on one event, as in
// BenchmarkReserve, while nothing else goes on with doing so while 50,000
// messages about a canceled event wait and are sent at the pace of the
// configuration. The messages are written out and go to the log.
func BenchmarkReserveDuringBurst(b *testing.B) {
	const connections, n, messages = 128, 10_000, 50_000
	h := openHouse(b, func(c *app.Config) { c.NotifyRate = 200 })
	figures := rounds{}
	measure := func() float64 {
		event := h.event(b, n)
		requests := reservations(h, event, n)
		rate, _ := load(b, h.address, connections, n, http.StatusCreated, func(i int) []byte { return requests[i] })
		if held := heldTickets(b, h, event.ID); held != n {
			b.Fatalf("%d of %d tickets are held", held, n)
		}
		return rate
	}
	measure() // plans, connections and tables are made by whoever comes first
	for round := 0; b.Loop(); round++ {
		quiet, busy := inTurns(round, measure, func() float64 {
			about := h.event(b, 1)
			if _, err := h.Pool().Exec(b.Context(), `
				insert into notifications (id, dedupe, kind, channel, recipient, event_id, subject, data, bulk)
				select 'n' || $1 || i, 'n' || $1 || i, 'event_canceled', 'email', 'fan' || i || '@example.com', $1, 'order', '{"note": "The hall is flooded."}', true
				from generate_series(1, $2) i`, about.ID, messages); err != nil {
				b.Fatal(err)
			}
			before := sentMessages(b, h, about.ID)
			rate := measure()
			figures.add("sent-meanwhile", float64(sentMessages(b, h, about.ID)-before))
			if _, err := h.Pool().Exec(b.Context(), "delete from notifications where event_id = $1", about.ID); err != nil {
				b.Fatal(err)
			}
			return rate
		})
		figures.add("quiet-reservations/s", quiet)
		figures.add("burst-reservations/s", busy)
		figures.add("burst/quiet", busy/quiet)
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
