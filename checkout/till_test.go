package checkout

import (
	"bytes"
	"net/http"
	"testing"
	"time"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/checkout/payment"
	"github.com/ropeline/ropeline/checkout/payment/sandbox"
	"github.com/ropeline/ropeline/checkout/payment/stripe"
	"github.com/ropeline/ropeline/checkout/payment/stripe/stripefake"
)

// till is a house with one of the gateways, and the hands of its payers.
type till struct {
	*house
	approve, decline, refuseCapture func(o Order)
	ask                             func(o Order)           // the bank asks whether it is the payer
	answer                          func(o Order, yes bool) // the payer says so
	behind                          func(o Order)           // somebody captures at the gateway
	dispute                         func(o Order, state string)
	take                            func() [][]byte // the webhooks that are due
	sign                            func(body []byte) http.Header
	left                            func(o Order) int64 // what was captured, less what was given back
}

// tills opens a house with each gateway.
func tills(t *testing.T, options Options, test func(t *testing.T, l *till)) {
	t.Run("sandbox", func(t *testing.T) { test(t, sandboxTill(t, options)) })
	t.Run("stripe", func(t *testing.T) { test(t, stripeTill(t, options)) })
}

func sandboxTill(t *testing.T, options Options) *till {
	h := newHouse(t, options, false)
	confirm := func(outcome sandbox.Outcome) func(Order) {
		return func(o Order) { h.confirm(o, string(outcome)) }
	}
	return &till{
		house: h, approve: confirm(sandbox.Approve), decline: confirm(sandbox.Decline), refuseCapture: confirm(sandbox.CaptureFails),
		ask: confirm(sandbox.ThreeDSecure),
		answer: func(o Order, yes bool) {
			if yes {
				h.confirm(o, string(sandbox.ThreeDSecure))
			} else {
				h.confirm(o, string(sandbox.Decline))
			}
		},
		behind: func(o Order) {
			_, err := h.sandbox.Capture(t.Context(), o.Payment.Ref, "somebody else")
			must(t, err)
		},
		dispute: func(o Order, state string) {
			_, err := h.sandbox.Dispute(t.Context(), o.Payment.Ref, state, "fraudulent")
			must(t, err)
		},
		take: func() (bodies [][]byte) {
			due, err := h.sandbox.Claim(t.Context(), 1000)
			must(t, err)
			for _, d := range due {
				bodies = append(bodies, d.Body)
				must(t, h.sandbox.Delivered(t.Context(), d.Seq))
			}
			return bodies
		},
		sign: func(body []byte) http.Header {
			return http.Header{http.CanonicalHeaderKey(sandbox.SignatureHeader): {h.sandbox.Sign(body, time.Now())}}
		},
		left: func(o Order) int64 {
			got, err := h.sandbox.Get(t.Context(), o.Payment.Ref)
			must(t, err)
			if got.Status != payment.StatusCaptured {
				return 0
			}
			return got.Amount.Minor - got.Refunded
		},
	}
}

func stripeTill(t *testing.T, options Options) *till {
	l, _ := stripeTillOver(t, options)
	return l
}

func stripeTillOver(t *testing.T, options Options) (*till, *stripefake.Server) {
	fake := stripefake.New(nil)
	gateway := stripe.New(stripe.Options{SecretKey: stripefake.SecretKey, WebhookSecret: stripefake.WebhookSecret, BaseURL: fake.URL})
	t.Cleanup(func() {
		gateway.Close()
		fake.Close()
	})
	h := newHouse(t, options, false, gateway)
	pay := func(number string) func(Order) {
		return func(o Order) { must(t, fake.Pay(o.Payment.Ref, number)) }
	}
	return &till{
		house: h, approve: pay(stripefake.Approves), decline: pay(stripefake.Declines), refuseCapture: pay(stripefake.RefusesCapture),
		ask:     pay(stripefake.Asks3DS),
		answer:  func(o Order, yes bool) { must(t, fake.Authenticate(o.Payment.Ref, yes)) },
		behind:  func(o Order) { must(t, fake.CaptureBehind(o.Payment.Ref)) },
		dispute: func(o Order, state string) { must(t, fake.Dispute(o.Payment.Ref, state, "fraudulent")) },
		take: func() (bodies [][]byte) {
			for _, m := range fake.Webhooks() {
				bodies = append(bodies, m.Body)
			}
			return bodies
		},
		sign: func(body []byte) http.Header { return stripefake.Sign(body, time.Now()) },
		left: func(o Order) int64 { return fake.Captured(o.Payment.Ref) },
	}, fake
}

