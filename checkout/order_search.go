package checkout

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
)

// OrderSearch chooses orders for an organizer; zero fields choose all.
type OrderSearch struct {
	Event         ropeline.EventID
	Organizations []ropeline.OrganizationID // whose events; nil: everybody's
	// Query finds by the id of an order, ticket, fan, payment or refund, by the
	// last eight characters of an order's id, as pages show it, by a ticket's
	// code, by the gateway's name of a payment, or by the beginning of an address.
	Query    string
	State    OrderState
	InReview bool      // waiting for a person
	From, To time.Time // when it was placed; To is not in it
	After    OrderCursor
}

// OrderLine is an order in a list of an organizer's.
type OrderLine struct {
	Order    ropeline.OrderID
	Event    ropeline.EventID
	Fan      ropeline.FanID
	Email    string
	State    OrderState
	Total    ropeline.Money
	Refunded int64 // minor units, asked for or given back
	Payment  PaymentState
	Risk     RiskDecision
	Tickets  int
	Placed   time.Time
}

// OrderCursor is where a page of orders ends; the zero one is before the newest.
type OrderCursor struct {
	Placed time.Time
	Order  ropeline.OrderID
}

const shortID = 8 // characters of an id that pages show

// where writes the search as SQL and the arguments that it names.
func (q OrderSearch) where(c *Checkout) (string, []any) {
	conditions, args := []string{"true"}, []any{}
	add := func(condition string, values ...any) {
		for _, value := range values {
			args = append(args, value)
			condition = strings.Replace(condition, "?", "$"+strconv.Itoa(len(args)), 1)
		}
		conditions = append(conditions, condition)
	}
	if q.Event != "" {
		add("o.event_id = ?", q.Event)
	}
	if q.Organizations != nil {
		add("o.event_id in (select id from events where organization_id = any(?))", q.Organizations)
	}
	if q.State != "" {
		add("o.state = ?", q.State)
	}
	if q.InReview {
		add("o.risk_decision = ?", RiskReview)
	}
	if !q.From.IsZero() {
		add("o.created_at >= ?", q.From)
	}
	if !q.To.IsZero() {
		add("o.created_at < ?", q.To)
	}
	if !q.After.Placed.IsZero() {
		add("(o.created_at, o.id) < (?, ?)", q.After.Placed, q.After.Order)
	}
	text := strings.TrimSpace(q.Query)
	if facts, err := ParseCode(c.keys, strings.ToUpper(text)); err == nil {
		text = string(facts.Ticket)
	}
	lower := strings.ToLower(text)
	switch _, err := ropeline.ParseID[ropeline.OrderID](lower); {
	case text == "":
	case err == nil:
		add(`o.id in (
			select ?::text union select order_id from tickets where id = ? union select order_id from payments where id = ?
			union select p.order_id from refunds f join payments p on p.id = f.payment_id where f.id = ?
			union select id from orders where fan_id = ?)`, lower, lower, lower, lower, lower)
	default:
		begins := strings.NewReplacer(`\`, `\\`, "%", `\%`, "_", `\_`).Replace(lower) + "%"
		add(`o.id in (
			select id from orders where lower(email) like ? union select id from orders where right(id, `+strconv.Itoa(shortID)+`) = ?
			union select order_id from payments where provider_ref = ?)`, begins, lower, text)
	}
	return strings.Join(conditions, " and "), args
}

// Orders lists the orders of a search, the newest first.
func (c *Checkout) Orders(ctx context.Context, q OrderSearch, limit int) ([]OrderLine, error) {
	where, args := q.where(c)
	rows, err := c.pool.Query(ctx, `
		select o.id, o.event_id, o.fan_id, o.email, o.state, o.total_minor, o.currency,
			(select coalesce(sum(f.amount_minor), 0) from refunds f where f.payment_id = p.id and f.state <> 'failed')::bigint,
			p.state, coalesce(o.risk_decision, 'undecided'), (select count(*) from tickets t where t.order_id = o.id and t.state in ('issued', 'checked_in'))::int, o.created_at
		from orders o cross join lateral (select id, state from payments where order_id = o.id order by created_at desc limit 1) p
		where `+where+` order by o.created_at desc, o.id desc limit `+strconv.Itoa(limit), args...)
	if err != nil {
		return nil, ropeline.Unavailable(err)
	}
	lines, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (l OrderLine, err error) {
		return l, row.Scan(&l.Order, &l.Event, &l.Fan, &l.Email, &l.State, &l.Total.Minor, &l.Total.Currency, &l.Refunded, &l.Payment, &l.Risk, &l.Tickets, &l.Placed)
	})
	return lines, asError(err)
}
