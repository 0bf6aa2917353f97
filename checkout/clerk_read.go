package checkout

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
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
	locked  bool // the sale's row
	fence   int64
	dueIDs  []ropeline.ReservationID // holds whose deadline has come
	claims  []claim
	returns []giveBack
	doomed  []ropeline.ReservationID // holds of orders that an organizer ends
}

// more tells that a limit has cut off what was read: there may be more of it.
func (d *desk) more() bool {
	return len(d.dueIDs) == dueLimit || len(d.claims) == dueLimit || len(d.returns) == dueLimit || len(d.doomed) == dueLimit
}

// reading is what several batches of one transaction read together.
type reading struct {
	desks  map[ropeline.EventID]*desk
	events []string // in order: rows are locked in this order everywhere
	looks  []string // those whose clerks look at what they are owed

	ids       []string // reservations that letters are about
	fanEvents []string // one for each of fans
	fans      []string
	changes   []string // reservations that letters want to change
	names     []string // letters that may have been decided
	grip      time.Duration
	now       time.Time
}

func (c *Checkout) newReading(turns []*turn) *reading {
	r := &reading{desks: make(map[ropeline.EventID]*desk, len(turns)), grip: c.options.Grip}
	turns = slices.Clone(turns)
	slices.SortFunc(turns, func(a, b *turn) int { return compare(a.event, b.event) })
	for _, t := range turns {
		t.desk, t.told, t.version = newDesk(t.event, c.options.Hold), nil, 0
		t.desk.ledger.takesUp = t.takes
		r.desks[t.event] = t.desk
		r.events = append(r.events, string(t.event))
		if t.looks {
			r.looks = append(r.looks, string(t.event))
		}
		for _, l := range t.letters {
			if l.Reservation != "" {
				r.ids = append(r.ids, string(l.Reservation))
			}
			if l.Kind == letterReserve || l.Kind == letterChange {
				r.fanEvents, r.fans = append(r.fanEvents, string(t.event)), append(r.fans, string(l.Fan))
			}
			if l.Kind == letterChange {
				r.changes = append(r.changes, string(l.Reservation))
			}
			if l.Kind == letterChange || l.Kind == letterCapacity {
				r.names = append(r.names, l.id())
			}
		}
	}
	return r
}

func newDesk(event ropeline.EventID, hold time.Duration) *desk {
	return &desk{ledger: &ledger{
		event: event, hold: hold,
		shelves:      map[ropeline.TicketTypeID]*shelf{},
		fans:         map[fanShelf]int{},
		reservations: map[ropeline.ReservationID]*entry{},
		shared:       map[identityShelf]int{},
		decided:      map[string]*decision{},
	}}
}

