package checkout

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/checkout/payment"
	"github.com/ropeline/ropeline/internal/groupcommit"
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
	_, err := c.see(ctx, id, n)
	return err
}

// see is learn, and returns how the payment stands now; nil for one that is not
// ours, and for news that were told before.
func (c *Checkout) see(ctx context.Context, id ropeline.PaymentID, n news) (*sight, error) {
	verdict, err := c.assess(ctx, id, n.object)
	if err != nil {
		return nil, err
	}
	var s sight
	var found, seen, news bool
	err = c.group.Do(groupcommit.Part{Key: string(id), Read: func(batch *pgx.Batch) {
		s, found, seen = sight{news: n, verdict: verdict, attempt: n.webhook != "" || n.looks != nil}, false, false
		// The lock comes before the look at the messages: of two that tell the
		// same, the second sees the first.
		batch.Queue(`
			select id, event_id, order_id, state, coalesce(duty, ''), coalesce(provider_ref, ''), client_secret, failure, amount_minor, currency, clock_timestamp()
			from payments where id = $1 and provider = $2 for update`, id, n.gateway).Query(func(rows pgx.Rows) error {
			_, err := pgx.ForEachRow(rows, []any{&s.payment, &s.event, &s.order, &s.state, &s.duty, &s.ref, &s.secret, &s.failure, &s.amount.Minor, &s.amount.Currency, &s.now},
				func() error { found = true; return nil })
			return err
		})
		if n.webhook != "" {
			batch.Queue("select exists (select from webhook_events where provider = $1 and event_id = $2)", n.gateway, n.webhook).
				QueryRow(func(row pgx.Row) error { return row.Scan(&seen) })
		}
	}, Write: func(batch *pgx.Batch) error {
		news = false
		if seen {
			return nil
		}
		if n.webhook != "" {
			batch.Queue("insert into webhook_events (provider, event_id) values ($1, $2) on conflict do nothing", n.gateway, n.webhook)
		}
		if !found {
			c.log.WarnContext(ctx, "the gateway tells of a payment that is not ours", "payment", id, "ref", n.object.Ref)
			return nil
		}
		if s.ref != "" && n.object.Ref != "" && s.ref != n.object.Ref {
			c.log.ErrorContext(ctx, "two intents for one payment", "payment", id, "known", s.ref, "told", n.object.Ref)
			found = false
			return nil
		}
		before := s.duty
		if err := s.take(c.options.Watch); err != nil {
			return err
		}
		news = s.duty != before && (s.duty == DutySettle || s.duty == DutyUnwind)
		s.write(batch)
		return nil
	}})
	if err == nil && news {
		c.nudgeSoon(ctx, s.event)
	}
	if err != nil || !found || seen {
		return nil, err
	}
	return &s, nil
}

// sight is one look at a payment: what we know, and what the gateway says.
type sight struct {
	payment ropeline.PaymentID
	event   ropeline.EventID
	order   ropeline.OrderID
	amount  ropeline.Money
	state   PaymentState
	duty    Duty
	dutyAt  time.Time // zero: as it is
	ref     string
	secret  string
	failure string
	news    news
	now     time.Time
	verdict []byte // of a payment that was not authorized before
	attempt bool   // what is told came with a webhook of its own

	moves  []PaymentState // the states gone through, one by one
	refund string         // why the money must go back
}

// stands is the state after the look.
func (s *sight) stands() PaymentState {
	if n := len(s.moves); n > 0 {
		return s.moves[n-1]
	}
	return s.state
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

// write queues what has changed; most messages tell nothing new.
func (s *sight) write(batch *pgx.Batch) {
	var state *PaymentState // the last move; the others are written one by one, for the history
	for i, next := range s.moves {
		if i < len(s.moves)-1 {
			batch.Queue("update payments set state = $2, changed_at = $3 where id = $1", s.payment, next, s.now)
		} else {
			state = &next
		}
		batch.Queue(`
			insert into outbox (event_id, kind, subject, payload)
			values ($1, $2, $3, jsonb_build_object('payment', $3::text, 'order', $4::text, 'amount_minor', $5::bigint, 'currency', $6::text))`,
			s.event, paymentKinds[next], s.payment, s.order, s.amount.Minor, s.amount.Currency)
	}
	var dutyAt *time.Time
	if !s.dutyAt.IsZero() {
		dutyAt = &s.dutyAt
	}
	object := s.news.object
	if len(s.moves) > 0 || s.refund != "" || dutyAt != nil || s.verdict != nil || s.declines() > 0 || s.failure != object.Decline ||
		s.ref == "" && object.Ref != "" || s.secret == "" && object.ClientSecret != "" {
		batch.Queue(`
			update payments set provider_ref = coalesce(provider_ref, nullif($2, '')),
				client_secret = case when client_secret = '' then $3 else client_secret end,
				failure = $4, duty = nullif($5, ''), duty_at = coalesce($6, duty_at),
				attempts = case when $6::timestamptz is null then attempts else 0 end,
				verdict = coalesce(verdict, $7), declines = declines + $8,
				state = coalesce($9, state), changed_at = case when $9::text is null then changed_at else $10 end
			where id = $1`, s.payment, object.Ref, object.ClientSecret, object.Decline, string(s.duty), dutyAt, s.verdict, s.declines(), state, s.now)
	}
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
	if card, risk := object.Card, object.Risk; card != (payment.Card{}) || risk.Level != "" {
		batch.Queue(`
			update payments set card_fingerprint = $2, card_brand = $3, card_last4 = $4, card_country = $5,
				risk_score = nullif($6::int, -1), risk_level = $7
			where id = $1 and (card_fingerprint, card_brand, card_last4, card_country, risk_score, risk_level)
				is distinct from ($2::text, $3::text, $4::text, $5::text, nullif($6::int, -1), $7::text)`,
			s.payment, card.Fingerprint, card.Brand, card.Last4, card.Country, risk.Score, risk.Level)
	}
	if s.refund != "" {
		batch.Queue(`
			insert into refunds (id, payment_id, idempotency_key, state, amount_minor, currency, reason)
			select $2, id, idempotency_key || ':refund', 'created', amount_minor, currency, $3 from payments where id = $1
			on conflict (idempotency_key) do nothing`, s.payment, ropeline.NewID[ropeline.RefundID](), s.refund)
	}
}