// post brings a webhook; a gateway brings one again when it was not taken.
func (l *till) post(body []byte) {
	l.t.Helper()
	if err := l.Webhook(l.t.Context(), l.sign(body), body); err != nil {
		l.t.Errorf("webhook: %v", err)
	}
}

// settle brings every webhook once, and does what is owed, until cond holds.
func (l *till) settle(what string, cond func() bool) {
	l.t.Helper()
	l.work(what, func() bool {
		for _, body := range l.take() {
			l.post(body)
		}
		return cond()
	})
}

func (l *till) is(o Order, order OrderState, paid PaymentState) func() bool {
	return func() bool { now := l.look(o); return now.State == order && now.Payment.State == paid }
}

// What can come of an order's payment, the same at each gateway.
func TestTills(t *testing.T) {
	tills(t, Options{}, func(t *testing.T, l *till) {
		e := l.event(kind{100, 1, 100, 4250})
		buy := func() Order { return l.order(l.hold(e, fan(), 1)) }
		for _, c := range []struct {
			name  string
			pay   func(o Order)
			order OrderState
			paid  PaymentState
			left  int64
		}{
			{"approved", l.approve, OrderPaid, PaymentConfirmed, 4250},
			{"declined, then approved", func(o Order) { l.decline(o); l.approve(o) }, OrderPaid, PaymentConfirmed, 4250},
			{"3-D Secure", func(o Order) { l.ask(o); l.answer(o, true) }, OrderPaid, PaymentConfirmed, 4250},
			{"3-D Secure refused, then approved", func(o Order) { l.ask(o); l.answer(o, false); l.approve(o) }, OrderPaid, PaymentConfirmed, 4250},
			{"capture refused", l.refuseCapture, OrderCanceled, "", 0},
			{"captured behind our back", func(o Order) { l.approve(o); l.behind(o) }, OrderPaid, PaymentConfirmed, 4250},
		} {
			t.Run(c.name, func(t *testing.T) {
				o := buy()
				c.pay(o)
				l.settle(c.name, func() bool {
					now := l.look(o)
					return now.State == c.order && (c.paid == "" || now.Payment.State == c.paid)
				})
				if o = l.look(o); (o.State == OrderPaid) != (len(o.Tickets) == 1) || l.left(o) != c.left {
					t.Errorf("%d is taken of %+v", l.left(o), o)
				}
			})
		}
		o := buy()
		l.decline(o)
		l.settle("declined", func() bool { return l.look(o).Payment.Failure == "card_declined" })
		o = buy()
		l.ask(o)
		l.settle("pending", l.is(o, OrderPending, PaymentPending))
		l.audit(e)
	})
}

// Money that comes after the hold has ended buys the ticket if one is left…
func TestTillsLateWithStock(t *testing.T) {
	tills(t, Options{Hold: 300 * time.Millisecond}, func(t *testing.T, l *till) {
		e := l.event(kind{1, 1, 1, 100})
		o := l.order(l.hold(e, fan(), 1))
		l.settle("expired", l.is(o, OrderExpired, PaymentPending))
		l.approve(o)
		l.settle("paid", l.is(o, OrderPaid, PaymentConfirmed))
		if o = l.look(o); len(o.Tickets) != 1 || l.left(o) != 100 {
			t.Errorf("%+v", o)
		}
		l.audit(e)
	})
}

