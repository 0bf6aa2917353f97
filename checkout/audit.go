package checkout

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ropeline/ropeline"
)

// Violation is a row that contradicts what must always hold.
type Violation struct {
	Invariant string // I1, I6, I7, I8, I9, I10, ledger, stock, order, money, review, transfer or limit
	Subject   string // the id of the row
	Detail    string
}

func (v Violation) String() string {
	return fmt.Sprintf("%s: %s: %s", v.Invariant, v.Subject, v.Detail)
}

// auditGrace is how long a thing may be under way before the audit calls it
// left lying: the limit of I9 for holds.
const auditGrace = "interval '5 seconds'"

// audits recompute the invariants from the rows of one event ($1), each as
// (subject, detail) of what breaks it.
var audits = []struct{ invariant, sql string }{
	{"I1", `select ticket_type_id, format('held %s + sold %s > capacity %s', held, sold, capacity)
		from stock where event_id = $1 and held + sold > capacity`},
	{"stock", `select s.ticket_type_id, format('held %s, its reservations say %s; sold %s, its reservations say %s, its orders say %s',
			s.held, coalesce(r.held, 0), s.sold, coalesce(r.sold, 0), coalesce(r.ordered, 0))
		from stock s left join (
			select i.ticket_type, sum(i.quantity) filter (where r.state = 'held') as held,
				sum(i.quantity - coalesce(i.returned, 0)) filter (where r.state = 'converted') as sold,
				sum(i.quantity - coalesce(i.returned, 0)) filter (where o.accepted_at is not null) as ordered
			from reservations r cross join jsonb_to_recordset(r.items) as i(ticket_type text, quantity int, returned int)
			left join orders o on o.reservation_id = r.id
			where r.event_id = $1 group by 1
		) r on r.ticket_type = s.ticket_type_id
		where s.event_id = $1 and (s.held <> coalesce(r.held, 0) or s.sold <> coalesce(r.sold, 0) or s.sold <> coalesce(r.ordered, 0))`},
	{"I6", `select p.id, 'captured, but its order has no tickets and no refund is under way'
		from payments p join orders o on o.id = p.order_id
		where p.event_id = $1 and p.state = 'confirmed' and p.amount_minor > 0
			and not exists (select from refunds f where f.payment_id = p.id and f.state <> 'failed')
			and not (o.state = 'paid' and exists (select from tickets t where t.order_id = o.id))`},
	{"I6", `select p.id, format('%s of %s kept, and its order is %s', p.amount_minor - f.back, p.amount_minor, o.state)
		from payments p join orders o on o.id = p.order_id
		cross join lateral (select coalesce(sum(f.amount_minor), 0) as back, count(*) as refunds from refunds f where f.payment_id = p.id and f.state <> 'failed') f
		where p.event_id = $1 and p.state = 'confirmed' and o.state <> 'paid' and f.refunds > 0 and f.back < p.amount_minor`},
	{"I6", `select t.id, 'void for money that was to go back, but the refund was refused and nobody has asked again'
		from tickets t join refunds f on f.id = t.refund_id
		where t.event_id = $1 and f.state = 'failed' and not exists (
			select from refunds g where g.payment_id = f.payment_id and g.state <> 'failed' and g.created_at > f.created_at)`},
	{"I6", `select p.id, format('authorized since %s, and owed nothing', p.changed_at) from payments p
		where p.event_id = $1 and p.state = 'authorized' and p.duty is null`},
	{"I7", `select t.id, 'a ticket without a confirmed payment' from tickets t
		where t.event_id = $1 and not exists (select from payments p where p.order_id = t.order_id and p.state = 'confirmed')`},
	{"I7", `select o.id, format('%s with %s tickets for %s bought', o.state, count(t.id) filter (where t.state <> 'transferred'), b.quantity)
		from orders o join reservations r on r.id = o.reservation_id
		cross join lateral (select sum(i.quantity) as quantity from jsonb_to_recordset(r.items) as i(quantity int)) b
		left join tickets t on t.order_id = o.id
		where o.event_id = $1 group by o.id, o.state, b.quantity
		having count(t.id) filter (where t.state <> 'transferred') <> case when o.state = 'paid' or o.state = 'canceled' and bool_or(o.accepted_at is not null) then b.quantity else 0 end`},
	{"transfer", `select t.id, format('%s, but %s in its place', t.state, coalesce(n.id, 'no ticket')) from tickets t left join tickets n on n.given_by = t.id
		where t.event_id = $1 and (t.state = 'transferred') <> (n.id is not null)`},
	{"transfer", `select t.id, 'in the place of a ticket of another order or type, or one whose code is not void' from tickets t join tickets b on b.id = t.given_by
		where t.event_id = $1 and ((t.order_id, t.ticket_type_id) <> (b.order_id, b.ticket_type_id)
			or not exists (select from revocations r where r.ticket_id = b.id and r.revision = b.revision and r.cause = 'transfer'))`},
	{"I8", `select c.ticket_id, format('revision %s, turn %s: %s first scans', c.revision, c.turn, count(*)) from checkins c
		where c.event_id = $1 and c.result = 'accepted' group by c.ticket_id, c.revision, c.turn having count(*) > 1`},
	{"I8", `select t.id, format('the ticket is %s at revision %s, its scans say %s let in and %s undone', t.state, t.revision, s.let_in, s.undone)
		from tickets t cross join lateral (
			select count(*) filter (where c.result = 'accepted') as let_in, count(*) filter (where c.result = 'undone') as undone
			from checkins c where c.ticket_id = t.id and c.revision = t.revision
		) s where t.event_id = $1 and case t.state when 'checked_in' then s.let_in <> s.undone + 1
			when 'revoked' then s.let_in not in (s.undone, s.undone + 1) else s.let_in <> s.undone end`},
	{"I8", `select t.id, format('good at revision %s, but its code is void: %s', t.revision, r.cause) from tickets t join revocations r on r.ticket_id = t.id and r.revision >= t.revision
		where t.event_id = $1 and t.state in ('issued', 'checked_in')`},
	{"I9", `select id, format('deadline %s, ended %s', deadline, coalesce(ended_at::text, 'not yet')) from reservations
		where event_id = $1 and state in ('held', 'converted', 'expired', 'released') and coalesce(ended_at, now()) > deadline + ` + auditGrace},
	{"order", `select o.id, format('the order is %s (accepted: %s), its reservation %s', o.state, o.accepted_at is not null, r.state)
		from orders o join reservations r on r.id = o.reservation_id
		where o.event_id = $1 and (
			(o.accepted_at is not null) <> (r.state = 'converted')
			or o.state = 'pending' and r.state not in ('held', 'converted')
			or o.state = 'paid' and r.state <> 'converted')`},
	{"order", `select o.id, 'paid for an event that was canceled, and nobody ends it' from orders o join events e on e.id = o.event_id
		where o.event_id = $1 and o.state = 'paid' and o.cancel_at is null and e.canceled_at is not null`},
	{"money", `select o.id, format('its items come to %s, the order to %s %s, its payment to %s %s', i.total, o.total_minor, o.currency, p.amount_minor, p.currency)
		from orders o join reservations r on r.id = o.reservation_id join payments p on p.order_id = o.id
		cross join lateral (
			select sum(i.quantity * i.unit_minor) as total, bool_and(i.currency = o.currency) as alike
			from jsonb_to_recordset(r.items) as i(quantity bigint, unit_minor bigint, currency text)
		) i where o.event_id = $1 and (i.total <> o.total_minor or not i.alike or (p.amount_minor, p.currency) <> (o.total_minor, o.currency))`},
	{"review", `select o.id, format('waits for a review (%s), but its payment is %s and owed %s', o.accepted_at is not null, p.state, coalesce(p.duty, 'nothing'))
		from orders o join payments p on p.order_id = o.id
		where o.event_id = $1 and p.state in ('authorized', 'confirmed') and (
			(coalesce(o.risk_decision, '') = 'review') <> (coalesce(p.duty, '') = 'review') and not (o.risk_decision = 'review' and p.duty in ('unwind', 'void'))
			or o.risk_decision = 'review' and o.accepted_at is null and p.duty = 'review')`},
	{"review", `select o.id, format('its review should have ended at %s', o.review_deadline)
		from orders o join payments p on p.order_id = o.id
		where o.event_id = $1 and p.duty = 'review' and o.review_deadline < now() - interval '1 minute'`},
	{"review", `select o.id, 'rejected, and paid all the same' from orders o
		where o.event_id = $1 and o.risk_decision = 'reject' and o.state = 'paid'`},
	{"I10", `select reservation_id, format('%s orders', count(*)) from orders where event_id = $1 group by 1 having count(*) > 1`},
	{"limit", `select r.fan_id, format('%s of %s, at most %s', sum(i.quantity - coalesce(i.returned, 0)), i.ticket_type, t.max_per_fan)
		from reservations r cross join jsonb_to_recordset(r.items) as i(ticket_type text, quantity int, returned int)
		join ticket_types t on t.id = i.ticket_type
		where r.event_id = $1 and r.state in ('held', 'converted') group by r.fan_id, i.ticket_type, t.max_per_fan
		having sum(i.quantity - coalesce(i.returned, 0)) > t.max_per_fan`},
}

// Audit recomputes what must always hold for an event, at each moment of its
// ledger of stock and from its rows as they are now, and returns what breaks it. It takes no locks and may run at any time.
func Audit(ctx context.Context, pool *pgxpool.Pool, event ropeline.EventID) ([]Violation, error) {
	var found []Violation
	err := pgx.BeginTxFunc(ctx, pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		// Right after a sale Postgres has not counted its rows yet, takes tables for
		// small that are not, and would walk the ledger once for each order.
		if _, err := tx.Exec(ctx, "set local enable_nestloop = off"); err != nil {
			return fmt.Errorf("audit: %w", err)
		}
		for _, a := range slices.Concat(ledgerAudits, audits) {
			rows, err := tx.Query(ctx, a.sql, event)
			if err != nil {
				return fmt.Errorf("audit %s: %w", a.invariant, err)
			}
			v := Violation{Invariant: a.invariant}
			if _, err := pgx.ForEachRow(rows, []any{&v.Subject, &v.Detail}, func() error {
				found = append(found, v)
				return nil
			}); err != nil {
				return fmt.Errorf("audit %s: %w", a.invariant, err)
			}
		}
		return nil
	})
	return found, err
}
