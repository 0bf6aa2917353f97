package checkout

import (
	"crypto/sha256"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
)

// placing is an order on its way into the tables. read, judge, write and done
// come one after the other, and may come again from the start.
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

// read takes the lock on the reservation: the clerk waits for it when the hold
// ends at the same moment.
func (o *placing) read(batch *pgx.Batch) {
	*o = placing{asked: o.asked, hash: o.hash, provider: o.provider, grip: o.grip}
	batch.Queue("select "+reservationColumns+" from reservations where id = $1 for update", o.asked.Reservation).Query(func(rows pgx.Rows) error {
		found, err := pgx.CollectRows(rows, scanReservation)
		if len(found) > 0 {
			o.reservation = found[0]
		}
		return err
	})
	batch.Queue(`
		select clock_timestamp(), coalesce(o.id, ''), coalesce(o.idempotency_key, ''), o.request_hash, e.limit_across, e.canceled_at is not null
		from events e left join orders o on o.reservation_id = $1 where e.id = $2`, o.asked.Reservation, o.asked.Reservation.Event()).
		Query(func(rows pgx.Rows) error {
			_, err := pgx.ForEachRow(rows, []any{&o.now, &o.known, &o.usedKey, &o.usedHash, &o.across, &o.canceled}, func() error { return nil })
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

// write queues the order, its payment and the news of it. The payment's key
// for the gateway is written before anybody calls it.
func (o *placing) write(batch *pgx.Batch) error {
	verdict, err := o.asked.first()
	if err != nil {
		return err
	}
	o.order, o.payment = ropeline.NewID[ropeline.OrderID](), ropeline.NewID[ropeline.PaymentID]()
	o.total = o.reservation.Total()
	o.free = o.total.Minor == 0
	provider, duty, grip, attempts := o.provider, DutyCreate, o.grip, 1
	if o.free {
		provider, duty, grip, attempts = NoProvider, DutySettle, 0, 0
	}
	batch.Queue(`
		with o as (
			insert into orders (id, event_id, reservation_id, fan_id, email, state, total_minor, currency, idempotency_key, request_hash, risk_score, risk_reasons, address_key)
			values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, coalesce($12::text[], '{}'), $13) on conflict (fan_id, idempotency_key) do nothing
			returning id, event_id, fan_id, reservation_id, total_minor, currency, created_at
		), p as (
			insert into payments (id, order_id, event_id, provider, idempotency_key, state, amount_minor, currency, duty, duty_at, attempts)
			select $14::text, id, event_id, $15::text, $14::text, 'created', total_minor, currency, $16::text, now() + $17::interval, $18::int from o
		), news as (
			insert into outbox (event_id, kind, subject, payload)
			select event_id, 'OrderPlaced', id, jsonb_build_object('order', id, 'fan', fan_id, 'reservation', reservation_id,
				'total_minor', total_minor, 'currency', currency) from o
		)
		select created_at from o`,
		o.order, o.reservation.Event, o.reservation.ID, o.reservation.Fan, o.asked.Email, OrderPending, o.total.Minor, o.total.Currency, o.asked.Key, o.hash,
		verdict.score, verdict.reasons, AddressKey(o.asked.Email), o.payment, provider, duty, grip, attempts).
		Query(func(rows pgx.Rows) error {
			_, err := pgx.ForEachRow(rows, []any{&o.created}, func() error { o.inserted = true; return nil })
			return err
		})
	if o.free {
		if err := paymentMoves.move(PaymentCreated, PaymentAuthorized); err != nil {
			return err
		}
		batch.Queue("update payments set state = $2, verdict = $3 where id = $1", o.payment, PaymentAuthorized, verdict.final)
	}
	if o.asked.Record != nil {
		o.asked.Record(batch, o.order)
	}
	return nil
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
