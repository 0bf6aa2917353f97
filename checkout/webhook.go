package checkout

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/checkout/payment"
)

// askTime is how long a gateway that sends a webhook may take to say what it is
// about; the webhook itself is to be answered within a second.
const askTime = 500 * time.Millisecond

// Webhook takes a message of a gateway: of any that this house has, told apart
// by their signatures. It only names an intent, whose truth is asked for before
// anything is believed; so messages may come late, twice and in any order. The
// message's id is written down in the transaction of its effect. A capture
// that is in the books already is not asked for: it has no effect. A gateway that
// is slow to say the truth, or does not, is asked by a worker instead: then the
// effect is the payment's look_at.
//
// Errors: bad_signature, invalid_request (signed, but unreadable, or of another
// version than the house speaks), and unavailable: the gateway is to send it
// again.
func (c *Checkout) Webhook(ctx context.Context, header http.Header, body []byte) error {
	gateway, events, err := c.parseWebhook(header, body)
	if errors.Is(err, payment.ErrSignature) {
		return &ropeline.Error{Code: ropeline.CodeBadSignature, Message: "The message is not signed by the payment gateway.", Err: err}
	}
	if err != nil {
		c.log.ErrorContext(ctx, "a signed webhook cannot be taken", "err", err)
		return &ropeline.Error{Code: ropeline.CodeInvalidRequest, Message: "The message cannot be read.", Err: err}
	}
	if len(events) == 1 {
		return c.hear(ctx, gateway, events[0])
	}
	// What is told together is learned together: the events meet again in the
	// groups that write them.
	var all errgroup.Group
	for _, event := range events {
		all.Go(func() error { return c.hear(ctx, gateway, event) })
	}
	return all.Wait()
}

// hear takes one event of a message.
func (c *Checkout) hear(ctx context.Context, gateway payment.Provider, event payment.Event) error {
	if event.Ref == "" {
		return nil
	}
	m := &message{gateway: gateway.Name(), id: event.ID, payment: event.PaymentID, captured: event.Captured}
	if err := c.messages.Do(context.WithoutCancel(ctx), m); err != nil {
		return ropeline.Unavailable(err)
	}
	if m.seen {
		return nil
	}
	if m.captured && m.known == event.Ref {
		return asError(c.heard.Do(m))
	}
	n := news{gateway: m.gateway, webhook: m.id, asked: m.now, known: m}
	err := n.ask(ctx, gateway, event.Ref, askTime)
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

// message is what is looked up before a gateway is asked about a payment: for
// its webhooks whether that was done before, and of the payment what scoring
// wants to know.
type message struct {
	gateway, id string // of a webhook; empty: there is none
	payment     ropeline.PaymentID
	captured    bool // the webhook tells of a capture, and of nothing else

	seen  bool
	now   time.Time
	known string // the gateway's name for the payment, when the money is ours already
	found bool   // the payment is ours, and not authorized yet
	what  Authorized
}

// readMessages looks up what many want to know, in two statements.
func readMessages(batch *pgx.Batch, parts []*message) {
	of := make(map[ropeline.PaymentID][]*message, len(parts))
	told := map[[2]string][]*message{}
	var gateways, ids, payments []string
	for _, m := range parts {
		*m = message{gateway: m.gateway, id: m.id, payment: m.payment, captured: m.captured}
		if m.payment != "" {
			if of[m.payment] = append(of[m.payment], m); len(of[m.payment]) == 1 {
				payments = append(payments, string(m.payment))
			}
		}
		if m.id != "" {
			gateways, ids = append(gateways, m.gateway), append(ids, m.id)
			name := [2]string{m.gateway, m.id}
			told[name] = append(told[name], m)
		}
	}
	batch.Queue("select clock_timestamp()").QueryRow(func(row pgx.Row) error {
		var now time.Time
		err := row.Scan(&now)
		for _, m := range parts {
			m.now = now
		}
		return err
	})
	if len(ids) > 0 {
		queueDeliveries(batch, gateways, ids, func(name [2]string) {
			for _, m := range told[name] {
				m.seen = true
			}
		})
	}
	if len(payments) > 0 {
		batch.Queue(`
			select p.id, p.event_id, p.order_id, o.fan_id, p.declines, p.provider, coalesce(p.provider_ref, ''), p.state
			from payments p join orders o on o.id = p.order_id where p.id = any($1)`, payments).Query(func(rows pgx.Rows) error {
			var a Authorized
			var provider, ref string
			var state PaymentState
			_, err := pgx.ForEachRow(rows, []any{&a.Payment, &a.Event, &a.Order, &a.Fan, &a.Declines, &provider, &ref, &state}, func() error {
				for _, m := range of[a.Payment] {
					switch {
					case state == PaymentCreated || state == PaymentPending:
						m.found, m.what = true, a
					case state == PaymentConfirmed && provider == m.gateway:
						m.known = ref
					}
				}
				return nil
			})
			return err
		})
	}
}

// noteHeard writes down that messages came which had nothing to tell. One that
// is forgotten has nothing to tell when it comes again.
func noteHeard(batch *pgx.Batch, parts []*message) {
	gateways, ids := make([]string, len(parts)), make([]string, len(parts))
	for i, m := range parts {
		gateways[i], ids[i] = m.gateway, m.id
	}
	queueHeard(batch, gateways, ids)
}

func queueHeard(batch *pgx.Batch, gateways, ids []string) {
	batch.Queue("insert into webhook_events (provider, event_id) select * from unnest($1::text[], $2::text[]) on conflict do nothing", gateways, ids)
}

// parseWebhook finds the gateway that has signed a message.
func (c *Checkout) parseWebhook(header http.Header, body []byte) (payment.Provider, []payment.Event, error) {
	for _, gateway := range c.gateways {
		events, err := gateway.ParseWebhook(header, body)
		if errors.Is(err, payment.ErrSignature) {
			continue
		}
		return gateway, events, err
	}
	return nil, nil, payment.ErrSignature
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

// queueDeliveries asks which of the gateways' events have had their effect already,
// and names each as {gateway, id}.
func queueDeliveries(batch *pgx.Batch, gateways, ids []string, seen func(name [2]string)) {
	batch.Queue(`
		select w.provider, w.event_id from unnest($1::text[], $2::text[]) as u(provider, event_id)
		join webhook_events w on w.provider = u.provider and w.event_id = u.event_id`, gateways, ids).Query(func(rows pgx.Rows) error {
		var name [2]string
		_, err := pgx.ForEachRow(rows, []any{&name[0], &name[1]}, func() error {
			seen(name)
			return nil
		})
		return err
	})
}
