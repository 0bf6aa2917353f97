package checkout

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/checkout/payment"
)

// Webhook takes a message of the gateway. It only names an intent, whose truth
// is asked for before anything is believed; so messages may come late, twice
// and in any order. The message's id is written down in the transaction of its
// effect. Errors: bad_signature, invalid_request (signed, but unreadable), and
// unavailable: the gateway is to send it again.
func (c *Checkout) Webhook(ctx context.Context, header http.Header, body []byte) error {
	event, err := c.provider.ParseWebhook(header, body)
	if errors.Is(err, payment.ErrSignature) {
		return &ropeline.Error{Code: ropeline.CodeBadSignature, Message: "The message is not signed by the payment gateway.", Err: err}
	}
	if err != nil {
		return &ropeline.Error{Code: ropeline.CodeInvalidRequest, Message: "The message cannot be read.", Err: err}
	}
	if event.Ref == "" {
		return nil
	}
	var seen bool
	err = c.pool.QueryRow(ctx, "select exists (select from webhook_events where provider = $1 and event_id = $2)",
		c.provider.Name(), event.ID).Scan(&seen)
	if err != nil {
		return ropeline.Unavailable(err)
	}
	if seen {
		return nil
	}
	object, err := c.get(ctx, event.Ref)
	if payment.Permanent(err) {
		c.log.WarnContext(ctx, "webhook about an intent that the gateway does not know", "kind", event.Kind, "ref", event.Ref)
		return nil
	}
	if err != nil {
		return ropeline.Unavailable(err)
	}
	return asError(c.observeOnce(ctx, object.PaymentID, object, event.ID))
}

// observe takes note of what the gateway says about a payment.
func (c *Checkout) observe(ctx context.Context, id ropeline.PaymentID, object payment.Object) error {
	return c.observeOnce(ctx, id, object, "")
}

// observeOnce is observe for a webhook: when its id was seen, nothing happens.
func (c *Checkout) observeOnce(ctx context.Context, id ropeline.PaymentID, object payment.Object, webhook string) error {
	verdict, err := c.assess(ctx, id, object)
	if err != nil {
		return err
	}
	var event ropeline.EventID // whose clerk has work now
	err = pgx.BeginFunc(ctx, c.pool, func(tx pgx.Tx) error {
		if webhook != "" {
			tag, err := tx.Exec(ctx, "insert into webhook_events (provider, event_id) values ($1, $2) on conflict do nothing", c.provider.Name(), webhook)
			if err != nil || tag.RowsAffected() == 0 {
				return err
			}
		}
		s := sight{object: object, verdict: verdict, attempt: webhook != ""}
		err := tx.QueryRow(ctx, `
			select id, event_id, state, coalesce(duty, ''), coalesce(provider_ref, ''), clock_timestamp() from payments where id = $1 for update`, id).
			Scan(&s.payment, &s.event, &s.state, &s.duty, &s.ref, &s.now)
		if errors.Is(err, pgx.ErrNoRows) {
			c.log.WarnContext(ctx, "the gateway tells of a payment that is not ours", "payment", id, "ref", object.Ref)
			return nil
		}
		if err != nil {
			return err
		}
		if s.ref != "" && object.Ref != "" && s.ref != object.Ref {
			c.log.ErrorContext(ctx, "two intents for one payment", "payment", id, "known", s.ref, "told", object.Ref)
			return nil
		}
		before := s.duty
		if err := s.take(c.options.Watch); err != nil {
			return err
		}
		if s.duty != before && (s.duty == DutySettle || s.duty == DutyUnwind) {
			event = s.event
		}
		return s.write(ctx, tx)
	})
	if err == nil && event != "" {
		c.nudgeSoon(ctx, event)
	}
	return err
}

// sight is one look at a payment: what we know, and what the gateway says.
type sight struct {
	payment ropeline.PaymentID
	event   ropeline.EventID
	state   PaymentState
	duty    Duty
	dutyAt  time.Time // zero: as it is
	ref     string
	object  payment.Object
	now     time.Time
	verdict []byte // of a payment that was not authorized before
	attempt bool   // what is told came with a webhook of its own

	moves  []PaymentState // the states gone through, one by one
	refund string         // why the money must go back
}

