package checkout

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/checkout/payment"
	"github.com/ropeline/ropeline/internal/groupcommit"
)

// Performed is what came of a payment's duty.
type Performed struct {
	Event ropeline.EventID
	Fan   ropeline.FanID
	Paid  bool // the order has just been paid, its tickets are there
}

// owed is a payment whose duty somebody has taken up.
type owed struct {
	payment    ropeline.PaymentID
	provider   string
	gateway    payment.Provider // nil for NoProvider
	ref, key   string
	state      PaymentState
	duty       Duty
	due        bool       // the duty is this worker's
	looks      *time.Time // the news are this worker's to read until then; nil: not
	attempts   int
	amount     ropeline.Money
	order      ropeline.OrderID
	orderState OrderState
	orderEnd   *time.Time
	event      ropeline.EventID
	fan        ropeline.FanID
	email      string
	now        time.Time
}

// gatewayTime bounds one call to a gateway; it is less than the default grip,
// so that nobody else takes a duty up while its call is under way.
const gatewayTime = 10 * time.Second

// Perform does what a payment is owed: open, ask after, capture or void it, or
// end its review at the deadline.
// A duty that is not due, or that another worker has taken up, is left alone.
// What fails stays owed, and is due again after a growing pause.
func (c *Checkout) Perform(ctx context.Context, id ropeline.PaymentID) (Performed, error) {
	o, found, err := c.takeUp(id)
	if err != nil || !found {
		return Performed{}, err
	}
	done := Performed{Event: o.event, Fan: o.fan}
	// From here on the effect is worth more than the caller's patience.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), gatewayTime+5*time.Second)
	defer cancel()
	if o.provider != NoProvider {
		o.gateway, err = c.gateway(o.provider)
	}
	if err == nil && o.looks != nil {
		err = c.look(ctx, o)
	}
	switch {
	case err != nil || !o.due:
	case o.duty == DutyCreate:
		_, err = c.open(ctx, o)
	case o.duty == DutyWatch:
		err = c.watch(ctx, o)
	case o.duty == DutyReview:
		err = c.endReview(ctx, o)
	case o.duty == DutyCapture:
		done.Paid, err = c.capture(ctx, o)
	case o.duty == DutyVoid:
		err = c.void(ctx, o)
	}
	if err != nil {
		later := c.postpone(ctx, o)
		return done, errors.Join(fmt.Errorf("payment %s, duty %q: %w", o.payment, o.duty, err), later)
	}
	return done, nil
}

// postpone makes what has failed due again after a growing pause.
func (c *Checkout) postpone(ctx context.Context, o owed) error {
	_, err := c.pool.Exec(ctx, `
		with pause as (select now() + least(interval '0.5 seconds' * power(2, least(attempts, 10)), interval '1 minute') as until from payments where id = $1)
		update payments set duty_at = case when $3 and duty = $2 then until else duty_at end,
			look_at = case when look_at = $4 then until else look_at end
		from pause where id = $1`, o.payment, o.duty, o.due, o.looks)
	return err
}

// takeUp makes a due duty, and the reading of news, this worker's for a grip's
// time.
func (c *Checkout) takeUp(id ropeline.PaymentID) (o owed, found bool, err error) {
	err = c.group.Do(groupcommit.Part{Key: string(id), Read: func(batch *pgx.Batch) {
		o, found = owed{}, false
		batch.Queue(`
			with p as (
				select *, coalesce(duty in ('create', 'watch', 'review', 'capture', 'void') and duty_at <= clock_timestamp(), false) as due,
					coalesce(look_at <= clock_timestamp(), false) as looks
				from payments where id = $1 for update
			)
			update payments u set attempts = u.attempts + 1, duty_at = case when p.due then clock_timestamp() + $2::interval else u.duty_at end,
				look_at = case when p.looks then clock_timestamp() + $2::interval else u.look_at end
			from p join orders o on o.id = p.order_id
			where u.id = p.id and (p.due or p.looks)
			returning p.id, p.provider, coalesce(p.provider_ref, ''), p.idempotency_key, p.state, coalesce(p.duty, ''), p.due, case when p.looks then u.look_at end,
				u.attempts, p.amount_minor, p.currency, o.id, o.state, o.ended_at, o.event_id, o.fan_id, o.email, clock_timestamp()`, id, c.options.Grip).
			Query(func(rows pgx.Rows) error {
				_, err := pgx.ForEachRow(rows, []any{&o.payment, &o.provider, &o.ref, &o.key, &o.state, &o.duty, &o.due, &o.looks, &o.attempts, &o.amount.Minor, &o.amount.Currency,
					&o.order, &o.orderState, &o.orderEnd, &o.event, &o.fan, &o.email, &o.now}, func() error { found = true; return nil })
				return err
			})
	}})
	return o, found && err == nil, err
}

