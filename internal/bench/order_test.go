package bench

import (
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/checkout"
	"github.com/ropeline/ropeline/fraud"
	"github.com/ropeline/ropeline/web"
)

// BenchmarkOrder compares placing an order with scoring it and placing it
// without, in slices that take turns on one event, by 32 at once: the order and its payment in
// Postgres, the sandbox's intent, and the answer.
func BenchmarkOrder(b *testing.B) {
	const at, n, slices = 32, 2000, 10
	h := openHouse(b)
	figures := rounds{}
	round := 0
	for b.Loop() {
		event := h.event(b, 2*n)
		held := make(chan checkout.Reservation, 2*n)
		var all sync.WaitGroup
		var reserved atomic.Int64
		for range at {
			all.Go(func() {
				for i := reserved.Add(1); i <= 2*n; i = reserved.Add(1) {
					r, err := h.Checkout.Reserve(b.Context(), checkout.Request{
						Event: event.ID, Fan: ropeline.NewID[ropeline.FanID](), PassID: strconv.FormatInt(i, 10), Key: "k",
						Items: []ropeline.Item{{TicketType: event.TicketTypes[0].ID, Quantity: 1}},
					}, 10*time.Second)
					if err != nil || r.State != checkout.ReservationHeld {
						b.Errorf("%v %+v", err, r)
						return
					}
					held <- r
				}
			})
		}
		all.Wait()
		place := func(scored bool) time.Duration {
			var placed atomic.Int64
			begin := time.Now()
			for range at {
				all.Go(func() {
					for placed.Add(1) <= n/slices {
						r := <-held
						p := checkout.Placing{Fan: r.Fan, Reservation: r.ID, Email: string(r.Fan) + "@example.com", Key: "k"}
						if scored {
							seen := h.Fraud.Place(b.Context(), fraud.Visit{Event: event.ID, Fan: r.Fan, Browser: "b", Device: string(r.Fan), Email: p.Email})
							verdict := web.Verdict(seen.Verdict)
							p.Verdict, p.Note = &verdict, seen
						}
						if _, err := h.Checkout.Place(b.Context(), p); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			all.Wait()
			return time.Since(begin)
		}
		var without, with time.Duration
		for i := range slices { // without, with, with, without, …
			if i%2 == round%2 {
				without += place(false)
				with += place(true)
			} else {
				with += place(true)
				without += place(false)
			}
		}
		round++
		figures.add("unscored-orders/s", n/without.Seconds())
		figures.add("scored-orders/s", n/with.Seconds())
		figures.add("x-unscored", without.Seconds()/with.Seconds())
	}
	figures.report(b)
}
