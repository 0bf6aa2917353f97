package checkout

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"time"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/checkout/payment"
)

// simGateway is a gateway of the world: honest about what it has, at the far
// end of a bad line.
type simGateway struct {
	*world
	intents []*simIntent
	refunds []*simRefund
}

type simIntent struct {
	payment.Object
	key      string
	refuses  bool // a capture
	declined int
}

type simRefund struct {
	payment.Refund
	asked int // how often somebody asked after it
}

const simGatewayName = "gateway"

var errLine = errors.New("the line is dead")

// over carries one call over the line: it may not arrive, its answer may not,
// and whoever calls may die at either end of it.
func over[T any](ctx context.Context, what string, do func() (T, error)) (T, error) {
	a := ctx.Value(actorKey{}).(*actor)
	var none T
	fault := 100
	if !a.calm && a.cast.has(lines) {
		fault = a.dice.IntN(100)
	}
	if fault < 6 {
		a.say("%s: the call does not arrive", what)
		a.pass(a.between(time.Millisecond, 9*time.Second))
		return none, errLine
	}
	a.step()
	answer, err := do()
	a.say("%s: %v%v", what, told(answer), failure(err))
	if fault < 14 {
		a.pass(a.between(time.Millisecond, 9*time.Second))
		a.say("%s: the answer is lost", what)
		return none, context.DeadlineExceeded
	}
	a.step()
	return answer, err
}

func told(answer any) any {
	switch x := answer.(type) {
	case payment.Object:
		return x.Status
	case payment.Refund:
		return x.Status
	}
	return answer
}

func failure(err error) string {
	if err == nil {
		return ""
	}
	return " " + err.Error()
}

func (g *simGateway) Name() string { return simGatewayName }

func (g *simGateway) intent(ref string) *simIntent {
	for _, i := range g.intents {
		if i.Ref == ref {
			return i
		}
	}
	return nil
}

func (g *simGateway) with(ctx context.Context, what, ref string, do func(i *simIntent) error) (payment.Object, error) {
	return over(ctx, what+" "+ref, func() (payment.Object, error) {
		i := g.intent(ref)
		if i == nil {
			return payment.Object{}, &payment.Error{Permanent: true, Reason: "resource_missing"}
		}
		err := do(i)
		return i.Object, err
	})
}

func (g *simGateway) Create(ctx context.Context, q payment.Intent) (payment.Object, error) {
	return over(ctx, "create "+string(q.PaymentID), func() (payment.Object, error) {
		for _, i := range g.intents {
			if i.key == q.IdempotencyKey {
				return i.Object, nil
			}
		}
		i := &simIntent{key: q.IdempotencyKey, Object: payment.Object{
			Ref: fmt.Sprintf("pi-%d", len(g.intents)+1), PaymentID: q.PaymentID, Status: payment.StatusPending, Amount: q.Amount, ClientSecret: "secret",
		}}
		g.intents = append(g.intents, i)
		return i.Object, nil
	})
}

func (g *simGateway) Get(ctx context.Context, ref string) (payment.Object, error) {
	return g.with(ctx, "get", ref, func(*simIntent) error { return nil })
}

func (g *simGateway) Capture(ctx context.Context, ref, _ string) (payment.Object, error) {
	return g.with(ctx, "capture", ref, func(i *simIntent) error {
		switch {
		case i.Status == payment.StatusCaptured:
			return nil
		case i.Status != payment.StatusAuthorized, i.refuses:
			return &payment.Error{Permanent: true, Reason: "capture_refused"}
		}
		i.Status = payment.StatusCaptured
		g.post(i)
		return nil
	})
}

func (g *simGateway) Cancel(ctx context.Context, ref, _ string) (payment.Object, error) {
	return g.with(ctx, "cancel", ref, func(i *simIntent) error {
		if i.Status == payment.StatusPending || i.Status == payment.StatusAuthorized {
			i.Status = payment.StatusCanceled
			g.post(i)
		}
		return nil
	})
}

func (g *simGateway) Refund(ctx context.Context, ref string, amount ropeline.Money, key string) (payment.Refund, error) {
	return over(ctx, "refund "+ref, func() (payment.Refund, error) {
		for _, r := range g.refunds {
			if r.Key == key {
				return r.Refund, nil
			}
		}
		i := g.intent(ref)
		if i == nil || i.Status != payment.StatusCaptured || i.Refunded+amount.Minor > i.Amount.Minor {
			return payment.Refund{}, &payment.Error{Permanent: true, Reason: "charge_already_refunded"}
		}
		i.Refunded += amount.Minor
		r := &simRefund{Refund: payment.Refund{Ref: fmt.Sprintf("re-%d", len(g.refunds)+1), Intent: ref, Key: key, Status: payment.RefundTransit, Amount: amount}}
		g.refunds = append(g.refunds, r)
		return r.Refund, nil
	})
}

func (g *simGateway) GetRefund(ctx context.Context, ref string) (payment.Refund, error) {
	return over(ctx, "get "+ref, func() (payment.Refund, error) {
		for _, r := range g.refunds {
			if r.Ref == ref {
				if r.asked++; r.asked > 1 {
					r.Status = payment.RefundDone
				}
				return r.Refund, nil
			}
		}
		return payment.Refund{}, &payment.Error{Permanent: true, Reason: "resource_missing"}
	})
}

func (g *simGateway) Intents(context.Context, payment.Query) iter.Seq2[payment.Object, error] {
	return func(yield func(payment.Object, error) bool) {
		for _, i := range g.intents {
			if !yield(i.Object, nil) {
				return
			}
		}
	}
}

func (g *simGateway) Refunds(context.Context, payment.Query) iter.Seq2[payment.Refund, error] {
	return func(func(payment.Refund, error) bool) {}
}

func (g *simGateway) Disputes(context.Context, payment.Query) iter.Seq2[payment.Dispute, error] {
	return func(func(payment.Dispute, error) bool) {}
}

func (g *simGateway) ParseWebhook(http.Header, []byte) ([]payment.Event, error) {
	return nil, payment.ErrSignature
}

// pay is the payer at the gateway's own page.
func (g *simGateway) pay(i *simIntent, decline bool) {
	if i.Status != payment.StatusPending {
		return
	}
	i.Card = payment.Card{Fingerprint: "card of " + string(i.PaymentID)}
	if decline {
		i.Decline = "card_declined"
		i.declined++
	} else {
		i.Status, i.Decline = payment.StatusAuthorized, ""
	}
	g.post(i)
}

// post sends a webhook: once, twice, late or never.
func (g *simGateway) post(i *simIntent) {
	g.messages++
	e := payment.Event{ID: fmt.Sprintf("evt-%d", g.messages), Ref: i.Ref, PaymentID: i.PaymentID}
	fate := g.fate("post " + e.ID)
	times, late := 1, 2*time.Second
	if !g.calm && g.cast.has(posting) {
		switch fate.IntN(5) {
		case 0:
			times = 0
		case 1:
			times = 3
		case 2:
			late = 2 * time.Minute
		}
	}
	for n := range times {
		g.enter(fmt.Sprintf("%s.%d", e.ID, n), time.Duration(fate.Int64N(int64(late))), true, func(a *actor) { a.webhook(e) })
	}
}
