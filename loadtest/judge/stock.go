package judge

import (
	"cmp"
	"slices"
	"time"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/loadtest/record"
)

// stock judges I1 as far as fans can see it: at no moment do they together
// hold and own more of a ticket type than the event announced.
//
// A reservation surely holds its tickets from when the fan heard so until the
// fan asks to release it or its deadline comes near (a second before, for
// clocks that differ); a paid order owns them from when the fan heard so. What
// lies between is left out, so the sum is a lower bound of the truth.
type stock struct {
	holds map[string]*hold // by reservation
}

type hold struct {
	fan                int
	items              []ropeline.Item
	from, until, owned int64 // on the scale of T; owned −1: not paid
	deadline           int64 // Unix microseconds
}

func newStock() *stock { return &stock{holds: make(map[string]*hold)} }

func (s *stock) see(run *record.RunFacts, o record.Observation) {
	if o.Sale == nil || o.Sale.Reservation == "" {
		return
	}
	h := s.holds[o.Sale.Reservation]
	switch {
	case h == nil && o.Sale.Order == "" && o.Sale.State == "held":
		started := run.Started.UnixMicro()
		s.holds[o.Sale.Reservation] = &hold{
			fan: o.Fan, items: o.Sale.Items, from: o.T, owned: -1, deadline: o.Sale.Deadline,
			until: o.Sale.Deadline - started - time.Second.Microseconds(),
		}
	case h == nil:
	case o.Step == record.StepRelease:
		h.until = min(h.until, o.Sent())
	case o.Sale.Order != "" && o.Sale.State == "paid" && h.owned < 0:
		h.owned = o.T
	}
}

func (s *stock) verdicts(run *record.RunFacts) []Verdict {
	type change struct {
		t     int64
		kind  ropeline.TicketTypeID
		by    int64
		owner int
	}
	var (
		changes []change
		f       finding
	)
	for _, h := range s.holds {
		for _, item := range h.items {
			until, quantity := h.until, int64(item.Quantity)
			if h.owned >= 0 {
				until = min(until, h.owned)
				changes = append(changes, change{h.owned, item.TicketType, quantity, h.fan})
			}
			if until > h.from {
				changes = append(changes, change{h.from, item.TicketType, quantity, h.fan}, change{until, item.TicketType, -quantity, h.fan})
			}
		}
	}
	slices.SortFunc(changes, func(a, b change) int { // what ends at a moment goes first
		return cmp.Or(cmp.Compare(a.t, b.t), cmp.Compare(a.by, b.by), cmp.Compare(a.owner, b.owner))
	})
	sum := make(map[ropeline.TicketTypeID]int64)
	for _, c := range changes {
		sum[c.kind] += c.by
		capacity, known := run.Capacity[c.kind]
		if !known {
			continue
		}
		f.checked++
		if sum[c.kind] > capacity {
			f.breaks("at %s, when fan %d heard of its tickets, the fans held and owned %d of ticket type %s, of which there are %d",
				at(c.t), c.owner, sum[c.kind], c.kind, capacity)
		}
	}
	v := f.verdict("I1", "the tickets that fans hold and own never exceed the capacity")
	if len(run.Capacity) == 0 {
		v.Note = "not judged: the capacity is not known"
	}
	return []Verdict{v}
}
