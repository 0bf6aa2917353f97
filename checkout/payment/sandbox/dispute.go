package sandbox

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline/checkout/payment"
)

// disputeKinds are the webhooks that tell of a dispute's status; any other
// status is an update.
var disputeKinds = map[string]string{
	"needs_response": "dispute.created", "warning_needs_response": "dispute.created",
	"won": "dispute.closed", "lost": "dispute.closed", "warning_closed": "dispute.closed",
}

// Dispute is the payer's bank: it disputes the whole of a captured intent, or
// moves the dispute on to another status.
func (g *Gateway) Dispute(ctx context.Context, ref, status, why string) (payment.Dispute, error) {
	var dispute payment.Dispute
	var refused error
	err := g.change(ctx, ref, func(b *book) (err error) {
		if b.object.Status != payment.StatusCaptured {
			refused = &payment.Error{Permanent: true, Reason: "not_disputable"}
			return nil
		}
		tag, err := b.tx.Exec(ctx, "update sandbox_disputes set status = $2, reason = $3 where intent = $1", ref, status, why)
		if err == nil && tag.RowsAffected() == 0 {
			_, err = b.tx.Exec(ctx, `
				insert into sandbox_disputes (ref, intent, status, reason, amount_minor, due_at)
				values ($1, $2, $3, $4, $5, now() + interval '7 days')`, "sbd_"+token(), ref, status, why, b.object.Amount.Minor)
		}
		if err != nil {
			return err
		}
		kind := disputeKinds[status]
		if kind == "" {
			kind = "dispute.updated"
		}
		b.owe(kind, 0)
		dispute, err = scanDispute(b.tx.QueryRow(ctx, selectDisputes+" where d.intent = $1", ref))
		return err
	})
	return dispute, errors.Join(err, refused)
}

const selectDisputes = `select d.ref, d.intent, d.status, d.reason, d.amount_minor, i.currency, d.due_at, d.created_at
	from sandbox_disputes d join sandbox_intents i on i.ref = d.intent`

func scanDispute(row pgx.Row) (payment.Dispute, error) {
	var d payment.Dispute
	err := row.Scan(&d.Ref, &d.Intent, &d.Status, &d.Reason, &d.Amount.Minor, &d.Amount.Currency, &d.Due, &d.Created)
	d.Due, d.Created = d.Due.UTC(), d.Created.UTC()
	return d, err
}