// take decides what the gateway's word changes. News older than what we know
// changes nothing: each state is left only forward.
func (s *sight) take(watch time.Duration) error {
	told := paymentStateOf(s.object.Status)
	captured := s.object.Status == payment.StatusCaptured
	switch {
	case s.state == PaymentConfirmed:
	case s.state == PaymentCanceled, s.state == PaymentFailed:
		if captured {
			s.refund = "captured after its end"
		}
	case s.duty == DutyVoid && captured:
		// Nobody gets tickets for this money any more.
		if s.state != PaymentAuthorized {
			s.moves = append(s.moves, PaymentAuthorized)
		}
		s.moves = append(s.moves, PaymentConfirmed)
		s.duty, s.refund = DutyNone, "captured without tickets"
	case told == PaymentCanceled, told == PaymentFailed:
		s.moves = append(s.moves, told)
		if s.duty == DutyVoid {
			s.duty = DutyNone
		} else {
			s.owe(DutyUnwind, s.now)
		}
	case told == PaymentAuthorized && s.state != PaymentAuthorized:
		s.moves = append(s.moves, told)
		if s.duty != DutyVoid {
			s.owe(DutySettle, s.now)
		}
	case told == PaymentPending && s.state == PaymentCreated:
		s.moves = append(s.moves, told)
		if s.duty != DutyVoid {
			s.owe(DutyWatch, s.now.Add(watch))
		}
	}
	from := s.state
	for _, next := range s.moves {
		if err := paymentMoves.move(from, next); err != nil {
			return err
		}
		from = next
	}
	return nil
}

func (s *sight) owe(duty Duty, at time.Time) { s.duty, s.dutyAt = duty, at }

// declines counts an attempt that was declined; the webhook that tells of it
// is taken once.
func (s *sight) declines() int {
	if s.attempt && s.object.Decline != "" && s.object.Status == payment.StatusPending {
		return 1
	}
	return 0
}

func (s *sight) write(ctx context.Context, tx pgx.Tx) error {
	batch := &pgx.Batch{}
	for _, state := range s.moves {
		batch.Queue("update payments set state = $2, changed_at = $3 where id = $1", s.payment, state, s.now)
		batch.Queue(`
			insert into outbox (event_id, kind, subject, payload)
			select event_id, $2::text, id, jsonb_build_object('payment', id, 'order', order_id, 'amount_minor', amount_minor, 'currency', currency)
			from payments where id = $1`, s.payment, paymentKinds[state])
	}
	var dutyAt *time.Time
	if !s.dutyAt.IsZero() {
		dutyAt = &s.dutyAt
	}
	batch.Queue(`
		update payments set provider_ref = coalesce(provider_ref, nullif($2, '')),
			client_secret = case when client_secret = '' then $3 else client_secret end,
			failure = $4, duty = nullif($5, ''), duty_at = coalesce($6, duty_at),
			attempts = case when $6::timestamptz is null then attempts else 0 end,
			verdict = coalesce(verdict, $7), declines = declines + $8
		where id = $1`, s.payment, s.object.Ref, s.object.ClientSecret, s.object.Decline, string(s.duty), dutyAt, s.verdict, s.declines())
	if card, risk := s.object.Card, s.object.Risk; card != (payment.Card{}) || risk.Level != "" {
		batch.Queue(`
			update payments set card_fingerprint = $2, card_brand = $3, card_last4 = $4, card_country = $5,
				risk_score = nullif($6, -1), risk_level = $7
			where id = $1`, s.payment, card.Fingerprint, card.Brand, card.Last4, card.Country, risk.Score, risk.Level)
	}
	if s.refund != "" {
		batch.Queue(`
			insert into refunds (id, payment_id, idempotency_key, state, amount_minor, currency, reason)
			select $2, id, idempotency_key || ':refund', 'created', amount_minor, currency, $3 from payments where id = $1
			on conflict (idempotency_key) do nothing`, s.payment, ropeline.NewID[ropeline.RefundID](), s.refund)
	}
	return tx.SendBatch(ctx, batch).Close()
}
