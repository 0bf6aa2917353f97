package checkout

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/checkout/payment"
)

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

// Orders lists orders for an organizer, the newest first, after a cursor: of
// one event, or with "" of all events of the organizations (nil: of every one). query finds by the id of an order, ticket, fan
// or payment, or by the beginning of an e-mail address.
func (c *Checkout) Orders(ctx context.Context, event ropeline.EventID, organizations []ropeline.OrganizationID, query string, after OrderCursor, limit int) ([]OrderLine, error) {
	query = strings.ToLower(strings.TrimSpace(query))
	where := "true"
	switch _, err := ropeline.ParseID[ropeline.OrderID](query); {
	case query == "":
		where = "$2::text is not null" // so that the parameter has a type
	case err == nil:
		where = `o.id in (
			select $2::text union select order_id from tickets where id = $2 union select order_id from payments where id = $2
			union select id from orders where fan_id = $2)`
	default:
		query = strings.NewReplacer(`\`, `\\`, "%", `\%`, "_", `\_`).Replace(query) + "%"
		where = "lower(o.email) like $2"
	}
	var before *time.Time
	if !after.Placed.IsZero() {
		before = &after.Placed
	}
	rows, err := c.pool.Query(ctx, `
		select o.id, o.event_id, o.fan_id, o.email, o.state, o.total_minor, o.currency,
			(select coalesce(sum(f.amount_minor), 0) from refunds f where f.payment_id = p.id and f.state <> 'failed')::bigint,
			p.state, coalesce(o.risk_decision, 'undecided'), (select count(*) from tickets t where t.order_id = o.id and t.state <> 'revoked')::int, o.created_at
		from orders o cross join lateral (select id, state from payments where order_id = o.id order by created_at desc limit 1) p
		where ($1 = '' or o.event_id = $1) and ($6::text[] is null or o.event_id in (select id from events where organization_id = any($6))) and `+where+` and ($3::timestamptz is null or (o.created_at, o.id) < ($3, $4))
		order by o.created_at desc, o.id desc limit $5`, event, query, before, after.Order, limit, organizations)
	if err != nil {
		return nil, ropeline.Unavailable(err)
	}
	lines, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (l OrderLine, err error) {
		return l, row.Scan(&l.Order, &l.Event, &l.Fan, &l.Email, &l.State, &l.Total.Minor, &l.Total.Currency, &l.Refunded, &l.Payment, &l.Risk, &l.Tickets, &l.Placed)
	})
	return lines, asError(err)
}

// OrderFile is all that the house knows of an order.
type OrderFile struct {
	Order
	AcceptedAt, EndedAt *time.Time
	CancelAt            *time.Time
	CancelBy            string
	Hold                Reservation
	HoldEndedAt         *time.Time
	Payments            []PaymentFile
	Disputes            []Dispute
	Returns             []StockReturn
	News                []News // domain events, oldest first
	History             map[string][]StateAt
}

// PaymentFile is a payment as an organizer sees it.
type PaymentFile struct {
	Payment
	Duty      Duty
	Card      payment.Card
	RiskScore *int
	CreatedAt time.Time
}

// StateAt is a state and when it began.
type StateAt struct {
	State string    `json:"state"`
	At    time.Time `json:"at"`
}

// StockReturn is stock of the order that was, or is to be, put back on sale.
type StockReturn struct {
	Items  []ropeline.Item `json:"items"`
	By     string          `json:"by"`
	At     time.Time       `json:"at"`
	DoneAt *time.Time      `json:"done_at,omitempty"`
}

// News is a domain event.
type News struct {
	Seq     int64           `json:"seq"`
	Kind    string          `json:"kind"`
	Subject string          `json:"subject"`
	At      time.Time       `json:"at"`
	Payload json.RawMessage `json:"payload"`
}

const mostNews = 500 // of one order's file

// OrderFile reads everything about an order, for an organizer: order_not_found.
func (c *Checkout) OrderFile(ctx context.Context, id ropeline.OrderID) (f OrderFile, err error) {
	var fan ropeline.FanID
	err = c.pool.QueryRow(ctx, "select fan_id, accepted_at, ended_at, cancel_at, cancel_by from orders where id = $1", id).
		Scan(&fan, &f.AcceptedAt, &f.EndedAt, &f.CancelAt, &f.CancelBy)
	if errors.Is(err, pgx.ErrNoRows) {
		return f, ropeline.Errorf(ropeline.CodeOrderNotFound, "There is no such order.")
	}
	if err != nil {
		return f, ropeline.Unavailable(err)
	}
	if f.Order, err = c.Order(ctx, id, fan); err != nil {
		return f, err
	}
	f.History = map[string][]StateAt{}
	batch := &pgx.Batch{}
	batch.Queue("select "+reservationColumns+", ended_at from reservations where id = $1", f.Reservation).QueryRow(func(row pgx.Row) error {
		var items, hash []byte
		h := &f.Hold
		if err := row.Scan(&h.ID, &h.Event, &h.Fan, &hash, &h.State, &h.Reason, &h.Message, &items, &h.CreatedAt, &h.Deadline, &f.HoldEndedAt); err != nil {
			return err
		}
		return json.Unmarshal(items, &h.Items)
	})
	batch.Queue(`
		select id, provider, coalesce(provider_ref, ''), state, failure, amount_minor, currency, coalesce(duty, ''),
			card_fingerprint, card_brand, card_last4, card_country, risk_score, created_at
		from payments where order_id = $1 order by created_at`, id).Query(func(rows pgx.Rows) (err error) {
		f.Payments, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (p PaymentFile, err error) {
			return p, row.Scan(&p.ID, &p.Provider, &p.Ref, &p.State, &p.Failure, &p.Amount.Minor, &p.Amount.Currency, &p.Duty,
				&p.Card.Fingerprint, &p.Card.Brand, &p.Card.Last4, &p.Card.Country, &p.RiskScore, &p.CreatedAt)
		})
		return err
	})
	batch.Queue("select items, asked_by, created_at, done_at from stock_returns where order_id = $1 order by created_at", id).Query(func(rows pgx.Rows) (err error) {
		f.Returns, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (r StockReturn, err error) {
			var items []byte
			if err = row.Scan(&items, &r.By, &r.At, &r.DoneAt); err == nil {
				err = json.Unmarshal(items, &r.Items)
			}
			return r, err
		})
		return err
	})
	const subjects = `
		select $1::text as id union select id from payments where order_id = $1
		union select f.id from refunds f join payments p on p.id = f.payment_id where p.order_id = $1
		union select x.id from disputes x join payments p on p.id = x.payment_id where p.order_id = $1
		union select id from tickets where order_id = $1`
	batch.Queue("select h.id, h.state, h.at from ("+subjects+") s join payment_history h on h.id = s.id order by h.seq", id).Query(func(rows pgx.Rows) error {
		var of string
		var s StateAt
		_, err := pgx.ForEachRow(rows, []any{&of, &s.State, &s.At}, func() error {
			f.History[of] = append(f.History[of], s)
			return nil
		})
		return err
	})
	batch.Queue("select o.seq, o.kind, o.subject, o.created_at, o.payload from ("+subjects+") s join outbox o on o.subject = s.id order by o.seq limit $2", id, mostNews).
		Query(func(rows pgx.Rows) (err error) {
			f.News, err = pgx.CollectRows(rows, pgx.RowToStructByPos[News])
			return err
		})
	if err = c.pool.SendBatch(ctx, batch).Close(); err != nil {
		return f, ropeline.Unavailable(err)
	}
	for _, p := range f.Payments {
		disputes, err := c.disputesOf(ctx, p.ID)
		if err != nil {
			return f, ropeline.Unavailable(err)
		}
		f.Disputes = append(f.Disputes, disputes...)
	}
	return f, nil
}
