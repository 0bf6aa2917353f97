package stripe

import (
	"context"
	"iter"
	"time"

	api "github.com/stripe/stripe-go/v76"

	"github.com/ropeline/ropeline/checkout/payment"
)

const pageSize = 100 // the most that Stripe gives

// Intents lists intents, the newest first.
func (g *Gateway) Intents(ctx context.Context, q payment.Query) iter.Seq2[payment.Object, error] {
	if q.Intent != "" {
		return func(yield func(payment.Object, error) bool) {
			o, err := g.Get(ctx, q.Intent)
			if err != nil || within(q, o.Created) {
				yield(o, err)
			}
		}
	}
	return list(func() *api.Iter {
		return g.intents.List(&api.PaymentIntentListParams{ListParams: page(ctx), CreatedRange: created(q), Expand: []*string{api.String("data.latest_charge")}}).Iter
	}, objectOf)
}

// Refunds lists refunds, the newest first.
func (g *Gateway) Refunds(ctx context.Context, q payment.Query) iter.Seq2[payment.Refund, error] {
	return list(func() *api.Iter {
		return g.refunds.List(&api.RefundListParams{ListParams: page(ctx), CreatedRange: created(q), PaymentIntent: text(q.Intent)}).Iter
	}, refundOf)
}

// Disputes lists disputes, the newest first.
func (g *Gateway) Disputes(ctx context.Context, q payment.Query) iter.Seq2[payment.Dispute, error] {
	return list(func() *api.Iter {
		return g.disputes.List(&api.DisputeListParams{ListParams: page(ctx), CreatedRange: created(q), PaymentIntent: text(q.Intent)}).Iter
	}, disputeOf)
}

func disputeOf(d *api.Dispute) payment.Dispute {
	dispute := payment.Dispute{
		Ref: d.ID, Status: string(d.Status), Reason: string(d.Reason), Amount: money(d.Amount, d.Currency), Created: time.Unix(d.Created, 0).UTC(),
	}
	if d.PaymentIntent != nil {
		dispute.Intent = d.PaymentIntent.ID
	}
	if d.EvidenceDetails != nil && d.EvidenceDetails.DueBy != 0 {
		dispute.Due = time.Unix(d.EvidenceDetails.DueBy, 0).UTC()
	}
	return dispute
}

// list goes through the pages of the library's iterator, which fetches the
// first one as it is made.
func list[R, T any](open func() *api.Iter, convert func(*R) T) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		pages := open()
		for pages.Next() {
			if !yield(convert(pages.Current().(*R)), nil) {
				return
			}
		}
		if err := pages.Err(); err != nil {
			var none T
			_, err = translated(&none, err)
			yield(none, err)
		}
	}
}

func page(ctx context.Context) api.ListParams {
	return api.ListParams{Context: ctx, Limit: api.Int64(pageSize)}
}

// created is a query's time in the seconds that Stripe counts.
func created(q payment.Query) *api.RangeQueryParams {
	if q.Since.IsZero() && q.Until.IsZero() {
		return nil
	}
	r := &api.RangeQueryParams{}
	if !q.Since.IsZero() {
		r.GreaterThanOrEqual = ceil(q.Since)
	}
	if !q.Until.IsZero() {
		r.LesserThan = max(ceil(q.Until), 1)
	}
	return r
}

// ceil is the first whole second that is not before t.
func ceil(t time.Time) int64 {
	seconds := t.Unix()
	if t.Nanosecond() > 0 {
		seconds++
	}
	return seconds
}

func within(q payment.Query, t time.Time) bool {
	return (q.Since.IsZero() || !t.Before(q.Since)) && (q.Until.IsZero() || t.Before(q.Until))
}
