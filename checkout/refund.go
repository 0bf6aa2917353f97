package checkout

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/checkout/payment"
	"github.com/ropeline/ropeline/internal/outbox"
)

// PerformRefund brings a refund one step on: to the gateway, or to its end. A
// refund that is not due, or that another worker has taken up, is left alone.
func (c *Checkout) PerformRefund(ctx context.Context, id ropeline.RefundID) error {
	var state RefundState
	var ref, intent, key, provider string
	var amount ropeline.Money
	var event ropeline.EventID
	err := c.pool.QueryRow(ctx, `
		update refunds r set attempts = r.attempts + 1, due_at = clock_timestamp() + $2::interval from payments p
		where r.id = $1 and p.id = r.payment_id and r.state in ('created', 'transit') and r.due_at <= clock_timestamp()
		returning r.state, coalesce(r.provider_ref, ''), coalesce(p.provider_ref, ''), r.idempotency_key, r.amount_minor, r.currency, p.event_id, p.provider`,
		id, c.options.Grip).Scan(&state, &ref, &intent, &key, &amount.Minor, &amount.Currency, &event, &provider)
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
	if payment.Permanent(err) {
		c.log.ErrorContext(ctx, "gateway refuses a refund: somebody must look", "refund", id, "err", err)
		refund, err = payment.Refund{Ref: ref, Status: payment.RefundFailed}, nil
	}
	if err == nil {
		err = c.recordRefund(ctx, id, event, state, refund)
	}
	if err != nil {
		_, later := c.pool.Exec(ctx, `
			update refunds set due_at = now() + least(interval '0.5 seconds' * power(2, least(attempts, 10)), interval '1 minute')
			where id = $1`, id)
		return errors.Join(fmt.Errorf("refund %s: %w", id, err), later)
	}
	return nil
}

func (c *Checkout) recordRefund(ctx context.Context, id ropeline.RefundID, event ropeline.EventID, from RefundState, refund payment.Refund) error {
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
		return tx.SendBatch(ctx, batch).Close()
	})
}

// refundSteps are the states that a refund goes through to what the gateway
// says, one by one; none when it is there already.
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
		if next == from {
			continue
		}
		if err := refundMoves.move(from, next); err != nil {
			return nil, err
		}
		steps, from = append(steps, next), next
	}
	return steps, nil
}
