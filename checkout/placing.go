package checkout

import (
	"crypto/sha256"
	"encoding/json"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
)

// placing is an order on its way into the tables: it is read, judged and
// written together with others, and may be again from the start.
type placing struct {
	asked    Placing
	hash     []byte
	provider string
	grip     time.Duration // for which the opening of the payment is ours

	reservation Reservation
	now         time.Time
	known       ropeline.OrderID // that the reservation has
	usedKey     string
	usedHash    []byte
	across      ropeline.Across
	canceled    bool

	verdict  firstVerdict
	order    ropeline.OrderID   // the new one, or the known one that was meant
	payment  ropeline.PaymentID // empty: nothing is new
	total    ropeline.Money
	free     bool
	inserted bool
	created  time.Time
}

func (c *Checkout) newPlacing(p Placing) *placing {
	sum := sha256.Sum256([]byte(string(p.Reservation) + "\x00" + p.Email))
	return &placing{asked: p, hash: sum[:8], provider: c.gateways[0].Name(), grip: c.options.Grip}
}

// again forgets what was read and written by a try before.
func (o *placing) again() {
	*o = placing{asked: o.asked, hash: o.hash, provider: o.provider, grip: o.grip}
}

// readPlacings takes the locks on the reservations: the clerk waits for them
// when a hold ends at the same moment.
func readPlacings(batch *pgx.Batch, parts []*placing) {
	of := make(map[ropeline.ReservationID]*placing, len(parts))
	ids, events := make([]string, len(parts)), make([]string, len(parts))
	for i, o := range parts {
		o.again()
		of[o.asked.Reservation] = o
		ids[i], events[i] = string(o.asked.Reservation), string(o.asked.Reservation.Event())
	}
	batch.Queue("select "+reservationColumns+" from reservations where id = any($1) order by id for update", ids).Query(func(rows pgx.Rows) error {
		found, err := pgx.CollectRows(rows, scanReservation)
		for i := range found {
			of[found[i].ID].reservation = found[i]
		}
		return err
	})
	batch.Queue(`
		select u.id, clock_timestamp(), coalesce(o.id, ''), coalesce(o.idempotency_key, ''), o.request_hash, e.limit_across, e.canceled_at is not null
		from unnest($1::text[], $2::text[]) as u(id, event) join events e on e.id = u.event left join orders o on o.reservation_id = u.id`, ids, events).
		Query(func(rows pgx.Rows) error {
			var id ropeline.ReservationID
			var read placing
			_, err := pgx.ForEachRow(rows, []any{&id, &read.now, &read.known, &read.usedKey, &read.usedHash, &read.across, &read.canceled}, func() error {
				o := of[id]
				o.now, o.known, o.usedKey, o.usedHash, o.across, o.canceled = read.now, read.known, read.usedKey, read.usedHash, read.across, read.canceled
				read.usedHash = nil
				return nil
			})
			return err
		})
}

// judge says whether the order can be placed. One that was placed before under
// the same key is the order.
func (o *placing) judge() error {
	if o.reservation.ID == "" {
		return errNoReservation
	}
	var known *knownOrder
	if o.known != "" {
		known = &knownOrder{key: o.usedKey, same: string(o.usedHash) == string(o.hash)}
	}
	again, refusal := decidePlace(o.reservation, o.asked.Fan, o.now, known, o.asked.Key, o.canceled)
	if again {
		o.order = o.known
	}
	return refusal
}

// knownOrder is the order that a reservation has already.
type knownOrder struct {
	key  string
	same bool // it was asked for with the same words
}

// decidePlace says whether a reservation may be ordered: anew, or again with
// the same key, which gives the order that is there.
func decidePlace(r Reservation, fan ropeline.FanID, now time.Time, known *knownOrder, key string, canceled bool) (again bool, refusal error) {
	switch {
	case r.Fan != fan:
		return false, errNoReservation
	case known != nil && known.key == key && known.same:
		return true, nil
	case known != nil && known.key == key:
		return false, errKeyReused
	case known != nil:
		return false, ropeline.Errorf(ropeline.CodeOrderExists, "This reservation has an order already.")
	case r.State == ReservationExpired, r.State == ReservationHeld && !now.Before(r.Deadline):
		return false, ropeline.Errorf(ropeline.CodeReservationExpired, "The reservation has run out.")
	case r.State != ReservationHeld:
		return false, ropeline.Errorf(ropeline.CodeReservationEnded, "The reservation has ended: it is %s.", r.State)
	case canceled:
		return false, ropeline.Errorf(ropeline.CodeSaleClosed, "The event was canceled.")
	}
	return false, nil
}

// writePlacings is the Write of the orders that share a transaction.
func (c *Checkout) writePlacings(batch *pgx.Batch, parts []*placing) []error {
	refusals := make([]error, len(parts))
	var fit []*placing
	for i, o := range parts {
		switch refusals[i] = o.judge(); {
		case refusals[i] != nil || o.order != "":
		case o.across.Address():
			refusals[i] = errAlone
		default:
			if o.verdict, refusals[i] = o.asked.first(); refusals[i] == nil {
				fit = append(fit, o)
			}
		}
	}
	c.queuePlacings(batch, fit)
	return refusals
}

