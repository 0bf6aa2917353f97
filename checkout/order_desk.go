package checkout

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/checkout/payment"
)

// OrderFile is all that the house knows of an order. Its Tickets are all that
// there ever were, those of others too.
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
	Scoring             RiskFile
	Scans               []TicketNote // at the gate, also what was undone
	Revocations         []TicketNote // codes that became void
}

// RiskFile is what was thought of an order's honesty, and who decided.
type RiskFile struct {
	Score      *float64 // probability of fraud, 0 to 1; nil: not scored
	Reasons    []string
	Deadline   *time.Time // of the review
	ReviewedBy string
	ReviewedAt *time.Time
	Note       string
}

// TicketNote is something that happened to one ticket of an order.
type TicketNote struct {
	Ticket ropeline.TicketID `json:"ticket"`
	What   string            `json:"what"`            // a scan's result, or the cause of a revocation
	Where  string            `json:"where,omitempty"` // the gate
	Reason string            `json:"reason,omitempty"`
	By     string            `json:"by"`
	At     time.Time         `json:"at"`
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
	err = c.pool.QueryRow(ctx, `
		select fan_id, accepted_at, ended_at, cancel_at, cancel_by, risk_score, risk_reasons, review_deadline, coalesce(reviewed_by, ''), reviewed_at, review_note
		from orders where id = $1`, id).
		Scan(&fan, &f.AcceptedAt, &f.EndedAt, &f.CancelAt, &f.CancelBy, &f.Scoring.Score, &f.Scoring.Reasons, &f.Scoring.Deadline, &f.Scoring.ReviewedBy, &f.Scoring.ReviewedAt, &f.Scoring.Note)
	if errors.Is(err, pgx.ErrNoRows) {
		return f, ropeline.Errorf(ropeline.CodeOrderNotFound, "There is no such order.")
	}
	if err != nil {
		return f, ropeline.Unavailable(err)
	}
	if f.Order, err = c.Order(ctx, id, fan); err != nil {
		return f, err
	}
	if f.Tickets, err = c.tickets(ctx, "t.order_id = $1", id, mostOfOrder); err != nil {
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
	for into, sql := range map[*[]TicketNote]string{
		&f.Scans:       "select c.ticket_id, c.result, c.gate, c.reason, c.by, c.scanned_at from checkins c join tickets t on t.id = c.ticket_id where t.order_id = $1 order by c.seq limit $2",
		&f.Revocations: "select r.ticket_id, r.cause, '', r.reason, r.by, r.at from revocations r join tickets t on t.id = r.ticket_id where t.order_id = $1 order by r.seq limit $2",
	} {
		batch.Queue(sql, id, mostNews).Query(func(rows pgx.Rows) (err error) {
			*into, err = pgx.CollectRows(rows, pgx.RowToStructByPos[TicketNote])
			return err
		})
	}
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
