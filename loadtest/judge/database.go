package judge

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/loadtest/record"
)

// question is one invariant as SQL. counts says how many rows could break it;
// finds has a sentence for each that does. $1 is the event.
type question struct{ invariant, claim, counts, finds string }

var questions = []question{
	{"I1", "in Postgres: held + sold ≤ capacity, and both are the sum of their reservations",
		`select count(*) from stock where event_id = $1`,
		`with booked as (
			select i->>'ticket_type' as kind,
			       sum((i->>'quantity')::int) filter (where r.state = 'held') as held,
			       sum((i->>'quantity')::int) filter (where r.state = 'converted') as sold
			from reservations r, jsonb_array_elements(r.items) i where r.event_id = $1 group by 1)
		select format('ticket type %s: capacity %s, held %s (reservations: %s), sold %s (reservations: %s)',
		              s.ticket_type_id, s.capacity, s.held, coalesce(b.held, 0), s.sold, coalesce(b.sold, 0))
		from stock s left join booked b on b.kind = s.ticket_type_id
		where s.event_id = $1
		  and (s.held + s.sold > s.capacity or s.held <> coalesce(b.held, 0) or s.sold <> coalesce(b.sold, 0))
		order by s.ticket_type_id`},
	{"I6", "in Postgres: every captured payment has tickets or a refund",
		`select count(*) from payments where event_id = $1 and state = 'confirmed'`,
		`select format('payment %s of %s cents is confirmed; its order %s is %s with %s tickets, and %s cents were refunded', p.id, p.amount_minor, o.id, o.state,
		              (select count(*) from tickets t where t.order_id = o.id and t.state <> 'transferred'), coalesce(r.amount, 0))
		from payments p join orders o on o.id = p.order_id
		left join lateral (select sum(amount_minor) as amount from refunds where payment_id = p.id and state <> 'failed') r on true
		where p.event_id = $1 and p.state = 'confirmed' and coalesce(r.amount, 0) < p.amount_minor
		  and (o.state <> 'paid' or (select count(*) from tickets t where t.order_id = o.id and t.state <> 'transferred') <>
		       (select sum((i->>'quantity')::int) from reservations v, jsonb_array_elements(v.items) i where v.id = o.reservation_id))
		order by p.created_at, p.id`},
	{"I7", "in Postgres: every ticket has a paid order with a captured payment, or a free one",
		`select count(*) from tickets where event_id = $1`,
		`select format('ticket %s belongs to order %s, which is %s with a payment that is %s', t.id, o.id, o.state, coalesce(p.state, 'not there'))
		from tickets t join orders o on o.id = t.order_id
		left join lateral (select max(state) filter (where state = 'confirmed') as confirmed, min(state) as state from payments where order_id = o.id) p on true
		where t.event_id = $1 and not (o.state = 'paid' and (o.total_minor = 0 or p.confirmed is not null)) and o.state <> 'canceled'
		order by t.id`},
	{"I8", "in Postgres: one ticket, one first scan",
		`select count(*) from checkins where event_id = $1 and result = 'accepted'`,
		`select format('ticket %s was accepted %s times in turn %s', ticket_id, count(*), turn) from checkins
		where event_id = $1 and result = 'accepted' group by ticket_id, revision, turn having count(*) > 1 order by ticket_id`},
	{"I10", "in Postgres: one order for each reservation, one payment captured for each order",
		`select count(*) from orders where event_id = $1`,
		`select format('order %s has %s captured payments', order_id, count(*)) from payments
		where event_id = $1 and state = 'confirmed' group by order_id having count(*) > 1 order by order_id`},
	{"I11", "in Postgres: a pass stands behind every reservation, and each pass behind one fan",
		`select count(*) from reservations where event_id = $1`,
		`select format('pass %s stands behind reservations of %s fans', pass_id, count(distinct fan_id)) from reservations
		where event_id = $1 group by pass_id having count(distinct fan_id) > 1 or pass_id = '' order by pass_id`},
}

// Database judges an event by the rows of the house's Postgres. began is the
// zero of the outages' scale, and slack what I9 permits beyond its 5 s. A house
// without one of the tables is not judged by it.
func Database(ctx context.Context, url string, event ropeline.EventID, began time.Time, outages *Outages, slack time.Duration) ([]Verdict, error) {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return nil, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	var verdicts []Verdict
	for _, q := range questions {
		v := Verdict{Invariant: q.invariant, Claim: q.claim, OK: true}
		if err := conn.QueryRow(ctx, q.counts, event).Scan(&v.Checked); err != nil {
			v.Note = fmt.Sprintf("not judged: %v", err)
			verdicts = append(verdicts, v)
			continue
		}
		err := conn.QueryRow(ctx, q.finds, event).Scan(&v.Counterexample)
		switch {
		case errors.Is(err, pgx.ErrNoRows):
		case err != nil:
			v.Note, v.Checked = fmt.Sprintf("not judged: %v", err), 0
		default:
			v.OK = false
		}
		verdicts = append(verdicts, v)
	}
	return append(verdicts, ended(ctx, conn, event, began, outages, slack)), nil
}

// ended judges I9 by when reservations ended.
func ended(ctx context.Context, conn *pgx.Conn, event ropeline.EventID, began time.Time, outages *Outages, slack time.Duration) Verdict {
	var f finding
	may := record.HoldMayOutlast + slack
	rows, err := conn.Query(ctx, `select id, state, deadline, coalesce(ended_at, now()) from reservations
		where event_id = $1 and state in ('held', 'released', 'converted', 'expired') order by deadline, id`, event)
	if err == nil {
		var (
			id, state       string
			deadline, ended time.Time
		)
		_, err = pgx.ForEachRow(rows, []any{&id, &state, &deadline, &ended}, func() error {
			f.checked++
			due := outages.after(deadline.Sub(began).Microseconds(), may)
			if (state == "held" || state == "expired") && ended.Sub(began).Microseconds()-due > may.Microseconds() {
				f.breaks("reservation %s is %s; its deadline was %v, it ended %.1f s after it", id, state, deadline, ended.Sub(deadline).Seconds())
			}
			return nil
		})
	}
	v := f.verdict("I9", "in Postgres: every reservation has ended within 5 s and the slack of its deadline, or of the return of an engine that was away")
	if err != nil {
		v.Note, v.Checked = fmt.Sprintf("not judged: %v", err), 0
	}
	return v
}

// Held waits until no reservation of the event is held, or patience ends: what
// is judged then is the end of a sale and not its middle.
func Held(ctx context.Context, url string, event ropeline.EventID, patience time.Duration) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	for began := time.Now(); time.Since(began) < patience; {
		var open int
		err := conn.QueryRow(ctx, `select (select count(*) from reservations where event_id = $1 and state = 'held')
			+ (select count(*) from payments where event_id = $1 and duty is not null and duty <> 'watch')`, event).Scan(&open)
		if err != nil || open == 0 {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(250 * time.Millisecond):
		}
	}
	return nil
}
