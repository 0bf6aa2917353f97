package checkout

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
)

// Till is what an organizer watches of a sale while it runs. It costs a count
// over the event's reservations and orders: ask once for all who look.
type Till struct {
	Reservations map[ReservationState]int64
	Orders       map[OrderState]int64
	Reserved     int64            // fans who ever held something
	Buyers       int64            // fans with a paid order
	Paid         []ropeline.Money // of paid orders, and of those that ended with their money taken; one sum a currency
	Refunded     []ropeline.Money // given back, or on its way
	Failed       int64            // payments that did not go through
	Reviews      int64            // orders that wait for a person
}

// Till reads it, in one round trip.
func (c *Checkout) Till(ctx context.Context, event ropeline.EventID) (Till, error) {
	t := Till{Reservations: map[ReservationState]int64{}, Orders: map[OrderState]int64{}}
	batch := &pgx.Batch{}
	batch.Queue("select state, count(*) from reservations where event_id = $1 group by 1", event).Query(countInto(t.Reservations))
	batch.Queue("select state, count(*) from orders where event_id = $1 group by 1", event).Query(countInto(t.Orders))
	number := func(into *int64, query string) {
		batch.Queue(query, event).QueryRow(func(row pgx.Row) error { return row.Scan(into) })
	}
	number(&t.Reserved, "select count(distinct fan_id) from reservations where event_id = $1 and state <> 'rejected'")
	number(&t.Buyers, "select count(distinct fan_id) from orders where event_id = $1 and state = 'paid'")
	number(&t.Failed, "select count(*) from payments where event_id = $1 and state = 'failed'")
	number(&t.Reviews, `select count(*) from orders o where o.event_id = $1 and o.review_deadline is not null and o.risk_decision = 'review'
		and exists (select from payments p where p.order_id = o.id and p.duty = 'review')`)
	sums := func(into *[]ropeline.Money, query string) {
		batch.Queue(query, event).Query(func(rows pgx.Rows) (err error) {
			*into, err = pgx.CollectRows(rows, pgx.RowToStructByPos[ropeline.Money])
			return err
		})
	}
	sums(&t.Paid, `select sum(o.total_minor)::bigint, o.currency from orders o where o.event_id = $1
		and (o.state = 'paid' or exists (select from payments p where p.order_id = o.id and p.state = 'confirmed')) group by 2 order by 2`)
	sums(&t.Refunded, `select sum(r.amount_minor)::bigint, r.currency from refunds r join payments p on p.id = r.payment_id
		where p.event_id = $1 and r.state <> 'failed' group by 2 order by 2`)
	if err := c.pool.SendBatch(ctx, batch).Close(); err != nil {
		return Till{}, ropeline.Unavailable(err)
	}
	return t, nil
}

// countInto reads rows of a state and how many are in it.
func countInto[S ~string](counts map[S]int64) func(pgx.Rows) error {
	return func(rows pgx.Rows) error {
		var state S
		var n int64
		_, err := pgx.ForEachRow(rows, []any{&state, &n}, func() error { counts[state] = n; return nil })
		return err
	}
}