// read begins the transaction, takes the locks on the sales and reads all that
// the batches concern, in one round trip; one more where an order comes late.
// Each statement sees what was committed before the locks were given, since it
// takes its own snapshot.
//
// What a clerk is owed (payments to settle, stock to put back) is read only
// when somebody says that there is something: whoever commits such a row pushes
// the letter "due", and the sweep does it for those whose letter was lost.
func (c *Checkout) read(ctx context.Context, conn *pgx.Conn, turns []*turn, shared bool) error {
	r := c.newReading(turns)
	batch := &pgx.Batch{}
	batch.Queue("begin")
	// pgx keeps plans, and those made while the tables were empty would read
	// them whole for the rest of the drop: every look of the clerk has an index.
	// Whoever stalls here loses the locks that others wait for.
	wait, skip := "0", ""
	if shared {
		wait, skip = strconv.FormatInt(mostWait.Milliseconds(), 10), " skip locked"
	}
	batch.Queue(`
		select set_config('enable_seqscan', 'off', true), set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true),
			set_config('plan_cache_mode', 'force_generic_plan', true), set_config('idle_in_transaction_session_timeout', $2, true),
			set_config('lock_timeout', $1, true)`, wait, strconv.FormatInt(leaseTime.Milliseconds(), 10))
	batch.Queue("select event_id, fence, ledger_seq from sales where event_id = any($1) order by event_id for update"+skip, r.events).Query(r.readSales)
	batch.Queue(`
		select e.id, e.drop_at, e.closes_at, e.limit_across, e.canceled_at is not null, clock_timestamp(),
			s.ticket_type_id, s.capacity, s.held, s.sold, t.max_per_order, t.max_per_fan, t.price_minor, t.currency, t.sale_from, t.sale_until
		from events e join stock s on s.event_id = e.id join ticket_types t on t.id = s.ticket_type_id where e.id = any($1)`, r.events).Query(r.readShelves)
	if len(r.changes) > 0 {
		// An order may be placed at this moment: its lock on the reservation is
		// waited for, and the next statement sees it.
		batch.Queue("select from reservations where id = any($1) order by id for update", r.changes)
	}
	if len(r.ids) > 0 {
		batch.Queue("select "+reservationColumns+" from reservations where id = any($1)", r.ids).Query(r.readReservations)
	}
	if len(r.changes) > 0 {
		batch.Queue("select reservation_id from orders where reservation_id = any($1)", r.changes).Query(r.readOrdered)
	}
	if len(r.names) > 0 {
		batch.Queue("select event_id, id, request_hash, reason, message from stock_decisions where id = any($1)", r.names).Query(r.readDecisions)
	}
	if len(r.fans) > 0 {
		batch.Queue(selectFans, r.fanEvents, r.fans).Query(r.readFans)
	}
	batch.Queue(`
		select r.* from unnest($1::text[]) as u(event_id) join events e on e.id = u.event_id cross join lateral (
			select `+reservationColumns+` from reservations
			where event_id = u.event_id and state = 'held' and deadline <= case when e.canceled_at is not null then 'infinity' else now() end
			order by deadline limit $2
		) as r`, r.events, dueLimit).Query(func(rows pgx.Rows) error {
		return r.eachReservation(rows, func(d *desk, v Reservation) { d.dueIDs = append(d.dueIDs, v.ID) })
	})
	if len(r.looks) > 0 {
		r.queueClaims(batch)
		r.queueShared(batch)
		r.queueReturns(batch)
	}
	if err := conn.SendBatch(ctx, batch).Close(); err != nil {
		return err
	}
	if err := r.readLate(ctx, conn); err != nil {
		return err
	}
	for _, d := range r.desks {
		d.ledger.now = r.now
	}
	return nil
}

// queueClaims reads the payments that wait for the clerks. Their rows are
// locked, but one that is locked already is left for the next batch: nobody
// may hold a clerk up.
func (r *reading) queueClaims(batch *pgx.Batch) {
	batch.Queue(`
		select k.*, r.event_id, r.fan_id, r.request_hash, r.state, r.reason, r.message, r.items, r.created_at, r.deadline
		from unnest($1::text[]) as u(event_id) cross join lateral (
			select p.event_id, p.id, p.state, p.duty, o.accepted_at is not null, o.risk_decision is null, o.id, o.state, o.reservation_id, coalesce(p.verdict->>'decision', 'undecided'),
				coalesce((p.verdict->>'review_seconds')::bigint, 0), o.address_key, p.card_fingerprint,
				p.provider, coalesce(p.provider_ref, ''), p.idempotency_key, p.amount_minor, p.currency, o.fan_id, o.email, o.ended_at
			from payments p join orders o on o.id = p.order_id
			where p.event_id = u.event_id and `+owedToClerk+` and `+notHanded("$3")+` order by p.duty_at limit $2 for update of p skip locked
		) as k join reservations r on r.id = k.reservation_id`, r.looks, dueLimit, r.grip).Query(func(rows pgx.Rows) error {
		for rows.Next() {
			var k claim
			var v Reservation
			var event ropeline.EventID
			var seconds int64
			var hash, items []byte
			if err := rows.Scan(&event, &k.payment, &k.state, &k.duty, &k.accepted, &k.unjudged, &k.order, &k.orderState, &k.reservation, &k.risk, &seconds, &k.address, &k.card,
				&k.provider, &k.ref, &k.key, &k.amount.Minor, &k.amount.Currency, &k.fan, &k.email, &k.orderEnd,
				&v.Event, &v.Fan, &hash, &v.State, &v.Reason, &v.Message, &items, &v.CreatedAt, &v.Deadline); err != nil {
				return err
			}
			k.review, v.ID = time.Duration(seconds)*time.Second, k.reservation
			if err := v.unpack(hash, items); err != nil {
				return err
			}
			d := r.desks[event]
			d.claims = append(d.claims, k)
			d.ledger.add(v)
		}
		return rows.Err()
	})
}

// readLate reads what the fans of claims have whose orders come late: only those
// are asked again whether they may have so many.
func (r *reading) readLate(ctx context.Context, conn *pgx.Conn) error {
	late := map[fanOf]bool{}
	for event, d := range r.desks {
		for _, k := range d.claims {
			if k.orderState == OrderExpired {
				late[fanOf{event, k.fan}] = true
			}
		}
	}
	if len(late) == 0 {
		return nil
	}
	var events, fans []string
	for of := range late {
		events, fans = append(events, string(of.event)), append(fans, string(of.fan))
	}
	rows, err := conn.Query(ctx, selectFans, events, fans)
	if err != nil {
		return err
	}
	return r.readFans(rows)
}

