package checkout

import (
	"context"
	"encoding/json"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/checkout/payment"
)

// Verdict is what somebody thinks of an order's honesty. The house holds to
// it: it never asks why.
type Verdict struct {
	Score    float64      `json:"score"` // probability of fraud, 0 to 1
	Decision RiskDecision `json:"decision"`
	Reasons  []string     `json:"reasons,omitempty"` // for the organizer

	// Of a review: how long it may take, and what happens then (RiskAllow or
	// RiskReject).
	ReviewSeconds int64        `json:"review_seconds,omitempty"`
	AtDeadline    RiskDecision `json:"at_deadline,omitempty"`
}

// Authorized is a payment that the gateway has just authorized, as Assess is
// shown it.
type Authorized struct {
	Event    ropeline.EventID
	Order    ropeline.OrderID
	Payment  ropeline.PaymentID
	Fan      ropeline.FanID
	Card     payment.Card
	Risk     payment.Risk
	Declines int // attempts to pay that the gateway has declined
}

// mostReview is the longest a review may take: an authorization lives seven
// days at the gateways, and the capture needs some of that.
const mostReview = 6 * 24 * time.Hour

// encode makes the verdict fit for its column; a review that does not say how
// it ends gets a day, and ends with a rejection.
func (v Verdict) encode() ([]byte, error) {
	switch v.Decision {
	case RiskAllow, RiskReject:
	case RiskReview:
		if v.ReviewSeconds <= 0 {
			v.ReviewSeconds = int64(24 * time.Hour / time.Second)
		}
		v.ReviewSeconds = min(v.ReviewSeconds, int64(mostReview/time.Second))
		if v.AtDeadline != RiskAllow {
			v.AtDeadline = RiskReject
		}
	default:
		v.Decision = RiskAllow
	}
	v.Score = min(max(v.Score, 0), 1)
	return json.Marshal(v)
}

// firstVerdict is a verdict in the forms that a new order is written with.
type firstVerdict struct {
	score   *float64
	reasons []string
	final   []byte // what an order that costs nothing is decided by
}

func (p Placing) first() (f firstVerdict, err error) {
	if p.Verdict == nil {
		return f, nil
	}
	score := min(max(p.Verdict.Score, 0), 1)
	f.score, f.reasons = &score, p.Verdict.Reasons
	f.final, err = p.Verdict.encode()
	return f, err
}

// assess asks what is to be thought of a payment that is about to become
// authorized: nil when nobody is asked, or when the payment is past that. It
// is asked before the transaction, which must not wait for it, and what is
// asked twice is written once, with the authorization.
func (c *Checkout) assess(ctx context.Context, id ropeline.PaymentID, n news) ([]byte, error) {
	if c.options.Assess == nil || paymentStateOf(n.object.Status) != PaymentAuthorized {
		return nil, nil
	}
	m := n.known
	if m == nil || m.payment != id {
		m = &message{payment: id}
		if err := c.messages.Do(context.WithoutCancel(ctx), m); err != nil {
			return nil, err
		}
	}
	if !m.found {
		return nil, nil
	}
	a := m.what
	a.Card, a.Risk = n.object.Card, n.object.Risk
	return c.options.Assess(ctx, a).encode()
}

// judged tells whether the claim's verdict goes to its order now.
func (c claim) judged() bool { return c.duty == DutySettle && c.risk != RiskUndecided && c.unjudged }

// queueVerdicts carries the verdicts of payments over to their orders, with
// the clerk's own decision about the stock: orders are written once.
func (b ledgers) queueVerdicts(batch *pgx.Batch, claims, accepted []claim) {
	var payments []string
	for _, c := range claims {
		if c.judged() {
			payments = append(payments, string(c.payment))
		}
	}
	if len(payments) == 0 {
		return
	}
	batch.Queue(`
		with told as (
			update orders o set risk_score = v.score, risk_decision = v.decision, risk_reasons = coalesce(v.reasons, '{}'),
				accepted_at = case when o.id = any($3) then $2::timestamptz else o.accepted_at end,
				review_deadline = case when v.decision = 'review' then $2::timestamptz + v.review_seconds * interval '1 second' end,
				review_at_deadline = case when v.decision = 'review' then v.at_deadline end
			from payments p cross join jsonb_to_record(p.verdict) as v(score real, decision text, reasons text[], review_seconds bigint, at_deadline text)
			where p.id = any($1) and o.id = p.order_id and o.risk_decision is null
			returning o.event_id, o.id, p.id as payment, v.decision, v.score
		)
		insert into outbox (event_id, kind, subject, payload)
		select event_id, 'FraudReviewed', id, jsonb_build_object('order', id, 'payment', payment, 'decision', decision, 'by', 'model', 'score', score)
		from told where decision <> 'allow'`, payments, b.now(), ordersOf(accepted))
}
