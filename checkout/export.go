package checkout

import (
	"context"

	"github.com/ropeline/ropeline"
)

// Export is a kind of list that is given out whole, row by row.
type Export string

// The exports of an event.
const (
	ExportOrders   Export = "orders"
	ExportTickets  Export = "tickets"
	ExportPayments Export = "payments" // and refunds
	ExportCheckIns Export = "checkins"
)

// export is a list as SQL. The names of its columns are those of the export;
// one that ends in _minor is an amount in the currency of the column currency.
// Each is written in an order that an index gives, or is sorted by Postgres:
// nothing is gathered here.
var exports = map[Export]string{
	ExportOrders: `
		select o.id as "order", o.created_at as placed_at, o.state, o.email, o.currency, o.total_minor,
			(select coalesce(sum(f.amount_minor), 0) from refunds f where f.payment_id = p.id and f.state <> 'failed')::bigint as refunded_minor,
			(select count(*) from tickets t where t.order_id = o.id and t.state in ('issued', 'checked_in')) as tickets,
			p.state as payment_state, p.provider, p.provider_ref as payment_ref, o.risk_score::float8 as risk_score, o.risk_decision, o.accepted_at, o.ended_at, o.cancel_reason
		from orders o cross join lateral (select id, state, provider, provider_ref from payments where order_id = o.id order by created_at desc limit 1) p
		where o.event_id = $1 order by o.created_at, o.id`,
	ExportTickets: `
		select t.id as ticket, y.name as ticket_type, t.state, t.revision::bigint as revision, t.order_id as "order", coalesce(t.email, o.email) as email, o.currency,
			(select (i->>'unit_minor')::bigint from jsonb_array_elements(r.items) i where i->>'ticket_type' = t.ticket_type_id limit 1) as price_minor,
			t.issued_at, c.scanned_at as checked_in_at, c.gate, t.given_by
		from tickets t join orders o on o.id = t.order_id join reservations r on r.id = o.reservation_id join ticket_types y on y.id = t.ticket_type_id
			left join checkins c on c.ticket_id = t.id and c.revision = t.revision and c.turn = t.turn and c.result = 'accepted'
		where t.event_id = $1 order by t.id`,
	ExportPayments: `
		select * from (
			select 'payment' as kind, p.id, p.order_id as "order", o.email, p.state, p.currency, p.amount_minor, p.provider, p.provider_ref as ref,
				p.card_brand, p.card_last4, '' as reason, '' as "by", p.created_at, p.changed_at
			from payments p join orders o on o.id = p.order_id where p.event_id = $1
			union all
			select 'refund', f.id, p.order_id, o.email, f.state, f.currency, f.amount_minor, p.provider, f.provider_ref, '', '', f.reason, f.asked_by, f.created_at, f.changed_at
			from refunds f join payments p on p.id = f.payment_id join orders o on o.id = p.order_id where p.event_id = $1
		) all_money order by created_at, id`,
	ExportCheckIns: `
		select c.seq, c.result, c.ticket_id as ticket, y.name as ticket_type, t.order_id as "order", c.gate, c.scanned_at, c.recorded_at, c.by as "by", c.reason, c.shown as shown_offline
		from checkins c left join tickets t on t.id = c.ticket_id left join ticket_types y on y.id = t.ticket_type_id
		where c.event_id = $1 order by c.seq`,
}

// Export gives out a list of an event: the names of the columns first, then
// each row as it comes from Postgres, so that however long the list is, one
// row of it is here. A value is nil, a string, an int64, a float64 or a
// time.Time; row must not keep them. What row returns ends the list, and is
// returned. Error: not_found for no such export.
func (c *Checkout) Export(ctx context.Context, event ropeline.EventID, what Export, head func(names []string) error, row func(values []any) error) error {
	sql, known := exports[what]
	if !known {
		return ropeline.Errorf(ropeline.CodeNotFound, "There is no such export.")
	}
	rows, err := c.pool.Query(ctx, sql, event)
	if err != nil {
		return ropeline.Unavailable(err)
	}
	defer rows.Close()
	var names []string
	for _, f := range rows.FieldDescriptions() {
		names = append(names, f.Name)
	}
	if err := head(names); err != nil {
		return err
	}
	for rows.Next() {
		values, err := rows.Values()
		if err != nil {
			return ropeline.Unavailable(err)
		}
		if err := row(values); err != nil {
			return err
		}
	}
	return asError(rows.Err())
}
