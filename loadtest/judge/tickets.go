package judge

import (
	"cmp"
	"slices"
	"time"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/loadtest/record"
)

// tickets judges I6 and I7 by what fans see of their orders.
//
// I6. A paid order has as many tickets as were reserved, and all of them are
// among the fan's tickets; a payment that was confirmed is followed by a paid
// order within the slack. (Whether money for an order that ended otherwise was
// given back, a fan's API does not tell: the database does.)
//
// I7. Only a paid order has tickets; a fan has no others; no ticket and no
// code is there twice.
type tickets struct {
	reserved map[string][]ropeline.Item // by reservation
	orders   map[string]*order
	byID     map[string]string // ticket → order
	byCode   map[string]string // code → ticket
	paid     map[int][]string  // fan → tickets of its paid orders
	have, no finding           // I6, I7
}

type order struct {
	fan                   int
	reservation, state    string
	tickets               int
	confirmedAt, lookedAt int64
}

func newTickets() *tickets {
	return &tickets{
		reserved: make(map[string][]ropeline.Item), orders: make(map[string]*order),
		byID: make(map[string]string), byCode: make(map[string]string), paid: make(map[int][]string),
	}
}

func (w *tickets) see(run *record.RunFacts, o record.Observation) {
	s := o.Sale
	switch {
	case s == nil:
	case o.Step == record.StepTickets:
		w.seeWallet(o)
	case s.Order != "" && s.State != "":
		w.seeOrder(o)
	case s.Order == "" && s.State == "held":
		w.reserved[s.Reservation] = s.Items
	}
}

func (w *tickets) seeOrder(o record.Observation) {
	s := o.Sale
	seen := w.orders[s.Order]
	if seen == nil {
		seen = &order{fan: o.Fan, reservation: s.Reservation, confirmedAt: -1}
		w.orders[s.Order] = seen
	}
	if s.Payment == "confirmed" && seen.confirmedAt < 0 {
		seen.confirmedAt = o.T
	}
	if s.State == "paid" && seen.state != "paid" {
		for _, t := range s.Tickets {
			w.paid[o.Fan] = append(w.paid[o.Fan], t.ID)
		}
	}
	seen.state, seen.tickets, seen.lookedAt = s.State, len(s.Tickets), o.Sent()
	if s.State != "paid" && len(s.Tickets) > 0 {
		w.no.breaks("order %s of fan %d was %s at %s and had %d tickets", s.Order, o.Fan, s.State, at(o.T), len(s.Tickets))
	}
	for _, t := range s.Tickets {
		w.no.checked++
		if other, known := w.byID[t.ID]; known && other != s.Order {
			w.no.breaks("ticket %s belongs to order %s and, as fan %d saw at %s, to order %s", t.ID, other, o.Fan, at(o.T), s.Order)
		}
		if other, known := w.byCode[t.Code]; known && other != t.ID {
			w.no.breaks("ticket %s of fan %d has the code of ticket %s", t.ID, o.Fan, other)
		}
		w.byID[t.ID], w.byCode[t.Code] = s.Order, t.ID
	}
}

// seeWallet holds all tickets of a fan against those of its paid orders.
func (w *tickets) seeWallet(o record.Observation) {
	var wallet []string
	for _, t := range o.Sale.Tickets {
		wallet = append(wallet, t.ID)
		if !slices.Contains(w.paid[o.Fan], t.ID) {
			w.no.breaks("at %s fan %d had ticket %s, which is of none of its paid orders", at(o.T), o.Fan, t.ID)
		}
	}
	for _, id := range w.paid[o.Fan] {
		if !slices.Contains(wallet, id) {
			w.have.breaks("at %s ticket %s of a paid order was not among the tickets of fan %d", at(o.T), id, o.Fan)
		}
	}
}

func (w *tickets) verdicts(run *record.RunFacts) []Verdict {
	ids := make([]string, 0, len(w.orders))
	for id := range w.orders {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b string) int {
		return cmp.Or(cmp.Compare(w.orders[a].lookedAt, w.orders[b].lookedAt), cmp.Compare(a, b))
	})
	have := w.have
	for _, id := range ids {
		seen := w.orders[id]
		switch {
		case seen.state == "paid":
			have.checked++
			want := 0
			for _, item := range w.reserved[seen.reservation] {
				want += item.Quantity
			}
			if want > 0 && want != seen.tickets {
				have.breaks("order %s of fan %d is paid; %d tickets were reserved, and it has %d", id, seen.fan, want, seen.tickets)
			}
		case seen.state == "pending" && seen.confirmedAt >= 0 && seen.lookedAt > seen.confirmedAt+run.Grace():
			have.breaks("the payment of order %s of fan %d was confirmed at %s, and %.1f s later the order was still pending",
				id, seen.fan, at(seen.confirmedAt), (time.Duration(seen.lookedAt-seen.confirmedAt) * time.Microsecond).Seconds())
		}
	}
	return []Verdict{
		have.verdict("I6", "a paid order has the tickets that were reserved"),
		w.no.verdict("I7", "only paid orders have tickets, and each ticket is there once"),
	}
}
