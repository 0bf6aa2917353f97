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
// without, in turns on one event, by 32 at once: the order and its payment in
// Postgres, the sandbox's intent, and the answer.
func BenchmarkOrder(b *testing.B) {
	const at, n = 32, 1000
	h := openHouse(b)
	figures := rounds{}
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
		for _, scored := range []bool{false, true} {
			var placed atomic.Int64
			begin := time.Now()
			for range at {
				all.Go(func() {
					for placed.Add(1) <= n {
						r := <-held
						p := checkout.Placing{Fan: r.Fan, Reservation: r.ID, Email: string(r.Fan) + "@example.com", Key: "k"}
						if scored {
							seen := h.Fraud.Place(b.Context(), fraud.Visit{Event: event.ID, Fan: r.Fan, Browser: "b", Device: string(r.Fan), Email: p.Email})
							verdict := web.Verdict(seen.Verdict)
							p.Verdict, p.Record = &verdict, seen.Record
						}
						if _, err := h.Checkout.Place(b.Context(), p); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			all.Wait()
			name := "unscored-orders/s"
			if scored {
				name = "scored-orders/s"
			}
			figures.add(name, n/time.Since(begin).Seconds())
		}
	}
	figures.report(b)
}
