package bench

import (
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/checkout"
)

// BenchmarkReserveBesideReads compares reserving on an event that is looked at
// hard with reserving while another event is looked at just as hard: 2,000 polls
// of GET /events/{id} a second, and 500 open sockets. On both sides the
// machine does the same work for the readers; only what reading takes from the
// event's own clerk differs. Without any readers it is measured too, for what
// the readers' work itself costs on so few processors.
func BenchmarkReserveBesideReads(b *testing.B) {
	const connections, n, perSecond, sockets = 128, 10_000, 2_000, 500
	h := openHouse(b)
	figures := rounds{}
	measure := func(event ropeline.Event) float64 {
		requests := reservations(h, event, n)
		rate, _ := load(b, h.address, connections, n, http.StatusCreated, func(i int) []byte { return requests[i] })
		if held := heldTickets(b, h, event.ID); held != n {
			b.Fatalf("%d of %d tickets are held", held, n)
		}
		if violations, err := checkout.Audit(b.Context(), h.Pool(), event.ID); err != nil || len(violations) > 0 {
			b.Fatalf("audit: %v %v", violations, err)
		}
		return rate
	}
	beside := func(sold, seen ropeline.Event, name string) float64 {
		var frames atomic.Int64
		release := listen(b, h.address, h.crowd(b, seen.ID, h.address, sockets), func([]byte) { frames.Add(1) })
		stop := h.look(b, seen.ID, perSecond)
		begun := time.Now()
		rate := measure(sold)
		figures.add(name+"-reads/s", float64(stop())/time.Since(begun).Seconds())
		figures.add(name+"-frames/s", float64(frames.Load())/time.Since(begun).Seconds())
		release()
		return rate
	}
	measure(h.event(b, n)) // plans, connections and tables are made by whoever comes first
	for round := 0; b.Loop(); round++ {
		quiet := measure(h.event(b, n))
		seen, other := inTurns(round, func() float64 {
			event := h.event(b, n)
			return beside(event, event, "same-event")
		}, func() float64 { return beside(h.event(b, n), h.event(b, n), "other-event") })
		figures.add("unseen-reservations/s", quiet)
		figures.add("same-event-reservations/s", seen)
		figures.add("other-event-reservations/s", other)
		figures.add("same/other", seen/other)
	}
	figures.report(b)
}

// look polls an event so often, until the returned function is called, which
// tells how many answers came.
func (h *house) look(b *testing.B, event ropeline.EventID, perSecond int) (stop func() int64) {
	const pollers = 16
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: pollers}, Timeout: 10 * time.Second}
	ended := make(chan struct{})
	var polling sync.WaitGroup
	var answers atomic.Int64
	for range pollers {
		polling.Go(func() {
			ticker := time.NewTicker(time.Second * pollers / time.Duration(perSecond))
			defer ticker.Stop()
			for {
				select {
				case <-ended:
					return
				case <-ticker.C:
				}
				answer, err := client.Get("http://" + h.address + "/events/" + string(event))
				if err != nil {
					b.Error(err)
					return
				}
				io.Copy(io.Discard, answer.Body)
				answer.Body.Close()
				if answer.StatusCode == http.StatusOK {
					answers.Add(1)
				}
			}
		})
	}
	return func() int64 {
		close(ended)
		polling.Wait()
		client.CloseIdleConnections()
		return answers.Load()
	}
}
