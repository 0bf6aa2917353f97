package checkout

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
)

// dueLimit bounds the holds and the payments that one batch looks after.
const dueLimit = 256

// errFenced means that another clerk has begun since; this one must stop and
// must not trim.
var errFenced = errors.New("checkout: another clerk serves this event")

// errNoSale means that the event has no stock to sell.
var errNoSale = errors.New("checkout: the event has no sale")

// desk is what a batch reads under the lock, beside the ledger.
type desk struct {
	ledger  *ledger
	fence   int64
	dueIDs  []ropeline.ReservationID // holds whose deadline has come
	claims  []claim
	returns []giveBack
	doomed  []ropeline.ReservationID // holds of orders that an organizer ends
}

// read begins the transaction, takes the lock on the sale and reads all that
// the batch concerns, in one round trip. Each statement sees what was
// committed before the lock was given, since it takes its own snapshot.
func (c *Checkout) read(ctx context.Context, conn *pgx.Conn, event ropeline.EventID, letters []letter) (*desk, error) {
	ids := make([]string, 0, len(letters))
	fans := make([]string, 0, len(letters))
	var changes, names []string
	for _, l := range letters {
		if l.Reservation != "" {
			ids = append(ids, string(l.Reservation))
		}
		if l.Kind == letterReserve || l.Kind == letterChange {
			fans = append(fans, string(l.Fan))
		}
		if l.Kind == letterChange {
			changes = append(changes, string(l.Reservation))
		}
		if l.Kind == letterChange || l.Kind == letterCapacity {
			names = append(names, l.id())
		}
	}
	l := &ledger{
		hold:         c.options.Hold,
		shelves:      map[ropeline.TicketTypeID]*shelf{},
		fans:         make(map[fanShelf]int, len(fans)),
		reservations: make(map[ropeline.ReservationID]*entry, len(ids)),
		shared:       map[identityShelf]int{},
		decided:      map[string]*decision{},
	}
	d := &desk{ledger: l, fence: -1}
	batch := &pgx.Batch{}
	batch.Queue("begin")
	// pgx keeps plans, and those made while the tables were empty would read
	// them whole for the rest of the drop: every look of the clerk has an index.
	batch.Queue("set local enable_seqscan = off")
	batch.Queue(`
		select s.fence, s.ledger_seq, e.drop_at, e.closes_at, e.limit_across, e.canceled_at is not null from sales s join events e on e.id = s.event_id
		where s.event_id = $1 for update of s`, event).QueryRow(func(row pgx.Row) error {
		err := row.Scan(&d.fence, &l.seq, &l.opens, &l.closes, &l.across, &l.canceled)
		if errors.Is(err, pgx.ErrNoRows) {
			return errNoSale
		}
		return err
	})
	batch.Queue(`
		select s.ticket_type_id, s.capacity, s.held, s.sold, t.max_per_order, t.max_per_fan, t.price_minor, t.currency, t.sale_from, t.sale_until
		from stock s join ticket_types t on t.id = s.ticket_type_id where s.event_id = $1`, event).Query(l.readShelves)
	if len(changes) > 0 {
		// An order may be placed at this moment: its lock on the reservation is
		// waited for, and the next statement sees it.
		batch.Queue("select from reservations where id = any($1) order by id for update", changes)
	}
	if len(ids) > 0 {
		batch.Queue("select "+reservationColumns+" from reservations where id = any($1)", ids).Query(l.readReservations)
	}
	if len(names) > 0 {
		batch.Queue("select reservation_id from orders where reservation_id = any($1)", changes).Query(l.readOrdered)
		batch.Queue(selectDecisions, names).Query(l.readDecisions)
	}
	if len(fans) > 0 {
		batch.Queue("select f.* from unnest($2::text[]) as u(fan_id)"+fanSums, event, fans).Query(l.readFans)
	}
	batch.Queue("select "+reservationColumns+` from reservations
		where event_id = $1 and state = 'held'
			and deadline <= case when exists (select from events where id = $1 and canceled_at is not null) then 'infinity' else now() end
		order by deadline limit $2`, event, dueLimit).
		Query(func(rows pgx.Rows) error {
			due, err := pgx.CollectRows(rows, scanReservation)
			for i := range due {
				d.dueIDs = append(d.dueIDs, due[i].ID)
				l.add(due[i])
			}
			return err
		})
	c.queueClaims(batch, d, event)
	queueReturns(batch, d, event)
	batch.Queue("select clock_timestamp()").QueryRow(func(row pgx.Row) error { return row.Scan(&l.now) })
	return d, conn.SendBatch(ctx, batch).Close()
}

