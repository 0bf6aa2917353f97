package checkout

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
)

// Refund is money that goes back to a fan.
type Refund struct {
	ID        ropeline.RefundID
	Payment   ropeline.PaymentID
	State     RefundState
	Amount    ropeline.Money
	Reason    string
	By        string // empty: the house by itself
	CreatedAt time.Time
	ChangedAt time.Time
}

// Refunding is what an organizer wants to give back. Which tickets it voids is
// told, never guessed:
//
//   - neither Minor nor Tickets: everything that is left of the payment, and
//     every ticket of the order, whoever has it now;
//   - Tickets: these, and their price (or Minor, when it is told too);
//   - only Minor: money alone; no ticket is revoked.
type Refunding struct {
	Order   ropeline.OrderID
	Minor   int64 // in the order's currency; 0: not told
	Tickets []ropeline.TicketID
	Restock bool // the revoked tickets' stock goes back on sale
	Reason  string
	By      string
	cause   Cause
}

// AskRefund writes a refund in the caller's transaction; workers bring it to
// the gateway. It returns the tickets that are void now.
//
// Errors: order_not_found, not_refundable (nothing was captured, or a ticket's
// money went back before), refund_too_high, ticket_not_found, ticket_ended for
// one that was given away, invalid_request.
func (c *Checkout) AskRefund(ctx context.Context, tx pgx.Tx, q Refunding) (Refund, []ropeline.TicketID, error) {
	if err := q.check(); err != nil {
		return Refund{}, nil, err
	}
	d, err := lockRefund(ctx, tx, q.Order)
	if err != nil {
		return Refund{}, nil, err
	}
	issued, err := ticketsToRefund(ctx, tx, q.Order)
	if err != nil {
		return Refund{}, nil, err
	}
	minor, tickets, err := d.decide(q, issued)
	if err != nil {
		return Refund{}, nil, err
	}
	r := Refund{ID: ropeline.NewID[ropeline.RefundID](), Payment: d.payment, State: RefundCreated, Reason: q.Reason, By: q.By,
		Amount: ropeline.Money{Minor: minor, Currency: d.amount.Currency}}
	err = tx.QueryRow(ctx, `
		with r as (
			insert into refunds (id, payment_id, idempotency_key, state, amount_minor, currency, reason, asked_by)
			values ($1, $2, $1, 'created', $3, $4, $5, $6) returning created_at
		), told as (
			insert into outbox (event_id, kind, subject, payload)
			values ($7, 'RefundChanged', $1, jsonb_build_object('refund', $1::text, 'payment', $2::text, 'state', 'created'))
		)
		select created_at from r`, r.ID, r.Payment, minor, r.Amount.Currency, q.Reason, q.By, d.event).Scan(&r.CreatedAt)
	if err != nil {
		return Refund{}, nil, err
	}
	r.ChangedAt = r.CreatedAt
	return r, tickets, c.voidTickets(ctx, tx, d, tickets, r.ID, q)
}

// refundDesk is what a refund looks at, under the locks of payment and order.
type refundDesk struct {
	payment     ropeline.PaymentID
	state       PaymentState
	amount      ropeline.Money
	given       int64
	event       ropeline.EventID
	order       ropeline.OrderID
	orderState  OrderState
	reservation ropeline.ReservationID
	items       []ReservedItem
}

func lockRefund(ctx context.Context, tx pgx.Tx, order ropeline.OrderID) (d refundDesk, err error) {
	var items []byte
	err = tx.QueryRow(ctx, `
		select p.id, p.state, p.amount_minor, p.currency, o.event_id, o.id, o.state, o.reservation_id, r.items
		from payments p join orders o on o.id = p.order_id join reservations r on r.id = o.reservation_id
		where o.id = $1 order by p.created_at desc limit 1 for update of p, o`, order).
		Scan(&d.payment, &d.state, &d.amount.Minor, &d.amount.Currency, &d.event, &d.order, &d.orderState, &d.reservation, &items)
	if errors.Is(err, pgx.ErrNoRows) {
		return d, ropeline.Errorf(ropeline.CodeOrderNotFound, "There is no such order.")
	}
	if err != nil {
		return d, err
	}
	if err = json.Unmarshal(items, &d.items); err != nil {
		return d, err
	}
	return d, tx.QueryRow(ctx, "select coalesce(sum(amount_minor), 0) from refunds where payment_id = $1 and state <> 'failed'", d.payment).Scan(&d.given)
}

func ticketsToRefund(ctx context.Context, tx pgx.Tx, order ropeline.OrderID) ([]issuedTicket, error) {
	rows, err := tx.Query(ctx, `
		select t.id, t.ticket_type_id, f.id is not null, coalesce((select n.id from tickets n where n.given_by = t.id), '') from tickets t left join refunds f on f.id = t.refund_id and f.state <> 'failed'
		where t.order_id = $1 order by t.id for update of t`, order)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (t issuedTicket, err error) {
		return t, row.Scan(&t.id, &t.kind, &t.gone, &t.to)
	})
}

// voidTickets revokes the tickets of a refund, and asks the clerk to put their
// stock back when that is wanted and was not done before.
func (c *Checkout) voidTickets(ctx context.Context, tx pgx.Tx, d refundDesk, tickets []ropeline.TicketID, refund ropeline.RefundID, q Refunding) error {
	if len(tickets) == 0 {
		return nil
	}
	cause := q.cause
	if cause == "" {
		cause = CauseRefund
	}
	if _, err := c.RevokeTickets(ctx, tx, tickets, Revocation{Cause: cause, Reason: q.Reason, By: q.By}); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, "update tickets set refund_id = nullif($2, '') where id = any($1)", tickets, refund); err != nil {
		return err
	}
	if !q.Restock {
		return nil
	}
	_, err := tx.Exec(ctx, `
		with back as (
			update tickets set returned = true where id = any($1) and not returned returning ticket_type_id
		)
		insert into stock_returns (id, event_id, order_id, reservation_id, items, asked_by)
		select $2, $3, $4, $5, jsonb_agg(jsonb_build_object('ticket_type', ticket_type_id, 'quantity', n)), $6
		from (select ticket_type_id, count(*) as n from back group by 1) b having count(*) > 0`,
		tickets, ropeline.NewID[string](), d.event, d.order, d.reservation, q.By)
	return err
}

func (c *Checkout) refundsOf(ctx context.Context, order ropeline.OrderID) ([]Refund, error) {
	rows, err := c.pool.Query(ctx, `
		select f.id, f.payment_id, f.state, f.amount_minor, f.currency, f.reason, f.asked_by, f.created_at, f.changed_at
		from payments p join refunds f on f.payment_id = p.id where p.order_id = $1 order by f.created_at, f.id`, order)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (r Refund, err error) {
		return r, row.Scan(&r.ID, &r.Payment, &r.State, &r.Amount.Minor, &r.Amount.Currency, &r.Reason, &r.By, &r.CreatedAt, &r.ChangedAt)
	})
}