type fanOf struct {
	event ropeline.EventID
	fan   ropeline.FanID
}

// owedToClerk are the payments p that wait for their clerk.
const owedToClerk = "p.duty in ('settle', 'unwind')"

// notHanded leaves out of them the captures that a clerk has handed over, for as
// long as a grip: the payment p of an accepted order o is still owed what it was.
func notHanded(grip string) string {
	return "(p.duty = 'unwind' or o.accepted_at is null or o.accepted_at <= now() - " + grip + "::interval)"
}

// selectFans adds up what each fan of $2 has of its event of $1. It is lateral, and
// fenced by its offset, so that it always is one probe of the index per fan.
const selectFans = `
	select u.event_id, f.* from unnest($1::text[], $2::text[]) as u(event_id, fan_id) cross join lateral (
		select r.fan_id, i.ticket_type, sum(i.quantity - coalesce(i.returned, 0))::int from (
			select r.fan_id, r.items from reservations r
			where r.event_id = u.event_id and r.fan_id = u.fan_id and r.state in ('held', 'converted') offset 0
		) as r, jsonb_to_recordset(r.items) as i(ticket_type text, quantity int, returned int) group by 1, 2
	) as f`

func (l *ledger) add(r Reservation) {
	if _, known := l.reservations[r.ID]; !known {
		l.reservations[r.ID] = &entry{Reservation: r}
	}
}

func (r *reading) readSales(rows pgx.Rows) error {
	var event ropeline.EventID
	var fence, seq int64
	_, err := pgx.ForEachRow(rows, []any{&event, &fence, &seq}, func() error {
		d := r.desks[event]
		d.locked, d.fence, d.ledger.seq = true, fence, seq
		return nil
	})
	return err
}

func (r *reading) readShelves(rows pgx.Rows) error {
	var event ropeline.EventID
	var of ledger // what is the same for all types of an event
	var id ropeline.TicketTypeID
	var s shelf
	_, err := pgx.ForEachRow(rows, []any{&event, &of.opens, &of.closes, &of.across, &of.canceled, &r.now,
		&id, &s.capacity, &s.held, &s.sold, &s.maxPerOrder, &s.maxPerFan, &s.unit.Minor, &s.unit.Currency, &s.opens, &s.closes}, func() error {
		l, each := r.desks[event].ledger, s
		l.opens, l.closes, l.across, l.canceled = of.opens, of.closes, of.across, of.canceled
		l.shelves[id] = &each
		return nil
	})
	return err
}

// eachReservation puts reservations on their events' desks.
func (r *reading) eachReservation(rows pgx.Rows, then func(*desk, Reservation)) error {
	all, err := pgx.CollectRows(rows, scanReservation)
	for i := range all {
		d := r.desks[all[i].Event]
		d.ledger.add(all[i])
		then(d, all[i])
	}
	return err
}

func (r *reading) readReservations(rows pgx.Rows) error {
	return r.eachReservation(rows, func(*desk, Reservation) {})
}

func (r *reading) readOrdered(rows pgx.Rows) error {
	var id ropeline.ReservationID
	_, err := pgx.ForEachRow(rows, []any{&id}, func() error {
		if e := r.desks[id.Event()].ledger.reservations[id]; e != nil {
			e.ordered = true
		}
		return nil
	})
	return err
}

func (r *reading) readDecisions(rows pgx.Rows) error {
	var event ropeline.EventID
	var d decision
	var hash []byte
	_, err := pgx.ForEachRow(rows, []any{&event, &d.letter, &hash, &d.reason, &d.message}, func() error {
		copy(d.hash[:], hash)
		known := d
		if desk := r.desks[event]; desk != nil {
			desk.ledger.decided[d.letter] = &known
		}
		return nil
	})
	return err
}

func (r *reading) readFans(rows pgx.Rows) error {
	var event ropeline.EventID
	var at fanShelf
	var sum int
	_, err := pgx.ForEachRow(rows, []any{&event, &at.fan, &at.ticketType, &sum}, func() error {
		r.desks[event].ledger.fans[at] = sum
		return nil
	})
	return err
}

func encodeItems(items []ReservedItem) string {
	text, _ := json.Marshal(items)
	return string(text)
}
