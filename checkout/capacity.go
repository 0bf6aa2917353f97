package checkout

import (
	"context"
	"encoding/json"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
)

// MostCapacity bounds the tickets of one type.
const MostCapacity = 10_000_000

// SetCapacity changes how many tickets of a type there are, while they are
// sold, in the name of an organizer. The same key again has no second effect.
//
// Errors: capacity_too_low for less than is held and sold, unknown_ticket_type,
// event_not_found, invalid_quantity, invalid_idempotency_key,
// idempotency_key_reused, unavailable.
func (c *Checkout) SetCapacity(ctx context.Context, event ropeline.EventID, kind ropeline.TicketTypeID, capacity int, by, key string, wait time.Duration) (Stock, error) {
	if capacity < 0 || capacity > MostCapacity {
		return Stock{}, ropeline.Errorf(ropeline.CodeInvalidQuantity, "A capacity is between 0 and %d.", MostCapacity)
	}
	if err := checkKey(key); err != nil {
		return Stock{}, err
	}
	if err := c.sales.check(ctx, event); err != nil {
		return Stock{}, err
	}
	l := letter{Kind: letterCapacity, Type: kind, Capacity: capacity, By: by, Op: decisionName(string(event), string(kind), by, key)}
	l.hash = hashItems([]ropeline.Item{{TicketType: kind, Quantity: capacity}})
	if _, err := c.sendDecision(ctx, event, l, wait); err != nil {
		return Stock{}, err
	}
	now, err := c.StockNow(ctx, event)
	return now.Types[kind], err
}

// capacity decides what SetCapacity asks.
func (l *ledger) capacity(q letter) *decision {
	if d := l.decided[q.id()]; d != nil {
		return d
	}
	d := &decision{letter: q.id(), kind: q.Kind, subject: string(q.Type), actor: q.By, hash: q.hash, wanted: q.Capacity, before: 0}
	l.decided[d.letter] = d
	l.decisions = append(l.decisions, d)
	s := l.shelves[q.Type]
	if s == nil {
		d.refuse(errUnknownType)
		return d
	}
	d.before = s.capacity
	if q.Capacity < s.held+s.sold {
		d.refuse(ropeline.Errorf(ropeline.CodeCapacityTooLow, "%d of these tickets are sold and %d are held: the capacity cannot be less.", s.sold, s.held))
		return d
	}
	if q.Capacity != s.capacity {
		l.changes = append(l.changes, stockChange{ticketType: q.Type, kind: changeCapacity, capacity: q.Capacity - s.capacity, actor: q.By})
		s.capacity, s.moved = q.Capacity, true
	}
	return d
}

// CapacityChange is one entry of a ticket type's history.
type CapacityChange struct {
	TicketType ropeline.TicketTypeID `json:"ticket_type"`
	Before     int                   `json:"before"`
	Wanted     int                   `json:"wanted"`
	By         string                `json:"by"`
	At         time.Time             `json:"at"`
	Reason     ropeline.Code         `json:"reason,omitempty"` // of a refusal
}

// CapacityHistory lists who changed the capacities of an event, or tried to,
// the newest first.
func (c *Checkout) CapacityHistory(ctx context.Context, event ropeline.EventID) ([]CapacityChange, error) {
	rows, err := c.pool.Query(ctx, `
		select d.subject, d.before, d.wanted, d.actor, d.at, d.reason
		from ticket_types t join stock_decisions d on d.subject = t.id and d.kind = 'capacity'
		where t.event_id = $1 order by d.at desc, d.id limit 500`, event)
	if err != nil {
		return nil, ropeline.Unavailable(err)
	}
	changes, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (h CapacityChange, err error) {
		var before, wanted json.RawMessage
		if err = row.Scan(&h.TicketType, &before, &wanted, &h.By, &h.At, &h.Reason); err != nil {
			return h, err
		}
		if err = json.Unmarshal(before, &h.Before); err == nil {
			err = json.Unmarshal(wanted, &h.Wanted)
		}
		return h, err
	})
	if err != nil {
		return nil, ropeline.Unavailable(err)
	}
	return changes, nil
}
