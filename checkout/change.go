package checkout

import (
	"context"
	"time"

	"github.com/ropeline/ropeline"
)

// Change gives a held reservation other items, all or nothing: its deadline
// stays, and when the clerk refuses, what was held stays held. The same key
// again has no second effect.
//
// Errors: reservation_not_found, reservation_expired, reservation_ended,
// order_exists, the codes of a refused reservation, invalid_quantity,
// invalid_id, invalid_idempotency_key, idempotency_key_reused, unavailable.
func (c *Checkout) Change(ctx context.Context, id ropeline.ReservationID, fan ropeline.FanID, items []ropeline.Item, key string, wait time.Duration) (Reservation, error) {
	if err := checkItems(items); err != nil {
		return Reservation{}, err
	}
	if err := checkKey(key); err != nil {
		return Reservation{}, err
	}
	if _, err := c.Reservation(ctx, id, fan); err != nil {
		return Reservation{}, err
	}
	l := letter{Kind: letterChange, Reservation: id, Fan: fan, Items: items, Op: decisionName(string(id), key), hash: hashItems(items)}
	if _, err := c.sendDecision(ctx, id.Event(), l, wait); err != nil {
		return Reservation{}, err
	}
	return c.Reservation(ctx, id, fan)
}

// change decides what Change asks.
func (l *ledger) change(q letter) *decision {
	if d := l.decided[q.id()]; d != nil {
		return d
	}
	d := &decision{letter: q.id(), kind: q.Kind, subject: string(q.Reservation), actor: string(q.Fan), hash: q.hash, wanted: q.Items, before: []ReservedItem{}}
	l.decided[d.letter] = d
	l.decisions = append(l.decisions, d)
	e := l.reservations[q.Reservation]
	switch {
	case e == nil || e.Fan != q.Fan:
		d.refuse(errNoReservation)
		return d
	case e.State == ReservationExpired || e.State == ReservationHeld && !l.now.Before(e.Deadline):
		d.refuse(ropeline.Errorf(ropeline.CodeReservationExpired, "The reservation has run out."))
		return d
	case e.State != ReservationHeld:
		d.refuse(ropeline.Errorf(ropeline.CodeReservationEnded, "The reservation has ended: it is %s.", e.State))
		return d
	case e.ordered:
		d.refuse(ropeline.Errorf(ropeline.CodeOrderExists, "These tickets are ordered already; cancel the order to choose others."))
		return d
	}
	d.before = e.Items
	wanted, refusal := l.exchange(e, q.Items)
	if refusal != nil {
		d.refuse(refusal)
		return d
	}
	e.Items = wanted
	if !e.isNew {
		l.rewritten = append(l.rewritten, e)
	}
	return d
}

// exchange moves the stock between what an entry holds and what it is to hold.
// Only what becomes more is looked at: less is always possible.
func (l *ledger) exchange(e *entry, items []ropeline.Item) ([]ReservedItem, *ropeline.Error) {
	more := make(map[ropeline.TicketTypeID]int, len(items)+len(e.Items))
	for _, i := range e.Items {
		more[i.TicketType] -= i.Quantity
	}
	wanted := make([]ReservedItem, 0, len(items))
	for _, i := range items {
		s := l.shelves[i.TicketType]
		if s == nil {
			return nil, errUnknownType
		}
		more[i.TicketType] += i.Quantity
		wanted = append(wanted, ReservedItem{TicketType: i.TicketType, Quantity: i.Quantity, UnitMinor: s.unit.Minor, Currency: s.unit.Currency})
		if more[i.TicketType] <= 0 {
			continue
		}
		if refusal := l.closed(); refusal != nil {
			return nil, refusal
		}
		if refusal := l.unfit(wanted[len(wanted)-1], wanted[0].Currency); refusal != nil {
			return nil, refusal
		}
		if l.fans[fanShelf{e.Fan, i.TicketType}]+more[i.TicketType] > s.maxPerFan {
			return nil, ropeline.Errorf(ropeline.CodeLimitExceeded, "A fan may have at most %d of these tickets.", s.maxPerFan)
		}
		if refusal := s.short(more[i.TicketType]); refusal != nil {
			return nil, refusal
		}
	}
	// In the order of the items, so that the ledger is the same each time.
	for _, list := range [][]ReservedItem{e.Items, wanted} {
		for _, i := range list {
			n := more[i.TicketType]
			delete(more, i.TicketType)
			if n == 0 {
				continue
			}
			s := l.shelves[i.TicketType]
			s.held += n
			s.moved = true
			l.fans[fanShelf{e.Fan, i.TicketType}] += n
			l.changes = append(l.changes, stockChange{ticketType: i.TicketType, kind: changeChange, held: n, reservation: e.ID})
		}
	}
	return wanted, nil
}