// queueClaims reads the payments that wait for the clerk. Their rows are
// locked, but one that is locked already is left for the next batch: nobody
// may hold the clerk up.
func (c *Checkout) queueClaims(batch *pgx.Batch, d *desk, event ropeline.EventID) {
	l := d.ledger
	batch.Queue(`
		select p.id, p.state, p.duty, o.id, o.state, o.reservation_id, coalesce(p.verdict->>'decision', 'undecided'),
			coalesce((p.verdict->>'review_seconds')::bigint, 0), o.address_key, p.card_fingerprint
		from payments p join orders o on o.id = p.order_id
		where `+owedToClerk+" order by p.duty_at limit $2 for update of p skip locked", event, dueLimit).
		Query(func(rows pgx.Rows) error {
			var err error
			d.claims, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (k claim, err error) {
				var seconds int64
				err = row.Scan(&k.payment, &k.state, &k.duty, &k.order, &k.orderState, &k.reservation, &k.risk, &seconds, &k.address, &k.card)
				k.review = time.Duration(seconds) * time.Second
				return k, err
			})
			return err
		})
	batch.Queue("select "+reservationColumns+` from reservations where id in (
		select o.reservation_id from payments p join orders o on o.id = p.order_id where `+owedToClerk+")", event).Query(l.readReservations)
	batch.Queue("select f.* from (select distinct o.fan_id from payments p join orders o on o.id = p.order_id where "+owedToClerk+") as u"+fanSums, event).Query(l.readFans)
	queueShared(batch, l, event)
}

// owedToClerk are the payments p of the event $1 that wait for its clerk.
const owedToClerk = "p.event_id = $1 and p.duty in ('settle', 'unwind')"

// fanSums adds up what each fan of u has of the event $1. It is lateral, and
// fenced by its offset, so that it always is one probe of the index per fan.
const fanSums = `
	cross join lateral (
		select r.fan_id, i.ticket_type, sum(i.quantity - coalesce(i.returned, 0))::int from (
			select r.fan_id, r.items from reservations r
			where r.event_id = $1 and r.fan_id = u.fan_id and r.state in ('held', 'converted') offset 0
		) as r, jsonb_to_recordset(r.items) as i(ticket_type text, quantity int, returned int) group by 1, 2
	) as f`

func (l *ledger) add(r Reservation) {
	if _, known := l.reservations[r.ID]; !known {
		l.reservations[r.ID] = &entry{Reservation: r}
	}
}

func (l *ledger) readReservations(rows pgx.Rows) error {
	all, err := pgx.CollectRows(rows, scanReservation)
	for i := range all {
		l.add(all[i])
	}
	return err
}

func (l *ledger) readOrdered(rows pgx.Rows) error {
	var id ropeline.ReservationID
	_, err := pgx.ForEachRow(rows, []any{&id}, func() error {
		if e := l.reservations[id]; e != nil {
			e.ordered = true
		}
		return nil
	})
	return err
}

func (l *ledger) readFans(rows pgx.Rows) error {
	var at fanShelf
	var sum int
	_, err := pgx.ForEachRow(rows, []any{&at.fan, &at.ticketType, &sum}, func() error {
		l.fans[at] = sum
		return nil
	})
	return err
}

func (l *ledger) readShelves(rows pgx.Rows) error {
	var id ropeline.TicketTypeID
	var s shelf
	_, err := pgx.ForEachRow(rows, []any{&id, &s.capacity, &s.held, &s.sold, &s.maxPerOrder, &s.maxPerFan, &s.unit.Minor, &s.unit.Currency, &s.opens, &s.closes}, func() error {
		each := s
		l.shelves[id] = &each
		return nil
	})
	return err
}

func encodeItems(items []ReservedItem) string {
	text, _ := json.Marshal(items)
	return string(text)
}

// commitTime bounds one batch's transaction, so that a Postgres that hangs
// does not keep a clerk for ever.
const commitTime = 10 * time.Second