// …and is let go, or given back when somebody has captured it, if none is.
func TestTillsLateWithoutStock(t *testing.T) {
	tills(t, Options{Hold: 300 * time.Millisecond}, func(t *testing.T, l *till) {
		e := l.event(kind{2, 2, 2, 100})
		held, taken := l.order(l.hold(e, fan(), 1)), l.order(l.hold(e, fan(), 1))
		l.settle("expired", func() bool {
			return l.is(held, OrderExpired, PaymentPending)() && l.is(taken, OrderExpired, PaymentPending)()
		})
		quick := l.order(l.hold(e, fan(), 2))
		l.approve(quick)
		l.settle("sold to another", l.is(quick, OrderPaid, PaymentConfirmed))
		l.approve(held)
		l.settle("voided", l.is(held, OrderExpired, PaymentCanceled))
		l.approve(taken)
		l.behind(taken)
		l.settle("refunded", func() bool {
			return count(t, l.pair.Pool, "select count(*) from refunds where payment_id = $1 and state = 'done'", taken.Payment.ID) == 1
		})
		for _, o := range []Order{held, taken} {
			if left := l.left(o); left != 0 {
				t.Errorf("%d is kept of %+v", left, l.look(o))
			}
		}
		l.audit(e)
	})
}

// A fan gives the reservation back while the money arrives.
func TestTillsCancelAgainstSuccess(t *testing.T) {
	tills(t, Options{}, func(t *testing.T, l *till) {
		e := l.event(kind{100, 1, 100, 100})
		for range 6 {
			o := l.order(l.hold(e, fan(), 1))
			l.approve(o)
			released := make(chan error, 1)
			go func() { released <- l.giveUp(t.Context(), o.Reservation, o.Fan, 5*time.Second) }()
			for _, body := range l.take() {
				l.post(body)
			}
			<-released // it may be too late for it
			l.settle("one of two ends", func() bool {
				return l.is(o, OrderPaid, PaymentConfirmed)() || l.is(o, OrderCanceled, PaymentCanceled)()
			})
			o = l.look(o)
			if paid := o.State == OrderPaid; paid != (len(o.Tickets) == 1) || paid != (l.left(o) == 100) {
				t.Fatalf("%d is taken of %+v", l.left(o), o)
			}
		}
		l.audit(e)
	})
}

// A false, an old or a foreign signature changes nothing.
func TestTillsBadSignature(t *testing.T) {
	tills(t, Options{}, func(t *testing.T, l *till) {
		e := l.event(kind{1, 1, 1, 100})
		o := l.order(l.hold(e, fan(), 1))
		l.approve(o)
		bodies := l.take()
		body := bodies[len(bodies)-1]
		good := l.sign(body)
		for name, header := range map[string]http.Header{
			"none":           nil,
			"another body's": l.sign([]byte("{}")),
			"another name's": {"Signature": {good.Get("Stripe-Signature") + good.Get(sandbox.SignatureHeader)}},
			"both gateways'": {"Stripe-Signature": {"t=1,v1=00"}, http.CanonicalHeaderKey(sandbox.SignatureHeader): {"t=1,v1=00"}},
			"an old one": {
				"Stripe-Signature": stripefake.Sign(body, time.Now().Add(-time.Hour))["Stripe-Signature"],
				http.CanonicalHeaderKey(sandbox.SignatureHeader): {l.sandbox.Sign(body, time.Now().Add(-time.Hour))},
			},
		} {
			if err := l.Webhook(t.Context(), header, body); err == nil {
				t.Errorf("%s was taken", name)
			}
		}
		if l.look(o).Payment.State != PaymentPending || count(t, l.pair.Pool, "select count(*) from webhook_events") != 0 ||
			count(t, l.pair.Pool, "select count(*) from payments where look_at is not null") != 0 {
			t.Error("it had an effect")
		}
		l.post(body)
		l.settle("paid", l.is(o, OrderPaid, PaymentConfirmed))
	})
}

