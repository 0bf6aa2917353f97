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
	"github.com/ropeline/ropeline/internal/outbox"
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
	house      string           // as it is called there
	ref, key   string
	state      PaymentState
	duty       Duty
	due        bool       // the duty is this worker's
	handed     bool       // by the clerk: the row says still that it is owed the clerk's word
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

// Taken is a payment whose duty, or the reading of whose news, is the caller's
// for a grip's time.
type Taken struct{ owed owed }

// Perform does what a payment is owed: open, ask after, capture or void it, or
// end its review at the deadline. What fails stays owed, and is due again after
// a growing pause.
func (c *Checkout) Perform(ctx context.Context, taken Taken) (Performed, error) {
	o, err := taken.owed, error(nil)
	done := Performed{Event: o.event, Fan: o.fan}
	// From here on the effect is worth more than the caller's patience.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), gatewayTime+5*time.Second)
	defer cancel()
	if o.provider != NoProvider {
		o.house = c.called
		o.gateway, err = c.gateway(o.provider)
	}
	if err == nil && o.looks != nil {
		err = c.readNews(ctx, o)
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
	was := o.duty
	if o.handed {
		was = DutySettle
	}
	_, err := c.pool.Exec(ctx, `
		with pause as (select now() + least(interval '0.5 seconds' * power(2, least(attempts, 10)), interval '1 minute') as until from payments where id = $1)
		update payments set duty = case when $3 and duty = $5 then $2 else duty end, duty_at = case when $3 and duty in ($2, $5) then until else duty_at end,
			look_at = case when look_at = $4 then until else look_at end
		from pause where id = $1`, o.payment, o.duty, o.due, o.looks, was)
	return err
}

// TakeUp makes up to limit due duties, and news to be read, the caller's for a
// grip's time: the longest waiting first. What another worker has taken up, or
// is writing at this moment, is left alone.
func (c *Checkout) TakeUp(ctx context.Context, limit int) ([]Taken, error) {
	const due, news = "duty in ('create', 'watch', 'review', 'capture', 'void') and duty_at <= clock_timestamp()", "look_at <= clock_timestamp()"
	batch := &pgx.Batch{}
	groupcommit.Lazily(batch) // forgotten, it is due again at once
	var all []Taken
	batch.Queue(`
		with p as (
			select *, coalesce(`+due+`, false) as due, coalesce(`+news+`, false) as looks
			from payments where id = any(array(
				select id from (
					(select id, duty_at as at from payments where duty in ('create', 'watch', 'review', 'capture', 'void') and duty_at <= now() order by duty_at limit $1)
					union all (select id, look_at from payments where look_at <= now() order by look_at limit $1)
				) owed group by id order by min(at) limit $1
			)) and (`+due+" or "+news+`)
			for update skip locked
		)
		update payments u set attempts = u.attempts + 1, duty_at = case when p.due then clock_timestamp() + $2::interval else u.duty_at end,
			look_at = case when p.looks then clock_timestamp() + $2::interval else u.look_at end
		from p join orders o on o.id = p.order_id
		where u.id = p.id
		returning p.id, p.provider, coalesce(p.provider_ref, ''), p.idempotency_key, p.state, coalesce(p.duty, ''), p.due, case when p.looks then u.look_at end,
			u.attempts, p.amount_minor, p.currency, o.id, o.state, o.ended_at, o.event_id, o.fan_id, o.email, clock_timestamp()`, limit, c.options.Grip).Query(func(rows pgx.Rows) (err error) {
		all, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (Taken, error) {
			var o owed
			err := row.Scan(&o.payment, &o.provider, &o.ref, &o.key, &o.state, &o.duty, &o.due, &o.looks, &o.attempts, &o.amount.Minor, &o.amount.Currency,
				&o.order, &o.orderState, &o.orderEnd, &o.event, &o.fan, &o.email, &o.now)
			return Taken{o}, err
		})
		return err
	})
	return all, c.pool.SendBatch(ctx, batch).Close()
}

// readNews reads the news that a gateway has told of.
func (c *Checkout) readNews(ctx context.Context, o owed) error {
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
	o.house = c.called
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
	defer c.capturing.begin(o.payment)()
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

// paying is a payment whose money is ours, on its way into the tables.
type paying struct {
	owed

	state    PaymentState
	duty     Duty
	accepted bool // the order
	stands   OrderState
	items    []byte
	now      time.Time
	paid     bool
}

// recordPaid writes that the money is ours: payment, order, tickets and news
// in one transaction. It does nothing when that was done before.
func (c *Checkout) recordPaid(o owed) (paid bool, err error) {
	p := &paying{owed: o}
	err = c.payings.Do(p)
	return p.paid && err == nil, err
}

func readPayings(batch *pgx.Batch, parts []*paying) {
	of := make(map[ropeline.PaymentID]*paying, len(parts))
	ids := make([]string, len(parts))
	for i, p := range parts {
		*p = paying{owed: p.owed}
		of[p.payment], ids[i] = p, string(p.payment)
	}
	batch.Queue(`
		select p.id, p.state, coalesce(p.duty, ''), o.accepted_at is not null, o.state, r.items, clock_timestamp()
		from payments p join orders o on o.id = p.order_id join reservations r on r.id = o.reservation_id
		where p.id = any($1) order by p.id for update of p, o`, ids).Query(func(rows pgx.Rows) error {
		for rows.Next() {
			var read paying
			if err := rows.Scan(&read.payment, &read.state, &read.duty, &read.accepted, &read.stands, &read.items, &read.now); err != nil {
				return err
			}
			p := of[read.payment]
			p.state, p.duty, p.accepted, p.stands, p.items, p.now = read.state, read.duty, read.accepted, read.stands, read.items, read.now
		}
		return rows.Err()
	})
}

func writePayings(batch *pgx.Batch, parts []*paying) []error {
	refusals := make([]error, len(parts))
	var payments, orders []string
	var times []time.Time
	var tell tidings
	var tickets newTickets
	for i, p := range parts {
		news, err := decidePaid(p.state, p.duty, p.accepted, p.stands)
		if !news || err != nil {
			refusals[i] = err
			continue
		}
		var bought []ReservedItem
		if refusals[i] = json.Unmarshal(p.items, &bought); refusals[i] != nil {
			continue
		}
		payments, orders, times = append(payments, string(p.payment)), append(orders, string(p.order)), append(times, p.now)
		issued := tickets.issue(p.order, p.event, p.fan, bought, p.now)
		tell.add(p.event, outbox.PaymentConfirmed, string(p.payment), outbox.Payment{
			Payment: p.payment, Order: p.order, AmountMinor: p.amount.Minor, Currency: p.amount.Currency,
		})
		tell.add(p.event, outbox.OrderPaid, string(p.order), outbox.Order{Order: p.order, Fan: p.fan})
		tell.add(p.event, outbox.TicketIssued, string(p.order), outbox.Issued{Order: p.order, Tickets: issued})
		p.paid = true
	}
	if len(payments) == 0 {
		return refusals
	}
	batch.Queue(`
		update payments p set state = $1, duty = null, changed_at = u.at
		from unnest($2::text[], $3::timestamptz[]) as u(id, at) where p.id = u.id`, PaymentConfirmed, payments, times)
	batch.Queue(`
		update orders o set state = $1, ended_at = u.at
		from unnest($2::text[], $3::timestamptz[]) as u(id, at) where o.id = u.id`, OrderPaid, orders, times)
	tickets.queue(batch)
	tell.queue(batch)
	return refusals
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
