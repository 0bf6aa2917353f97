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

// queueReturns reads what organizers want of the clerk: stock to take back,
// and orders to end that nobody has paid yet.
func queueReturns(batch *pgx.Batch, d *desk, event ropeline.EventID) {
	l := d.ledger
	batch.Queue(`
		select id, reservation_id, items, asked_by from stock_returns
		where event_id = $1 and done_at is null order by created_at limit $2`, event, dueLimit).Query(func(rows pgx.Rows) (err error) {
		d.returns, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (b giveBack, err error) {
			var items []byte
			if err = row.Scan(&b.id, &b.reservation, &items, &b.by); err == nil {
				err = json.Unmarshal(items, &b.items)
			}
			return b, err
		})
		return err
	})
	const owed = "o.event_id = $1 and o.cancel_at is not null and o.state = 'pending' and o.accepted_at is null"
	batch.Queue("select "+reservationColumns+` from reservations where id in (
		select reservation_id from stock_returns where event_id = $1 and done_at is null)`, event).Query(l.readReservations)
	batch.Queue("select "+reservationColumns+" from reservations where id in (select o.reservation_id from orders o where "+owed+" limit $2)", event, dueLimit).
		Query(func(rows pgx.Rows) error {
			doomed, err := pgx.CollectRows(rows, scanReservation)
			for i := range doomed {
				d.doomed = append(d.doomed, doomed[i].ID)
				l.add(doomed[i])
			}
			return err
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