// An endpoint of another version of Stripe's API is refused, and changes nothing.
func TestWebhookOfAnotherVersion(t *testing.T) {
	t.Parallel()
	l := stripeTill(t, Options{})
	e := l.event(kind{1, 1, 1, 100})
	o := l.order(l.hold(e, fan(), 1))
	l.approve(o)
	bodies := l.take()
	body := bytes.Replace(bodies[len(bodies)-1], []byte(`"2023-10-16"`), []byte(`"2024-06-20"`), 1)
	wantCode(t, l.Webhook(t.Context(), l.sign(body), body), ropeline.CodeInvalidRequest)
	if l.look(o).Payment.State != PaymentPending || count(t, l.pair.Pool, "select count(*) from webhook_events") != 0 {
		t.Error("it had an effect")
	}
}

// Stripe misbehaves at each call of a purchase in each of its ways, and the
// order is paid once it is well again, with the money taken once.
func TestStripeMisbehaves(t *testing.T) {
	t.Parallel()
	l, fake := stripeTillOver(t, Options{Grip: 100 * time.Millisecond, Watch: 100 * time.Millisecond})
	e := l.event(kind{100, 1, 100, 4250})
	for _, operation := range []string{"POST /v1/payment_intents", "GET /v1/payment_intents/:id", "POST /v1/payment_intents/:id/capture"} {
		for _, fault := range []stripefake.Fault{stripefake.Unreached, stripefake.Unheard, stripefake.Busy, stripefake.Broken} {
			t.Run(operation+" "+string(fault), func(t *testing.T) {
				fake.Fail(operation, fault, 1)
				o := l.order(l.hold(e, fan(), 1))
				l.settle("open", func() bool { o = l.look(o); return o.Payment.Ref != "" })
				l.approve(o)
				l.settle("paid", l.is(o, OrderPaid, PaymentConfirmed))
				if o = l.look(o); len(o.Tickets) != 1 || l.left(o) != 4250 {
					t.Errorf("%+v", o)
				}
			})
		}
	}
	intents := 0
	gateway, err := l.gateway(stripe.Name)
	must(t, err)
	for o, err := range gateway.Intents(t.Context(), payment.Query{}) {
		must(t, err)
		if o.Status != payment.StatusPending {
			intents++
		}
	}
	if want := count(t, l.pair.Pool, "select count(*) from orders"); intents != want {
		t.Errorf("%d intents were paid for %d orders", intents, want)
	}
	l.audit(e)
}

// That money was taken which the house knows to be its own is not asked for, and
// noted; the same of money that the house does not know of is.
func TestCapturesThatAreKnown(t *testing.T) {
	t.Parallel()
	l, fake := stripeTillOver(t, Options{})
	e := l.event(kind{100, 1, 100, 4250})
	o := l.order(l.hold(e, fan(), 1))
	asked := func() int { return fake.Calls("GET /v1/payment_intents/:id") }
	noted := func() int { return count(t, l.pair.Pool, "select count(*) from webhook_events") }
	l.approve(o)
	for _, body := range l.take() {
		l.post(body)
	}
	l.work("paid", l.is(o, OrderPaid, PaymentConfirmed))
	askedBefore, notedBefore := asked(), noted()
	bodies := l.take()
	for range 2 {
		for _, body := range bodies {
			l.post(body)
		}
	}
	if len(bodies) != 1 || asked() != askedBefore || noted() != notedBefore+1 {
		t.Errorf("%d messages: asked %d times more, noted %d more", len(bodies), asked()-askedBefore, noted()-notedBefore)
	}
	behind := l.order(l.hold(e, fan(), 1))
	l.approve(behind)
	l.behind(behind)
	bodies, askedBefore = l.take(), asked()
	l.post(bodies[len(bodies)-1])
	if asked() != askedBefore+1 {
		t.Errorf("asked %d times", asked()-askedBefore)
	}
	l.settle("paid as well", l.is(behind, OrderPaid, PaymentConfirmed))
	l.audit(e)
}
