package sandbox

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/checkout/payment"
)

// Refund gives money back; the same key refunds once.
func (g *Gateway) Refund(ctx context.Context, ref string, amount ropeline.Money, key string) (payment.Refund, error) {
	var refund payment.Refund
	var refused error
	err := g.change(ctx, ref, func(b *book) error {
		var err error
		refund, err = scanRefund(b.tx.QueryRow(ctx, selectRefunds+" where r.idempotency_key = $1", key))
		if !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		if b.object.Status != payment.StatusCaptured || amount.Minor <= 0 || amount.Currency != b.object.Amount.Currency ||
			b.object.Refunded+amount.Minor > b.object.Amount.Minor {
			refused = &payment.Error{Permanent: true, Reason: "not_refundable"}
			return nil
		}
		refund = payment.Refund{Ref: "sbr_" + token(), Intent: ref, Key: key, Status: payment.RefundDone, Amount: amount}
		err = b.tx.QueryRow(ctx, `
			with r as (insert into sandbox_refunds (ref, intent, idempotency_key, amount_minor) values ($1, $2, $3, $4) returning created_at),
			i as (update sandbox_intents set refunded_minor = refunded_minor + $4 where ref = $2)
			select created_at from r`,
			refund.Ref, ref, key, amount.Minor).Scan(&refund.Created)
		refund.Created = refund.Created.UTC()
		b.owe("intent.refunded", 0)
		return err
	})
	if refused != nil {
		return payment.Refund{}, refused
	}
	return refund, err
}

// GetRefund reads a refund.
func (g *Gateway) GetRefund(ctx context.Context, ref string) (payment.Refund, error) {
	refund, err := scanRefund(g.pool.QueryRow(ctx, selectRefunds+" where r.ref = $1", ref))
	if errors.Is(err, pgx.ErrNoRows) {
		return payment.Refund{}, &payment.Error{Permanent: true, Reason: "no_such_refund"}
	}
	if err != nil {
		return payment.Refund{}, transient(err)
	}
	return refund, nil
}

const selectRefunds = `select r.ref, r.intent, r.idempotency_key, r.amount_minor, i.currency, r.created_at
	from sandbox_refunds r join sandbox_intents i on i.ref = r.intent`

func scanRefund(row pgx.Row) (payment.Refund, error) {
	r := payment.Refund{Status: payment.RefundDone}
	err := row.Scan(&r.Ref, &r.Intent, &r.Key, &r.Amount.Minor, &r.Amount.Currency, &r.Created)
	r.Created = r.Created.UTC()
	return r, err
}
