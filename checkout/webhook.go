package checkout

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/checkout/payment"
)

// askTime is how long a gateway that sends a webhook may take to say what it is
// about; the webhook itself is to be answered within a second.
const askTime = 500 * time.Millisecond

// Webhook takes a message of a gateway: of any that this house has, told apart
// by their signatures. It only names an intent, whose truth is asked for before
// anything is believed; so messages may come late, twice and in any order. The
// message's id is written down in the transaction of its effect. A gateway that
// is slow to say the truth, or does not, is asked by a worker instead: then the
// effect is the payment's look_at.
//
// Errors: bad_signature, invalid_request (signed, but unreadable, or of another
// version than the house speaks), and unavailable: the gateway is to send it
// again.
func (c *Checkout) Webhook(ctx context.Context, header http.Header, body []byte) error {
	gateway, event, err := c.parseWebhook(header, body)
	if errors.Is(err, payment.ErrSignature) {
		return &ropeline.Error{Code: ropeline.CodeBadSignature, Message: "The message is not signed by the payment gateway.", Err: err}
	}
	if err != nil {
		c.log.ErrorContext(ctx, "a signed webhook cannot be taken", "err", err)
		return &ropeline.Error{Code: ropeline.CodeInvalidRequest, Message: "The message cannot be read.", Err: err}
	}
	if event.Ref == "" {
		return nil
	}
	n := news{gateway: gateway.Name(), webhook: event.ID}
	var seen bool
	err = c.reads.Do(context.WithoutCancel(ctx), func(batch *pgx.Batch) {
		batch.Queue("select exists (select from webhook_events where provider = $1 and event_id = $2), clock_timestamp()", n.gateway, event.ID).
			QueryRow(func(row pgx.Row) error { return row.Scan(&seen, &n.asked) })
	})
	if err != nil {
		return ropeline.Unavailable(err)
	}
	if seen {
		return nil
	}
	err = n.ask(ctx, gateway, event.Ref, askTime)
	switch {
	case payment.Permanent(err):
		c.log.WarnContext(ctx, "webhook about an intent that the gateway does not know", "kind", event.Kind, "ref", event.Ref)
		return nil
	case err != nil:
		c.log.InfoContext(ctx, "the gateway is slow to explain its webhook, a worker will ask", "kind", event.Kind, "ref", event.Ref, "err", err)
		return asError(c.lookLater(ctx, n, event))
	}
	return asError(c.learn(ctx, n.object.PaymentID, n))
}

// parseWebhook finds the gateway that has signed a message.
func (c *Checkout) parseWebhook(header http.Header, body []byte) (payment.Provider, payment.Event, error) {
	for _, gateway := range c.gateways {
		event, err := gateway.ParseWebhook(header, body)
		if errors.Is(err, payment.ErrSignature) {
			continue
		}
		return gateway, event, err
	}
	return nil, payment.Event{}, payment.ErrSignature
}

// lookLater notes that a payment has news. The message names the payment for
// the case that its own call was answered into the void.
func (c *Checkout) lookLater(ctx context.Context, n news, event payment.Event) error {
	return pgx.BeginFunc(ctx, c.pool, func(tx pgx.Tx) error {
		// The payment's lock comes first, as in see.
		const its = "provider = $1 and (provider_ref = $2 or id = $3 and provider_ref is null)"
		if _, err := tx.Exec(ctx, "select from payments where "+its+" for update", n.gateway, event.Ref, event.PaymentID); err != nil {
			return err
		}
		tag, err := tx.Exec(ctx, "insert into webhook_events (provider, event_id) values ($1, $2) on conflict do nothing", n.gateway, n.webhook)
		if err != nil || tag.RowsAffected() == 0 {
			return err
		}
		tag, err = tx.Exec(ctx, "update payments set look_at = clock_timestamp(), provider_ref = coalesce(provider_ref, $2) where "+its,
			n.gateway, event.Ref, event.PaymentID)
		if err == nil && tag.RowsAffected() == 0 {
			c.log.WarnContext(ctx, "the gateway tells of a payment that is not ours", "payment", event.PaymentID, "ref", event.Ref)
		}
		return err
	})
}

// gateway finds the provider that a payment belongs to.
func (c *Checkout) gateway(name string) (payment.Provider, error) {
	for _, gateway := range c.gateways {
		if gateway.Name() == name {
			return gateway, nil
		}
	}
	return nil, fmt.Errorf("it belongs to the provider %q, which is not configured here", name)
}
