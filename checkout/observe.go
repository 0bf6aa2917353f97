package checkout

import (
	"context"
	"encoding/json"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/checkout/payment"
	"github.com/ropeline/ropeline/internal/outbox"
)

// news is what a gateway says about a payment.
type news struct {
	gateway  string
	object   payment.Object
	disputes []payment.Dispute
	asked    time.Time  // Postgres' clock, before the gateway was asked
	webhook  string     // the id of the message that told of it; when it was seen, nothing happens
	looks    *time.Time // as in owed: with this the news are read
	known    *message   // what was read before the gateway was asked; nil: nothing was
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
	verdict, err := c.assess(ctx, id, n)
	if err != nil {
		return nil, err
	}
	k := &look{payment: id, news: n, verdict: verdict}
	if err := c.looks.Do(k); err != nil {
		return nil, err
	}
	switch {
	case k.seen:
		return nil, nil
	case !k.found:
		c.log.WarnContext(ctx, "the gateway tells of a payment that is not ours", "payment", id, "ref", n.object.Ref)
		return nil, nil
	case k.other:
		c.log.ErrorContext(ctx, "two intents for one payment", "payment", id, "known", k.sight.ref, "told", n.object.Ref)
		return nil, nil
	case k.clerk:
		c.nudgeSoon(ctx, k.sight.event)
	}
	return &k.sight, nil
}

// look is somebody's news of a payment, on their way into the tables.
type look struct {
	payment ropeline.PaymentID
	news    news
	verdict []byte

	sight sight
	found bool // it is ours
	seen  bool // the message was taken before
	other bool // the gateway means another intent than we know
	clerk bool // the clerk has to do something now
}

// readLooks locks the payments before it notes the messages: of two that tell
// the same, the second sees the first.
func readLooks(batch *pgx.Batch, parts []*look) {
	of := make(map[ropeline.PaymentID]*look, len(parts))
	ids := make([]string, len(parts))
	told := map[[2]string][]*look{}
	var gateways, webhooks []string
	for i, k := range parts {
		*k = look{payment: k.payment, news: k.news, verdict: k.verdict}
		of[k.payment], ids[i] = k, string(k.payment)
		if k.news.webhook != "" {
			k.seen = true
			name := [2]string{k.news.gateway, k.news.webhook}
			if told[name] = append(told[name], k); len(told[name]) == 1 {
				gateways, webhooks = append(gateways, k.news.gateway), append(webhooks, k.news.webhook)
			}
		}
	}
	batch.Queue(`
		select id, provider, event_id, order_id, state, coalesce(duty, ''), coalesce(provider_ref, ''), client_secret, failure, amount_minor, currency,
			card_fingerprint, card_brand, card_last4, card_country, coalesce(risk_score, -1), risk_level, clock_timestamp()
		from payments where id = any($1) order by id for update`, ids).Query(func(rows pgx.Rows) error {
		for rows.Next() {
			var s sight
			var gateway string
			if err := rows.Scan(&s.payment, &gateway, &s.event, &s.order, &s.state, &s.duty, &s.ref, &s.secret, &s.failure, &s.amount.Minor, &s.amount.Currency,
				&s.card.Fingerprint, &s.card.Brand, &s.card.Last4, &s.card.Country, &s.risk.Score, &s.risk.Level, &s.now); err != nil {
				return err
			}
			if k := of[s.payment]; gateway == k.news.gateway {
				s.news, s.verdict, s.attempt = k.news, k.verdict, k.news.webhook != "" || k.news.looks != nil
				k.sight, k.found = s, true
			}
		}
		return rows.Err()
	})
	if len(webhooks) > 0 {
		queueHeard(batch, gateways, webhooks, func(name [2]string) {
			for _, k := range told[name] {
				k.seen = false
			}
		})
	}
}