// look reads the news that a gateway has told of.
func (c *Checkout) look(ctx context.Context, o owed) error {
	n := news{gateway: o.provider, asked: o.now, looks: o.looks}
	err := n.ask(ctx, o.gateway, o.ref, gatewayTime)
	if payment.Permanent(err) {
		c.log.WarnContext(ctx, "the gateway does not know what it told of", "payment", o.payment, "ref", o.ref, "err", err)
		_, err = c.pool.Exec(ctx, "update payments set look_at = null where id = $1 and look_at = $2", o.payment, o.looks)
		return err
	}
	if err != nil {
		return err
	}
	return c.learn(ctx, o.payment, n)
}

// openNew opens the payment of a new order, which is this caller's duty; a
// failure leaves it to the workers.
func (c *Checkout) openNew(ctx context.Context, p *placing) (*sight, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), gatewayTime+5*time.Second)
	defer cancel()
	o, err := p.owed(), error(nil)
	if o.gateway, err = c.gateway(o.provider); err != nil {
		return nil, err
	}
	s, err := c.open(ctx, o)
	if err != nil {
		return nil, errors.Join(err, c.postpone(ctx, o))
	}
	return s, nil
}

// open creates the intent. The key was written with the row, so a call whose
// answer was lost is repeated without a second intent.
func (c *Checkout) open(ctx context.Context, o owed) (*sight, error) {
	object, err := o.askCreate(ctx)
	if err != nil {
		return nil, err
	}
	if object.Status == payment.StatusFailed {
		c.log.ErrorContext(ctx, "gateway refuses the payment", "payment", o.payment, "reason", object.Decline)
	}
	return c.see(ctx, o.payment, news{gateway: o.provider, object: object, asked: o.now})
}

// watch asks the gateway how a pending payment stands, and gives it up when
// its order has ended long ago.
func (c *Checkout) watch(ctx context.Context, o owed) error {
	n := news{gateway: o.provider, asked: o.now}
	if err := n.ask(ctx, o.gateway, o.ref, gatewayTime); err != nil {
		return err
	}
	if err := c.learn(ctx, o.payment, n); err != nil {
		return err
	}
	next, pause := o.afterWatch(c.options)
	_, err := c.pool.Exec(ctx, `
		update payments set duty = $2, duty_at = now() + $3::interval, attempts = case when $2 = 'void' then 0 else attempts end
		where id = $1 and duty = 'watch'`, o.payment, string(next), pause)
	return err
}

// capture takes the money of an accepted order and issues its tickets.
func (c *Checkout) capture(ctx context.Context, o owed) (paid bool, err error) {
	if o.provider != NoProvider {
		object, err := o.askCapture(ctx)
		if err != nil {
			return false, err
		}
		if object.Status != payment.StatusCaptured {
			return false, c.observe(ctx, o, object)
		}
	}
	return c.recordPaid(o)
}

// recordPaid writes that the money is ours: payment, order, tickets and news
// in one transaction. It does nothing when that was done before.
func (c *Checkout) recordPaid(o owed) (paid bool, err error) {
	var state PaymentState
	var duty Duty
	var orderState OrderState
	var items []byte
	var now time.Time
	err = c.group.Do(groupcommit.Part{Key: string(o.payment), Read: func(batch *pgx.Batch) {
		paid = false
		batch.Queue(`
			select p.state, coalesce(p.duty, ''), o.state, r.items, clock_timestamp()
			from payments p join orders o on o.id = p.order_id join reservations r on r.id = o.reservation_id
			where p.id = $1 for update of p, o`, o.payment).QueryRow(func(row pgx.Row) error { return row.Scan(&state, &duty, &orderState, &items, &now) })
	}, Write: func(batch *pgx.Batch) error {
		if news, err := decidePaid(state, duty, orderState); !news || err != nil {
			return err
		}
		var bought []ReservedItem
		if err := json.Unmarshal(items, &bought); err != nil {
			return err
		}
		batch.Queue("update payments set state = $2, duty = null, changed_at = $3 where id = $1", o.payment, PaymentConfirmed, now)
		batch.Queue("update orders set state = $2, ended_at = $3 where id = $1", o.order, OrderPaid, now)
		tickets := issue(batch, o.order, o.event, o.fan, bought, now)
		batch.Queue(`
			insert into outbox (event_id, kind, subject, payload) values
			($1, 'PaymentConfirmed', $2, jsonb_build_object('payment', $2::text, 'order', $3::text, 'amount_minor', $4::bigint, 'currency', $5::text)),
			($1, 'OrderPaid', $3, jsonb_build_object('order', $3::text, 'fan', $6::text)),
			($1, 'TicketIssued', $3, jsonb_build_object('order', $3::text, 'tickets', $7::text[]))`,
			o.event, o.payment, o.order, o.amount.Minor, o.amount.Currency, o.fan, tickets)
		paid = true
		return nil
	}})
	return paid && err == nil, err
}

// void lets the money of a payment go that will not be used. One that was
// captured all the same is given back.
func (c *Checkout) void(ctx context.Context, o owed) error {
	object, err := o.askVoid(ctx)
	if err != nil {
		return err
	}
	return c.observe(ctx, o, object)
}
