package stripe

import (
	"context"
	"time"

	api "github.com/stripe/stripe-go/v76"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/checkout/payment"
)

// keyOfRefund is the metadata that tells which of our refunds it is.
const keyOfRefund = "refund_key"

// Refund gives money back; the same key refunds once, even when Stripe has
// forgotten the key.
func (g *Gateway) Refund(ctx context.Context, ref string, amount ropeline.Money, key string) (payment.Refund, error) {
	if ref == "" {
		return payment.Refund{}, errNoRef
	}
	for made, err := range g.Refunds(ctx, payment.Query{Intent: ref}) {
		if err != nil {
			return payment.Refund{}, err
		}
		if made.Key == key {
			return made, nil
		}
	}
	minor, err := toStripe(amount)
	if err != nil {
		return payment.Refund{}, err
	}
	r, err := attempt(ctx, key, func(p api.Params) (*api.Refund, error) {
		return g.refunds.New(&api.RefundParams{
			Params: p, PaymentIntent: api.String(ref), Amount: api.Int64(minor), Metadata: map[string]string{keyOfRefund: key},
		})
	})
	if err != nil {
		return payment.Refund{}, err
	}
	return refundOf(r), nil
}

// GetRefund reads a refund.
func (g *Gateway) GetRefund(ctx context.Context, ref string) (payment.Refund, error) {
	if ref == "" {
		return payment.Refund{}, errNoRef
	}
	r, err := translated(g.refunds.Get(ref, &api.RefundParams{Params: api.Params{Context: ctx}}))
	if err != nil {
		return payment.Refund{}, err
	}
	return refundOf(r), nil
}

func refundOf(r *api.Refund) payment.Refund {
	refund := payment.Refund{
		Ref: r.ID, Key: r.Metadata[keyOfRefund], Status: payment.RefundTransit, Amount: money(r.Amount, r.Currency),
		Created: time.Unix(r.Created, 0).UTC(),
	}
	if r.PaymentIntent != nil {
		refund.Intent = r.PaymentIntent.ID
	}
	switch r.Status {
	case api.RefundStatusSucceeded:
		refund.Status = payment.RefundDone
	case api.RefundStatusFailed, api.RefundStatusCanceled:
		refund.Status = payment.RefundFailed
	}
	return refund
}
