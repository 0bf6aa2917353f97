package checkout

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/ropeline/ropeline"
)

// Order is a fan's purchase of a reservation.
type Order struct {
	ID          ropeline.OrderID
	Event       ropeline.EventID
	Reservation ropeline.ReservationID
	Fan         ropeline.FanID
	Email       string
	State       OrderState
	Total       ropeline.Money
	Items       []ReservedItem
	CreatedAt   time.Time
	Deadline    time.Time // of the hold; to be paid before
	Payment     Payment
	Risk        RiskDecision
	Tickets     []Ticket // once paid
	Refunds     []Refund
	Reason      ropeline.Code // why the tickets could not be given although the money was there
	Message     string        // the same for people
}

// Payment is the payment of an order as its fan sees it.
type Payment struct {
	ID           ropeline.PaymentID
	Provider     string // "none" for an order that costs nothing
	Ref          string // the gateway's name for it; empty until the gateway knows it
	State        PaymentState
	ClientSecret string // lets the fan's browser pay at the gateway
	Failure      string // why the last attempt was declined
	Amount       ropeline.Money
	Disputes     []Dispute // the payer's complaints at the bank, the newest first
}

// NoProvider is the provider's name of a payment over nothing.
const NoProvider = "none"

// PlaceOrder orders a held reservation and opens its payment. The same key
// again gives the same order, at once or years later.
//
// Errors: reservation_not_found, reservation_expired, reservation_ended,
// order_exists (with another key), idempotency_key_reused, invalid_email,
// invalid_idempotency_key. A gateway that does not answer is no error: the
// order is there, its payment is "created", and a worker opens it.
func (c *Checkout) PlaceOrder(ctx context.Context, fan ropeline.FanID, reservation ropeline.ReservationID, email, key string) (Order, error) {
	return c.Place(ctx, Placing{Fan: fan, Reservation: reservation, Email: email, Key: key})
}

// Placing asks for an order.
type Placing struct {
	Fan         ropeline.FanID
	Reservation ropeline.ReservationID
	Email       string
	Key         string // the fan's Idempotency-Key

	// Verdict is what is thought of the order before anything is known of its
	// payment. Only an order that costs nothing is decided by it.
	Verdict *Verdict
	// Record (may be nil) writes in the transaction of a new order.
	Record func(batch *pgx.Batch, order ropeline.OrderID)
}

// Place is PlaceOrder with what is thought of the order.
func (c *Checkout) Place(ctx context.Context, p Placing) (Order, error) {
	fan, reservation, key := p.Fan, p.Reservation, p.Key
	email, err := ParseEmail(p.Email)
	if err != nil {
		return Order{}, err
	}
	if err := checkKey(key); err != nil {
		return Order{}, err
	}
	p.Email = email
	var placed placing
	err = pgx.BeginFunc(ctx, c.pool, func(tx pgx.Tx) (err error) {
		placed, err = c.place(ctx, tx, p)
		return err
	})
	if err != nil {
		return Order{}, asError(err)
	}
	switch {
	case placed.payment != "" && placed.free:
		c.nudgeSoon(ctx, reservation.Event())
	case placed.payment != "":
		// The row is ours for a grip's time, nobody else opens the intent.
		if _, err := c.perform(ctx, placed.payment, true); err != nil {
			c.log.WarnContext(ctx, "payment not opened yet", "order", placed.order, "err", err)
		}
	}
	return c.Order(ctx, placed.order, fan)
}

// placing is what place did: an order, and a payment when both are new.
type placing struct {
	order   ropeline.OrderID
	payment ropeline.PaymentID
	free    bool
}

func (c *Checkout) place(ctx context.Context, tx pgx.Tx, p Placing) (placing, error) {
	fan, reservation, email, key := p.Fan, p.Reservation, p.Email, p.Key
	sum := sha256.Sum256([]byte(string(reservation) + "\x00" + email))
	hash := sum[:8]
	var r Reservation
	var now time.Time
	var order ropeline.OrderID
	var usedKey string
	var usedHash []byte
	var across ropeline.Across
	var canceled bool
	batch := &pgx.Batch{}
	// The clerk waits for this lock when the hold ends at the same moment, so
	// a node that stalls here must lose it.
	batch.Queue("set local idle_in_transaction_session_timeout = '3s'")
	batch.Queue("select "+reservationColumns+" from reservations where id = $1 for update", reservation).Query(func(rows pgx.Rows) (err error) {
		r, err = pgx.CollectExactlyOneRow(rows, scanReservation)
		return err
	})
	batch.Queue("select clock_timestamp()").QueryRow(func(row pgx.Row) error { return row.Scan(&now) })
	batch.Queue("select id, idempotency_key, request_hash from orders where reservation_id = $1", reservation).Query(func(rows pgx.Rows) error {
		_, err := pgx.ForEachRow(rows, []any{&order, &usedKey, &usedHash}, func() error { return nil })
		return err
	})
	batch.Queue("select limit_across, canceled_at is not null from events where id = $1", reservation.Event()).QueryRow(func(row pgx.Row) error {
		if err := row.Scan(&across, &canceled); !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		return nil
	})
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		if errors.Is(err, pgx.ErrNoRows) {
			return placing{}, errNoReservation
		}
		return placing{}, err
	}
	var known *knownOrder
	if order != "" {
		known = &knownOrder{key: usedKey, same: string(usedHash) == string(hash)}
	}
	if again, refusal := decidePlace(r, fan, now, known, key, canceled); refusal != nil {
		return placing{}, refusal
	} else if again {
		return placing{order: order}, nil
	}
	if across.Address() {
		if err := c.checkAddress(ctx, tx, r, AddressKey(p.Email)); err != nil {
			return placing{}, err
		}
	}
	return c.insertOrder(ctx, tx, r, p, hash)
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

