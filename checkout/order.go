package checkout

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

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
	Tickets     []Ticket // once paid; not those that were given to others, but those in whose place they came
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
	// Note (may be nil) is given to Options.Record with a new order.
	Note any
}

// Place is PlaceOrder with what is thought of the order.
func (c *Checkout) Place(ctx context.Context, p Placing) (Order, error) {
	fan, reservation := p.Fan, p.Reservation
	email, err := ParseEmail(p.Email)
	if err != nil {
		return Order{}, err
	}
	if err := checkKey(p.Key); err != nil {
		return Order{}, err
	}
	p.Email = email
	o, err := c.writeOrder(ctx, p)
	if err != nil {
		return Order{}, asError(err)
	}
	switch {
	case o.payment != "" && o.free:
		c.nudgeSoon(ctx, reservation.Event())
	case o.payment != "":
		// The row is ours for a grip's time, nobody else opens the intent.
		opened, err := c.openNew(ctx, o)
		if err != nil {
			c.log.WarnContext(ctx, "payment not opened yet", "order", o.order, "err", err)
		}
		if opened != nil && opened.stands() == PaymentPending {
			return o.opened(opened), nil
		}
	}
	return c.Order(ctx, o.order, fan)
}

// writeOrder is the transaction of a new order, shared with other orders where the
// event allows that.
func (c *Checkout) writeOrder(ctx context.Context, p Placing) (*placing, error) {
	o := c.newPlacing(p)
	err := c.placings.Do(o)
	if err == errAlone {
		err = pgx.BeginFunc(ctx, c.pool, func(tx pgx.Tx) (err error) {
			o, err = c.place(ctx, tx, p)
			return err
		})
		return o, err
	}
	if err == nil {
		err = o.done()
	}
	return o, err
}

// errAlone: orders of one address wait for each other, which they cannot do in
// one transaction.
var errAlone = errors.New("checkout: this order needs a transaction of its own")

// place is writeOrder in a transaction of the caller's.
func (c *Checkout) place(ctx context.Context, tx pgx.Tx, p Placing) (*placing, error) {
	o := c.newPlacing(p)
	batch := &pgx.Batch{}
	batch.Queue("set local idle_in_transaction_session_timeout = '3s'") // see groupcommit
	readPlacings(batch, []*placing{o})
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return nil, err
	}
	if err := o.judge(); err != nil || o.order != "" {
		return o, err
	}
	if o.across.Address() {
		if err := c.checkAddress(ctx, tx, o.reservation, ropeline.AddressKey(p.Email)); err != nil {
			return nil, err
		}
	}
	batch = &pgx.Batch{}
	var err error
	if o.verdict, err = o.asked.first(); err != nil {
		return nil, err
	}
	c.queuePlacings(batch, []*placing{o})
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return nil, err
	}
	return o, o.done()
}

// Noted is a new order and the Note that came with it.
type Noted struct {
	Order ropeline.OrderID
	Note  any
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
		o.Tickets, err = c.ownTickets(ctx, id)
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