// queuePlacings queues the orders, their payments and the news of them. The
// payments' keys for the gateway are written before anybody calls it.
func (c *Checkout) queuePlacings(batch *pgx.Batch, parts []*placing) {
	n := len(parts)
	if n == 0 {
		return
	}
	of := make(map[ropeline.OrderID]*placing, n)
	orders, events, reservations, fans, emails := make([]string, n), make([]string, n), make([]string, n), make([]string, n), make([]string, n)
	totals, currencies, keys, hashes := make([]int64, n), make([]string, n), make([]string, n), make([][]byte, n)
	scores, reasons, addresses := make([]*float64, n), make([]string, n), make([]string, n)
	payments, providers, duties, grips, attempts := make([]string, n), make([]string, n), make([]string, n), make([]time.Duration, n), make([]int32, n)
	var free, verdicts []string
	var notes []Noted
	for i, o := range parts {
		o.order, o.payment = ropeline.NewID[ropeline.OrderID](), ropeline.NewID[ropeline.PaymentID]()
		o.total = o.reservation.Total()
		o.free = o.total.Minor == 0
		of[o.order] = o
		orders[i], events[i], reservations[i], fans[i], emails[i] = string(o.order), string(o.reservation.Event), string(o.reservation.ID), string(o.reservation.Fan), o.asked.Email
		totals[i], currencies[i], keys[i], hashes[i] = o.total.Minor, o.total.Currency, o.asked.Key, o.hash
		scores[i], reasons[i], addresses[i] = o.verdict.score, encodeReasons(o.verdict.reasons), ropeline.AddressKey(o.asked.Email)
		payments[i], providers[i], duties[i], grips[i], attempts[i] = string(o.payment), o.provider, string(DutyCreate), o.grip, 1
		if o.free {
			providers[i], duties[i], grips[i], attempts[i] = NoProvider, string(DutySettle), 0, 0
			free, verdicts = append(free, string(o.payment)), append(verdicts, string(o.verdict.final))
		}
		if o.asked.Note != nil {
			notes = append(notes, Noted{o.order, o.asked.Note})
		}
	}
	batch.Queue(`
		with u as (
			select * from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::text[], $8::text[], $9::bytea[],
				$10::float8[], $11::text[], $12::text[], $13::text[], $14::text[], $15::text[], $16::interval[], $17::int[])
				as u(id, event, reservation, fan, email, total, currency, key, hash, score, reasons, address, payment, provider, duty, grip, attempts)
		), o as (
			insert into orders (id, event_id, reservation_id, fan_id, email, state, total_minor, currency, idempotency_key, request_hash, risk_score, risk_reasons, address_key)
			select id, event, reservation, fan, email, '`+string(OrderPending)+`', total, currency, key, hash, score,
				case reasons when '[]' then '{}' else array(select jsonb_array_elements_text(reasons::jsonb)) end, address from u
			on conflict (fan_id, idempotency_key) do nothing
			returning id, created_at
		), p as (
			insert into payments (id, order_id, event_id, provider, idempotency_key, state, amount_minor, currency, duty, duty_at, attempts)
			select u.payment, u.id, u.event, u.provider, u.payment, '`+string(PaymentCreated)+`', u.total, u.currency, u.duty, now() + u.grip, u.attempts
			from u join o on o.id = u.id
		), news as (
			insert into outbox (event_id, kind, subject, payload)
			select u.event, 'OrderPlaced', u.id, jsonb_build_object('order', u.id, 'fan', u.fan, 'reservation', u.reservation, 'total_minor', u.total, 'currency', u.currency)
			from u join o on o.id = u.id
		)
		select id, created_at from o`,
		orders, events, reservations, fans, emails, totals, currencies, keys, hashes, scores, reasons, addresses, payments, providers, duties, grips, attempts).
		Query(func(rows pgx.Rows) error {
			var id ropeline.OrderID
			var at time.Time
			_, err := pgx.ForEachRow(rows, []any{&id, &at}, func() error {
				of[id].inserted, of[id].created = true, at
				return nil
			})
			return err
		})
	if len(free) > 0 {
		batch.Queue(`
			update payments p set state = '`+string(PaymentAuthorized)+`', verdict = nullif(u.verdict, '')::jsonb
			from unnest($1::text[], $2::text[]) as u(id, verdict) where p.id = u.id`, free, verdicts)
	}
	if len(notes) > 0 && c.options.Record != nil {
		c.options.Record(batch, notes)
	}
}

// encodeReasons writes reasons as JSON: a column of arrays cannot be handed over.
func encodeReasons(reasons []string) string {
	if len(reasons) == 0 {
		return "[]"
	}
	text, _ := json.Marshal(reasons)
	return string(text)
}

// done is what is wrong all the same: the key names an order of another
// reservation, and nothing was written.
func (o *placing) done() error {
	if o.payment != "" && !o.inserted {
		return errKeyReused
	}
	return nil
}

// owed is the new payment, whose opening is ours.
func (o *placing) owed() owed {
	return owed{
		payment: o.payment, provider: o.provider, key: string(o.payment), state: PaymentCreated, duty: DutyCreate, due: true, attempts: 1, amount: o.total,
		order: o.order, orderState: OrderPending, event: o.reservation.Event, fan: o.reservation.Fan, email: o.asked.Email, now: o.now,
	}
}

// opened is the new order with its payment as the gateway has opened it.
func (o *placing) opened(s *sight) Order {
	return Order{
		ID: o.order, Event: o.reservation.Event, Reservation: o.reservation.ID, Fan: o.reservation.Fan, Email: o.asked.Email, State: OrderPending,
		Total: o.total, Items: o.reservation.Items, CreatedAt: o.created, Deadline: o.reservation.Deadline, Risk: RiskUndecided,
		Payment: Payment{
			ID: o.payment, Provider: o.provider, Ref: s.news.object.Ref, State: s.stands(), ClientSecret: s.news.object.ClientSecret,
			Failure: s.news.object.Decline, Amount: o.total,
		},
	}
}