func (c *Checkout) insertOrder(ctx context.Context, tx pgx.Tx, r Reservation, asked Placing, hash []byte) (placing, error) {
	verdict, err := asked.first()
	if err != nil {
		return placing{}, err
	}
	p := placing{order: ropeline.NewID[ropeline.OrderID](), payment: ropeline.NewID[ropeline.PaymentID]()}
	total := r.Total()
	p.free = total.Minor == 0
	provider, duty, owner := c.gateways[0].Name(), DutyCreate, c.options.Grip
	if p.free {
		provider, duty, owner = NoProvider, DutySettle, 0
	}
	inserted := false
	batch := &pgx.Batch{}
	batch.Queue(`
		insert into orders (id, event_id, reservation_id, fan_id, email, state, total_minor, currency, idempotency_key, request_hash, risk_score, risk_reasons, address_key)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, coalesce($12::text[], '{}'), $13) on conflict (fan_id, idempotency_key) do nothing`,
		p.order, r.Event, r.ID, r.Fan, asked.Email, OrderPending, total.Minor, total.Currency, asked.Key, hash, verdict.score, verdict.reasons, AddressKey(asked.Email))
	batch.Queue(`
		insert into payments (id, order_id, event_id, provider, idempotency_key, state, amount_minor, currency, duty, duty_at)
		select $1::text, id, event_id, $3::text, $1::text, 'created', total_minor, currency, $4::text, now() + $5::interval from orders where id = $2`,
		p.payment, p.order, provider, duty, owner)
	if p.free {
		if err := paymentMoves.move(PaymentCreated, PaymentAuthorized); err != nil {
			return placing{}, err
		}
		batch.Queue("update payments set state = $2, verdict = $3 where id = $1", p.payment, PaymentAuthorized, verdict.final)
	}
	batch.Queue(`
		insert into outbox (event_id, kind, subject, payload)
		select event_id, 'OrderPlaced', id, jsonb_build_object('order', id, 'fan', fan_id, 'reservation', reservation_id,
			'total_minor', total_minor, 'currency', currency) from orders where id = $1`, p.order).
		Exec(func(tag pgconn.CommandTag) error {
			inserted = tag.RowsAffected() == 1
			return nil
		})
	if asked.Record != nil {
		asked.Record(batch, p.order)
	}
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return placing{}, err
	}
	if !inserted {
		// The key names an order of another reservation.
		return placing{}, errKeyReused
	}
	return p, nil
}

// UnderReview tells whether a person looks at the order before it is charged.
func (o Order) UnderReview() bool {
	return o.Risk == RiskReview && o.Payment.State == PaymentAuthorized
}

// Order reads an order of a fan with its payment and tickets; another fan's is
// order_not_found.
func (c *Checkout) Order(ctx context.Context, id ropeline.OrderID, fan ropeline.FanID) (Order, error) {
	var o Order
	var items []byte
	var disputed bool
	err := c.pool.QueryRow(ctx, `
		select o.id, o.event_id, o.reservation_id, o.fan_id, o.email, o.state, o.total_minor, o.currency, o.created_at, o.reason, o.message,
			r.items, r.deadline, p.id, p.provider, coalesce(p.provider_ref, ''), p.state, p.client_secret, p.failure, p.amount_minor, p.currency, coalesce(o.risk_decision, 'undecided'),
			exists (select from disputes d where d.payment_id = p.id)
		from orders o join reservations r on r.id = o.reservation_id
		join payments p on p.order_id = o.id
		where o.id = $1 order by p.created_at desc limit 1`, id).
		Scan(&o.ID, &o.Event, &o.Reservation, &o.Fan, &o.Email, &o.State, &o.Total.Minor, &o.Total.Currency, &o.CreatedAt, &o.Reason, &o.Message,
			&items, &o.Deadline, &o.Payment.ID, &o.Payment.Provider, &o.Payment.Ref, &o.Payment.State, &o.Payment.ClientSecret,
			&o.Payment.Failure, &o.Payment.Amount.Minor, &o.Payment.Amount.Currency, &o.Risk, &disputed)
	if errors.Is(err, pgx.ErrNoRows) || err == nil && o.Fan != fan {
		return Order{}, ropeline.Errorf(ropeline.CodeOrderNotFound, "There is no such order.")
	}
	if err == nil {
		err = json.Unmarshal(items, &o.Items)
	}
	if err != nil {
		return Order{}, asError(err)
	}
	if disputed {
		if o.Payment.Disputes, err = c.disputesOf(ctx, o.Payment.ID); err != nil {
			return Order{}, asError(err)
		}
	}
	if o.State == OrderPaid || o.State == OrderCanceled {
		o.Tickets, err = c.tickets(ctx, "t.order_id = $1", id)
	}
	if err == nil && (o.Payment.State == PaymentConfirmed || o.State == OrderCanceled) {
		o.Refunds, err = c.refundsOf(ctx, id)
	}
	return o, err
}

// asError keeps an error that the caller may see, and makes any other one a
// failure of the engine.
func asError(err error) error {
	if err == nil || ropeline.CodeOf(err) != ropeline.CodeInternal {
		return err
	}
	return ropeline.Unavailable(err)
}
