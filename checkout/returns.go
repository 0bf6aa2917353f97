package checkout

import (
	"encoding/json"

	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
)

// giveBack is sold stock that an organizer puts back on sale.
type giveBack struct {
	id          string
	reservation ropeline.ReservationID
	items       []ropeline.Item
	by          string
}

// queueReturns reads what organizers want of the clerks: stock to take back,
// and orders to end that nobody has paid yet.
func (r *reading) queueReturns(batch *pgx.Batch) {
	batch.Queue(`
		select b.* from unnest($1::text[]) as u(event_id) cross join lateral (
			select event_id, id, reservation_id, items, asked_by from stock_returns
			where event_id = u.event_id and done_at is null order by created_at limit $2
		) as b`, r.looks, dueLimit).Query(func(rows pgx.Rows) error {
		var event ropeline.EventID
		var b giveBack
		var items []byte
		_, err := pgx.ForEachRow(rows, []any{&event, &b.id, &b.reservation, &items, &b.by}, func() error {
			each := b
			d := r.desks[event]
			err := json.Unmarshal(items, &each.items)
			d.returns = append(d.returns, each)
			return err
		})
		return err
	})
	batch.Queue("select "+reservationColumns+` from reservations where id in (
		select reservation_id from stock_returns where event_id = any($1) and done_at is null)`, r.looks).Query(r.readReservations)
	batch.Queue(`
		select r.* from unnest($1::text[]) as u(event_id) cross join lateral (
			select `+reservationColumns+` from reservations where id in (
				select o.reservation_id from orders o
				where o.event_id = u.event_id and o.ending and o.state = 'pending' and o.accepted_at is null limit $2)
		) as r`, r.looks, dueLimit).Query(func(rows pgx.Rows) error {
		return r.eachReservation(rows, func(d *desk, v Reservation) { d.doomed = append(d.doomed, v.ID) })
	})
}

// giveBack puts sold stock back on the shelf, never more than was sold.
func (l *ledger) giveBack(b giveBack) {
	l.returned = append(l.returned, b.id)
	e := l.reservations[b.reservation]
	if e == nil || e.State != ReservationConverted {
		return
	}
	items := make([]ReservedItem, len(e.Items))
	copy(items, e.Items)
	for _, back := range b.items {
		for i := range items {
			n := min(back.Quantity, items[i].Quantity-items[i].Returned)
			if items[i].TicketType != back.TicketType || n <= 0 {
				continue
			}
			items[i].Returned += n
			s := l.shelves[back.TicketType]
			s.sold -= n
			s.moved = true
			l.fans[fanShelf{e.Fan, back.TicketType}] -= n
			l.changes = append(l.changes, stockChange{ticketType: back.TicketType, kind: changeReturn, sold: -n, reservation: e.ID, actor: b.by})
		}
	}
	e.Items = items
	l.rewritten = append(l.rewritten, e)
}

// drop ends a hold at the wish of an organizer.
func (l *ledger) drop(id ropeline.ReservationID) {
	if e := l.reservations[id]; e != nil && e.State == ReservationHeld {
		l.become(e, ReservationReleased)
		l.count(e, changeRelease, -1, -1, 0)
	}
}