// writeLooks decides what the news change, and queues it.
func (c *Checkout) writeLooks(batch *pgx.Batch, parts []*look) []error {
	refusals := make([]error, len(parts))
	var sights []*sight
	for i, k := range parts {
		if k.seen {
			continue
		}
		s := &k.sight
		known := k.found && (s.ref == "" || k.news.object.Ref == "" || s.ref == k.news.object.Ref)
		k.other = k.found && !known
		if known {
			before := s.duty
			if refusals[i] = s.take(c.options.Watch); refusals[i] != nil {
				if k.news.webhook != "" {
					queueUnheard(batch, k.news.gateway, k.news.webhook)
				}
				continue
			}
			k.clerk = s.duty != before && (s.duty == DutySettle || s.duty == DutyUnwind)
			sights = append(sights, s)
		}
	}
	queueSights(batch, sights)
	return refusals
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
	card    payment.Card
	risk    payment.Risk
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
		if captured && s.news.object.Kept() > 0 {
			s.moves, s.refund = append(s.moves, PaymentConfirmed), "captured after its end"
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

// changes tells whether the payment's row is to be written; most messages tell
// nothing new.
func (s *sight) changes() bool {
	object := s.news.object
	return len(s.moves) > 0 || s.refund != "" || !s.dutyAt.IsZero() || s.verdict != nil || s.declines() > 0 || s.failure != object.Decline ||
		s.ref == "" && object.Ref != "" || s.secret == "" && object.ClientSecret != "" || s.showsCard()
}

// showsCard tells whether the gateway knows more of the card than we do.
func (s *sight) showsCard() bool {
	card, risk := s.news.object.Card, s.news.object.Risk
	return (card != payment.Card{} || risk.Level != "") && (card != s.card || risk != s.risk)
}

// queueSights queues what has changed, of all payments at once but for what is
// rare.
func queueSights(batch *pgx.Batch, sights []*sight) {
	var tell tidings
	var asked []string // payments whose refunds the news may be of
	var refunded []int64
	var changed []*sight
	for _, s := range sights {
		for i, next := range s.moves {
			if i < len(s.moves)-1 { // the last is written with all the rest, the others one by one, for the history
				batch.Queue("update payments set state = $2, changed_at = $3 where id = $1", s.payment, next, s.now)
			}
			tell.add(s.event, paymentKinds[next], string(s.payment), outbox.Payment{
				Payment: s.payment, Order: s.order, AmountMinor: s.amount.Minor, Currency: s.amount.Currency,
			})
		}
		if s.changes() {
			changed = append(changed, s)
		}
		if s.state == PaymentConfirmed && s.attempt {
			asked, refunded = append(asked, string(s.payment)), append(refunded, s.news.object.Refunded)
		}
	}
	queueSeen(batch, changed)
	tell.queue(batch)
	if len(asked) > 0 {
		queueAskAfter(batch, asked, refunded)
	}
	for _, s := range sights {
		if s.news.looks != nil {
			batch.Queue("update payments set look_at = null where id = $1 and look_at = $2", s.payment, s.news.looks)
		}
		for _, d := range s.news.disputes {
			queueDispute(batch, s, d, s.news.asked)
		}
		if s.refund != "" {
			batch.Queue(`
				insert into refunds (id, payment_id, idempotency_key, state, amount_minor, currency, reason)
				select $2, id, idempotency_key || ':refund', 'created', amount_minor, currency, $3 from payments where id = $1
				on conflict (idempotency_key) do nothing`, s.payment, ropeline.NewID[ropeline.RefundID](), s.refund)
		}
	}
}

// queueAskAfter hurries the question after refunds that are on their way; after
// those that are done too, where another sum went back than by our books: a bank
// may have sent one back.
func queueAskAfter(batch *pgx.Batch, payments []string, refunded []int64) {
	batch.Queue(`
		update refunds f set due_at = least(f.due_at, now()) from unnest($1::text[], $2::bigint[]) as u(id, refunded)
		where f.payment_id = u.id and (f.state = 'transit' or f.state = 'done' and u.refunded <> (
			select sum(g.amount_minor) from refunds g where g.payment_id = f.payment_id and g.state in ('transit', 'done')))`, payments, refunded)
}

// queueSeen writes the payments' rows.
func queueSeen(batch *pgx.Batch, sights []*sight) {
	n := len(sights)
	if n == 0 {
		return
	}
	ids, refs, secrets, failures := make([]string, n), make([]string, n), make([]string, n), make([]string, n)
	duties, dutyAts, verdicts, declines := make([]string, n), make([]*time.Time, n), make([]string, n), make([]int32, n)
	states, times := make([]string, n), make([]time.Time, n)
	fingerprints, brands, lasts, countries := make([]string, n), make([]string, n), make([]string, n), make([]string, n)
	scores, levels := make([]int32, n), make([]string, n)
	for i, s := range sights {
		object := s.news.object
		ids[i], refs[i], secrets[i], failures[i] = string(s.payment), object.Ref, object.ClientSecret, object.Decline
		duties[i], verdicts[i], declines[i], times[i] = string(s.duty), string(s.verdict), int32(s.declines()), s.now
		if !s.dutyAt.IsZero() {
			dutyAts[i] = &s.dutyAt
		}
		if len(s.moves) > 0 {
			states[i] = string(s.stands())
		}
		card, risk := s.card, s.risk
		if s.showsCard() {
			card, risk = object.Card, object.Risk
		}
		fingerprints[i], brands[i], lasts[i], countries[i] = card.Fingerprint, card.Brand, card.Last4, card.Country
		scores[i], levels[i] = int32(risk.Score), risk.Level
	}
	batch.Queue(`
		update payments p set provider_ref = coalesce(p.provider_ref, nullif(u.ref, '')),
			client_secret = case when p.client_secret = '' then u.secret else p.client_secret end,
			failure = u.failure, duty = nullif(u.duty, ''), duty_at = coalesce(u.duty_at, p.duty_at),
			attempts = case when u.duty_at is null then p.attempts else 0 end,
			verdict = coalesce(p.verdict, nullif(u.verdict, '')::jsonb), declines = p.declines + u.declines,
			state = coalesce(nullif(u.state, ''), p.state), changed_at = case when u.state = '' then p.changed_at else u.at end,
			card_fingerprint = u.fingerprint, card_brand = u.brand, card_last4 = u.last4, card_country = u.country,
			risk_score = nullif(u.score, -1), risk_level = u.level
		from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::text[], $8::int[], $9::text[], $10::timestamptz[],
				$11::text[], $12::text[], $13::text[], $14::text[], $15::int[], $16::text[])
			as u(id, ref, secret, failure, duty, duty_at, verdict, declines, state, at, fingerprint, brand, last4, country, score, level)
		where p.id = u.id`,
		ids, refs, secrets, failures, duties, dutyAts, verdicts, declines, states, times, fingerprints, brands, lasts, countries, scores, levels)
}

// tidings are domain events on their way into the outbox, in the order in which
// they were added.
type tidings struct {
	events, kinds, subjects, payloads []string
}

func (t *tidings) add(event ropeline.EventID, kind outbox.Kind, subject string, payload any) {
	text, _ := json.Marshal(payload)
	t.events, t.kinds = append(t.events, string(event)), append(t.kinds, string(kind))
	t.subjects, t.payloads = append(t.subjects, subject), append(t.payloads, string(text))
}

func (t *tidings) queue(batch *pgx.Batch) {
	if len(t.kinds) > 0 {
		batch.Queue(`
			insert into outbox (event_id, kind, subject, payload)
			select u.event, u.kind, u.subject, u.payload::jsonb from unnest($1::text[], $2::text[], $3::text[], $4::text[]) as u(event, kind, subject, payload)`,
			t.events, t.kinds, t.subjects, t.payloads)
	}
}
