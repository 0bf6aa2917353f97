package checkout

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
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
	if event.Captured {
		if noted, err := c.noteCapture(ctx, gateway, event); noted || err != nil {
			return asError(err)
		}
	}
	m := &message{gateway: gateway.Name(), id: event.ID, payment: event.PaymentID}
	if err := c.messages.Do(context.WithoutCancel(ctx), m); err != nil {
		return ropeline.Unavailable(err)
	}
	if m.seen {
		return nil
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

// captureTime is for how long a capture is waited for whose webhook was quicker
// than what its answer led to, of the second that a webhook may take; captureWait is
// between two looks for one that another process makes.
const (
	captureTime = 400 * time.Millisecond
	captureWait = 40 * time.Millisecond
)

// noteCapture takes a webhook that tells what the books say already. Who captures
// at this moment is waited for, in this process until they have ended: the gateway
// has told the webhook's receiver and them at once.
func (c *Checkout) noteCapture(ctx context.Context, gateway payment.Provider, event payment.Event) (noted bool, err error) {
	k := &knownCapture{gateway: gateway.Name(), webhook: event.ID, payment: event.PaymentID, ref: event.Ref}
	ctx, cancel := context.WithTimeout(ctx, captureTime)
	defer cancel()
	for pause := time.Duration(0); ; pause = captureWait {
		ended := c.capturing.of(k.payment)
		if ended != nil {
			pause = captureTime
		}
		select {
		case <-ended:
		case <-time.After(pause):
		case <-ctx.Done(): // the gateway is asked instead
			return false, nil
		}
		if err := c.captures.Do(k); err != nil || !k.underWay {
			return k.noted, err
		}
	}
}

// knownCapture is a webhook that tells of a capture, and of nothing else.
type knownCapture struct {
	gateway, webhook string
	payment          ropeline.PaymentID
	ref              string // the gateway's name for the payment

	noted    bool // the money was in the books under that name: there is nothing to learn
	underWay bool // somebody captures it
}

// noteCaptures writes down the messages about money that is ours already. One
// that is forgotten has nothing to tell when it comes again.
func noteCaptures(batch *pgx.Batch, parts []*knownCapture) {
	n := len(parts)
	of := make(map[[2]string]*knownCapture, n)
	gateways, webhooks, payments, refs := make([]string, n), make([]string, n), make([]string, n), make([]string, n)
	for i, k := range parts {
		k.noted, k.underWay = false, false
		of[[2]string{k.gateway, k.webhook}] = k
		gateways[i], webhooks[i], payments[i], refs[i] = k.gateway, k.webhook, string(k.payment), k.ref
	}
	batch.Queue(`
		with k as (
			select u.provider, u.webhook, p.state = '`+string(PaymentConfirmed)+`' as noted,
				coalesce(p.state = '`+string(PaymentAuthorized)+`' and (p.duty = '`+string(DutySettle)+`' or p.duty = '`+string(DutyCapture)+`' and p.duty_at > clock_timestamp()), false) as under_way
			from unnest($1::text[], $2::text[], $3::text[], $4::text[]) as u(provider, webhook, payment, ref)
			join payments p on p.id = u.payment where p.provider = u.provider and p.provider_ref = u.ref
		), note as (
			insert into webhook_events (provider, event_id) select provider, webhook from k where noted on conflict do nothing
		)
		select provider, webhook, noted, under_way from k`, gateways, webhooks, payments, refs).Query(func(rows pgx.Rows) error {
		var name [2]string
		var noted, underWay bool
		_, err := pgx.ForEachRow(rows, []any{&name[0], &name[1], &noted, &underWay}, func() error {
			of[name].noted, of[name].underWay = noted, underWay
			return nil
		})
		return err
	})
}

// message is what is looked up before a gateway is asked about a payment: for
// its webhooks whether that was done before, and of the payment what scoring
// wants to know.
type message struct {
	gateway, id string // of a webhook; empty: there is none
	payment     ropeline.PaymentID

	seen  bool
	now   time.Time
	found bool // the payment is ours, and not authorized yet
	what  Authorized
}

// readMessages looks up what many want to know.
func readMessages(batch *pgx.Batch, parts []*message) {
	n := len(parts)
	at, gateways, ids, payments := make([]int32, n), make([]string, n), make([]string, n), make([]string, n)
	for i, m := range parts {
		*m = message{gateway: m.gateway, id: m.id, payment: m.payment}
		at[i], gateways[i], ids[i], payments[i] = int32(i), m.gateway, m.id, string(m.payment)
	}
	batch.Queue(`
		select u.n, clock_timestamp(), exists (select from webhook_events w where w.provider = u.provider and w.event_id = u.webhook),
			coalesce(p.state in ('`+string(PaymentCreated)+`', '`+string(PaymentPending)+`'), false),
			coalesce(p.id, ''), coalesce(p.event_id, ''), coalesce(o.id, ''), coalesce(o.fan_id, ''), coalesce(p.declines, 0)
		from unnest($1::int[], $2::text[], $3::text[], $4::text[]) as u(n, provider, webhook, payment)
		left join payments p on p.id = u.payment left join orders o on o.id = p.order_id`, at, gateways, ids, payments).Query(func(rows pgx.Rows) error {
		var i int
		var m message
		a := &m.what
		_, err := pgx.ForEachRow(rows, []any{&i, &m.now, &m.seen, &m.found, &a.Payment, &a.Event, &a.Order, &a.Fan, &a.Declines}, func() error {
			to := parts[i]
			to.now, to.seen, to.found, to.what = m.now, m.seen, m.found, m.what
			return nil
		})
		return err
	})
}

// queueHeard writes down the gateways' events, and names those that are new, each
// as {gateway, id}: the others have had their effect already.
func queueHeard(batch *pgx.Batch, gateways, ids []string, fresh func(name [2]string)) {
	batch.Queue(`
		insert into webhook_events (provider, event_id) select * from unnest($1::text[], $2::text[]) on conflict do nothing
		returning provider, event_id`, gateways, ids).Query(func(rows pgx.Rows) error {
		var name [2]string
		_, err := pgx.ForEachRow(rows, []any{&name[0], &name[1]}, func() error { fresh(name); return nil })
		return err
	})
}

// queueUnheard forgets an event again whose effect is refused.
func queueUnheard(batch *pgx.Batch, gateway, id string) {
	batch.Queue("delete from webhook_events where provider = $1 and event_id = $2", gateway, id)
}

// parseWebhook finds the gateway that has signed a message.
func (c *Checkout) parseWebhook(header http.Header, body []byte) (payment.Provider, []payment.Event, error) {
	for _, gateway := range c.gateways {
		events, err := gateway.ParseWebhook(header, body)
		if errors.Is(err, payment.ErrSignature) {
			continue
		}
		for _, event := range events {
			// Postgres keeps no zero bytes, and no gateway gives such names.
			if strings.Contains(event.ID+event.Ref+string(event.PaymentID), "\x00") {
				return gateway, nil, &payment.Error{Permanent: true, Reason: "webhook_unreadable"}
			}
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
