package checkout

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/checkout/payment"
)

// Dispute is a payer's complaint at the bank. Its states are the gateway's own
// (Stripe's: needs_response, under_review, won, lost, and warning_ before the
// first two or closed), so there is no table of moves: whatever the gateway says
// last is true, and payment_history keeps what it said before.
type Dispute struct {
	ID        ropeline.DisputeID
	State     string
	Reason    string // the gateway's name, such as fraudulent
	Amount    ropeline.Money
	Due       time.Time // evidence is asked for until then; zero: it is not
	ChangedAt time.Time
}

func (c *Checkout) disputesOf(ctx context.Context, id ropeline.PaymentID) ([]Dispute, error) {
	rows, err := c.pool.Query(ctx, `
		select id, state, reason, amount_minor, currency, evidence_due, changed_at from disputes where payment_id = $1 order by created_at desc, id`, id)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (d Dispute, err error) {
		var due *time.Time
		err = row.Scan(&d.ID, &d.State, &d.Reason, &d.Amount.Minor, &d.Amount.Currency, &due, &d.ChangedAt)
		if due != nil {
			d.Due = *due
		}
		return d, err
	})
}

// queueDispute writes what the gateway says of a dispute, and tells it when it
// is another state. What was asked for earlier than what is known does not
// count: two workers may have asked, and the slower one may write last.
func queueDispute(batch *pgx.Batch, s *sight, d payment.Dispute, asked time.Time) {
	var due *time.Time
	if !d.Due.IsZero() {
		due = &d.Due
	}
	batch.Queue(`
		with known as (
			select id, state from disputes where payment_id = $2 and provider_ref = $3
		), kept as (
			insert into disputes as d (id, payment_id, provider_ref, state, reason, amount_minor, currency, evidence_due, asked_at, created_at)
			values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
			on conflict (payment_id, provider_ref) do update set state = excluded.state, reason = excluded.reason, amount_minor = excluded.amount_minor,
				evidence_due = excluded.evidence_due, asked_at = excluded.asked_at,
				changed_at = case when d.state <> excluded.state then clock_timestamp() else d.changed_at end
			where d.asked_at < excluded.asked_at
			returning id, payment_id, state, reason, amount_minor, currency
		)
		insert into outbox (event_id, kind, subject, payload)
		select p.event_id, 'DisputeChanged', k.id, jsonb_build_object('dispute', k.id, 'payment', p.id, 'order', p.order_id, 'state', k.state,
			'reason', k.reason, 'amount_minor', k.amount_minor, 'currency', k.currency)
		from kept k join payments p on p.id = k.payment_id
		where k.state is distinct from (select state from known)`,
		ropeline.NewID[ropeline.DisputeID](), s.payment, d.Ref, d.Status, d.Reason, d.Amount.Minor, d.Amount.Currency, due, asked, d.Created)
}
