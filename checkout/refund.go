package checkout

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/checkout/payment"
	"github.com/ropeline/ropeline/internal/outbox"
)

// PerformRefund brings a refund one step on: to the gateway, or to its end. One
// that is done is due again when there is news of it: its bank may send it back.
// A refund that is not due, or that another worker has taken up, is left alone.
func (c *Checkout) PerformRefund(ctx context.Context, id ropeline.RefundID) error {
	var state RefundState
	var ref, intent, key, provider string
	var amount ropeline.Money
	var event ropeline.EventID
	var grip time.Time
	err := c.pool.QueryRow(ctx, `
		update refunds r set attempts = r.attempts + 1, due_at = clock_timestamp() + $2::interval from payments p
		where r.id = $1 and p.id = r.payment_id and r.state <> 'failed' and r.due_at <= clock_timestamp()
		returning r.state, coalesce(r.provider_ref, ''), coalesce(p.provider_ref, ''), r.idempotency_key, r.amount_minor, r.currency, p.event_id, p.provider, r.due_at`,
		id, c.options.Grip).Scan(&state, &ref, &intent, &key, &amount.Minor, &amount.Currency, &event, &provider, &grip)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), gatewayTime)
	defer cancel()
	gateway, err := c.gateway(provider)
	var refund payment.Refund
	switch {
	case err != nil:
	case state == RefundCreated:
		refund, err = gateway.Refund(ctx, intent, amount, key)
	default:
		refund, err = gateway.GetRefund(ctx, ref)
	}
	why := err
	switch {
	case !payment.Permanent(err):
	case state == RefundDone: // that it is forgotten does not mean that it was sent back
		refund, err = payment.Refund{Ref: ref, Status: payment.RefundDone}, nil
	default:
		refund, err = payment.Refund{Ref: ref, Status: payment.RefundFailed}, nil
	}
	if err == nil {
		err = c.recordRefund(ctx, id, event, state, refund, grip)
	}
	if err == nil && refund.Status == payment.RefundFailed {
		c.log.ErrorContext(ctx, "a refund does not arrive: somebody must look", "refund", id, "was", state, "err", why)
	}
	if err != nil {
		_, later := c.pool.Exec(ctx, `
			update refunds set due_at = now() + least(interval '0.5 seconds' * power(2, least(attempts, 10)), interval '1 minute')
			where id = $1`, id)
		return errors.Join(fmt.Errorf("refund %s: %w", id, err), later)
	}
	return nil
}

// mostTransit is the longest pause between two questions after a refund that is
// on its way, which may take days; the gateway's news hurry it.
const mostTransit = time.Hour

// recordRefund writes what the gateway says, and when it is asked again: one on
// its way after a growing pause, one at its end when there is news. News that came
// since the grip began are due now, and stay so.
func (c *Checkout) recordRefund(ctx context.Context, id ropeline.RefundID, event ropeline.EventID, from RefundState, refund payment.Refund, grip time.Time) error {
	steps, err := refundSteps(from, refund.Status)
	if err != nil {
		return err
	}
	return pgx.BeginFunc(ctx, c.pool, func(tx pgx.Tx) error {
		batch := &pgx.Batch{}
		for _, next := range steps {
			kind := outbox.RefundChanged
			if next == RefundDone {
				kind = outbox.Refunded
			}
			batch.Queue(`
				with moved as (
					update refunds set state = $2, provider_ref = coalesce(provider_ref, nullif($3, '')), changed_at = clock_timestamp()
					where id = $1 and state = $4 returning id, payment_id
				)
				insert into outbox (event_id, kind, subject, payload)
				select $5, $6::text, id, jsonb_build_object('refund', id, 'payment', payment_id, 'state', $2::text) from moved`,
				id, next, refund.Ref, from, event, kind)
			from = next
		}
		batch.Queue(`
			update refunds set due_at = case state when 'transit' then now() + least($4::interval * power(2, least(attempts - 1, 20)), $5::interval) else 'infinity' end
			where id = $1 and state = $2 and due_at = $3`, id, from, grip, c.options.Grip, mostTransit)
		return tx.SendBatch(ctx, batch).Close()
	})
}

// refundSteps are the states that a refund goes through to what the gateway
// says, one by one; none when it is there already, or was further.
func refundSteps(from RefundState, told payment.RefundStatus) (steps []RefundState, err error) {
	var way []RefundState
	switch told {
	case payment.RefundFailed:
		way = []RefundState{RefundFailed}
	case payment.RefundDone:
		way = []RefundState{RefundTransit, RefundDone}
	default:
		way = []RefundState{RefundTransit}
	}
	for _, next := range way {
		if next == from || from == RefundDone && next == RefundTransit {
			continue
		}
		if err := refundMoves.move(from, next); err != nil {
			return nil, err
		}
		steps, from = append(steps, next), next
	}
	return steps, nil
}
