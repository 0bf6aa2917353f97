package checkout

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/checkout/payment"
)

// news is what a gateway says about a payment.
type news struct {
	gateway  string
	object   payment.Object
	disputes []payment.Dispute
	asked    time.Time  // Postgres' clock, before the gateway was asked
	webhook  string     // the id of the message that told of it; when it was seen, nothing happens
	looks    *time.Time // as in owed: with this the news are read
}

// observe takes note of what the gateway answered to a duty.
func (c *Checkout) observe(ctx context.Context, o owed, object payment.Object) error {
	return c.learn(ctx, o.payment, news{gateway: o.provider, object: object, asked: o.now})
}

// learn writes down what is new.
func (c *Checkout) learn(ctx context.Context, id ropeline.PaymentID, n news) error {
	verdict, err := c.assess(ctx, id, n.object)
	if err != nil {
		return err
	}
	var event ropeline.EventID // whose clerk has work now
	err = pgx.BeginFunc(ctx, c.pool, func(tx pgx.Tx) error {
		if n.webhook != "" {
			tag, err := tx.Exec(ctx, "insert into webhook_events (provider, event_id) values ($1, $2) on conflict do nothing", n.gateway, n.webhook)
			if err != nil || tag.RowsAffected() == 0 {
				return err
			}
		}
		s := sight{news: n, verdict: verdict, attempt: n.webhook != "" || n.looks != nil}
		err := tx.QueryRow(ctx, `
			select id, event_id, state, coalesce(duty, ''), coalesce(provider_ref, ''), clock_timestamp()
			from payments where id = $1 and provider = $2 for update`, id, n.gateway).
			Scan(&s.payment, &s.event, &s.state, &s.duty, &s.ref, &s.now)
		if errors.Is(err, pgx.ErrNoRows) {
			c.log.WarnContext(ctx, "the gateway tells of a payment that is not ours", "payment", id, "ref", n.object.Ref)
			return nil
		}
		if err != nil {
			return err
		}
		if s.ref != "" && n.object.Ref != "" && s.ref != n.object.Ref {
			c.log.ErrorContext(ctx, "two intents for one payment", "payment", id, "known", s.ref, "told", n.object.Ref)
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
	news    news
	now     time.Time
	verdict []byte // of a payment that was not authorized before
	attempt bool   // what is told came with a webhook of its own

	moves  []PaymentState // the states gone through, one by one
	refund string         // why the money must go back
}

// take decides what the gateway's word changes. News older than what we know
// changes nothing: each state is left only forward.
func (s *sight) take(watch time.Duration) error {
	told := paymentStateOf(s.news.object.Status)
	captured := s.news.object.Status == payment.StatusCaptured
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
	if s.attempt && s.news.object.Decline != "" && s.news.object.Status == payment.StatusPending {
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
		where id = $1`, s.payment, s.news.object.Ref, s.news.object.ClientSecret, s.news.object.Decline, string(s.duty), dutyAt, s.verdict, s.declines())
	if s.news.looks != nil {
		batch.Queue("update payments set look_at = null where id = $1 and look_at = $2", s.payment, s.news.looks)
	}
	for _, d := range s.news.disputes {
		queueDispute(batch, s, d, s.news.asked)
	}
	if s.state == PaymentConfirmed && (s.news.webhook != "" || s.news.looks != nil) {
		// The news may be of a refund under way.
		batch.Queue("update refunds set due_at = least(due_at, now()) where payment_id = $1 and state = 'transit'", s.payment)
	}
	if card, risk := s.news.object.Card, s.news.object.Risk; card != (payment.Card{}) || risk.Level != "" {
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
