package stripe_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"go.uber.org/goleak"

	api "github.com/stripe/stripe-go/v76"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/checkout/payment"
	"github.com/ropeline/ropeline/checkout/payment/paymenttest"
	"github.com/ropeline/ropeline/checkout/payment/stripe"
	"github.com/ropeline/ropeline/checkout/payment/stripe/stripefake"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T) (*stripe.Gateway, *stripefake.Server) {
	t.Helper()
	fake := stripefake.New(nil)
	g := stripe.New(stripe.Options{SecretKey: stripefake.SecretKey, WebhookSecret: stripefake.WebhookSecret, BaseURL: fake.URL})
	t.Cleanup(func() {
		g.Close()
		fake.Close()
	})
	return g, fake
}

func TestConformance(t *testing.T) {
	paymenttest.Run(t, func(t *testing.T) paymenttest.Gateway {
		g, fake := open(t)
		pay := func(number string) func(context.Context, payment.Object) error {
			return func(_ context.Context, o payment.Object) error { return fake.Pay(o.Ref, number) }
		}
		return paymenttest.Gateway{
			Provider: g, Authorize: pay(stripefake.Approves), AuthorizeOther: pay(stripefake.Mastercard), Decline: pay(stripefake.Declines),
			Dispute: func(_ context.Context, o payment.Object, status string) error {
				return fake.Dispute(o.Ref, status, "fraudulent")
			},
			Webhooks: func(context.Context) ([]paymenttest.Message, error) {
				var messages []paymenttest.Message
				for _, m := range fake.Webhooks() {
					if e, err := g.ParseWebhook(m.Header, m.Body); err == nil && e[0].Ref == "" {
						continue // of a kind that is let pass
					}
					messages = append(messages, paymenttest.Message(m))
				}
				return messages, nil
			},
		}
	})
}

const (
	opCreate  = "POST /v1/payment_intents"
	opCapture = "POST /v1/payment_intents/:id/capture"
	opCancel  = "POST /v1/payment_intents/:id/cancel"
	opRefund  = "POST /v1/refunds"
)

func intent() payment.Intent {
	id := ropeline.NewID[ropeline.PaymentID]()
	return payment.Intent{PaymentID: id, OrderID: ropeline.NewID[ropeline.OrderID](), Amount: ropeline.Money{Minor: 4250, Currency: "EUR"},
		Email: "fan@example.com", IdempotencyKey: string(id)}
}

func create(t *testing.T, g *stripe.Gateway) payment.Object {
	t.Helper()
	o, err := g.Create(t.Context(), intent())
	must(t, err)
	return o
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// The library's version of the API is the one that is promised and documented.
func TestVersion(t *testing.T) {
	if api.APIVersion != stripe.Version {
		t.Fatalf("the library speaks %s", api.APIVersion)
	}
}

func TestThreeDSecure(t *testing.T) {
	g, fake := open(t)
	o := create(t, g)
	must(t, fake.Pay(o.Ref, stripefake.Asks3DS))
	o, err := g.Get(t.Context(), o.Ref)
	if err != nil || o.Status != payment.StatusActionRequired || o.ClientSecret == "" {
		t.Fatalf("%v %+v", err, o)
	}
	must(t, fake.Authenticate(o.Ref, false))
	o, err = g.Get(t.Context(), o.Ref)
	if err != nil || o.Status != payment.StatusPending || o.Decline != "payment_intent_authentication_failure" || o.Card.Last4 != "3184" {
		t.Fatalf("%v %+v", err, o)
	}
	must(t, fake.Pay(o.Ref, stripefake.Asks3DS))
	must(t, fake.Authenticate(o.Ref, true))
	o, err = g.Get(t.Context(), o.Ref)
	if err != nil || o.Status != payment.StatusAuthorized || o.Decline != "" || o.Card.Country != "DE" {
		t.Fatalf("%v %+v", err, o)
	}
}

// What a payer may know of a decline, and what not.
func TestDeclines(t *testing.T) {
	g, fake := open(t)
	for number, want := range map[string]string{stripefake.Declines: "card_declined", stripefake.Insufficient: "insufficient_funds", stripefake.Stolen: "card_declined"} {
		o := create(t, g)
		must(t, fake.Pay(o.Ref, number))
		if o, err := g.Get(t.Context(), o.Ref); err != nil || o.Decline != want || o.Status != payment.StatusPending {
			t.Errorf("%s: %v %+v", number, err, o)
		}
	}
	o := create(t, g)
	must(t, fake.Pay(o.Ref, stripefake.Elevated))
	if o, err := g.Get(t.Context(), o.Ref); err != nil || o.Risk != (payment.Risk{Score: 70, Level: "elevated"}) {
		t.Errorf("%v %+v", err, o)
	}
}

// Each way in which a call can go wrong, and that its repetition with the same
// key comes to the one effect.
func TestCallsGoWrong(t *testing.T) {
	for _, f := range []stripefake.Fault{stripefake.Unreached, stripefake.Unheard, stripefake.Busy, stripefake.Broken, stripefake.Hangs} {
		t.Run(string(f), func(t *testing.T) {
			t.Parallel()
			g, fake := open(t)
			again := func(operation string, call func(ctx context.Context) error) {
				t.Helper()
				fake.Fail(operation, f, 1)
				ctx, cancel := t.Context(), context.CancelFunc(func() {})
				if f == stripefake.Hangs {
					ctx, cancel = context.WithTimeout(ctx, 100*time.Millisecond)
				}
				err := call(ctx)
				cancel()
				if err == nil && (f == stripefake.Unreached || f == stripefake.Unheard) {
					return // net/http has repeated it by itself, on a new connection: it has a key
				}
				if err == nil || payment.Permanent(err) {
					t.Fatalf("%s: %v", operation, err)
				}
				if e, told := errors.AsType[*payment.Error](err); told != (f == stripefake.Busy || f == stripefake.Broken) {
					t.Fatalf("%s: told %+v", operation, e)
				}
				for range 3 {
					must(t, call(t.Context()))
				}
			}
			i := intent()
			var o payment.Object
			again(opCreate, func(ctx context.Context) (err error) {
				o, err = g.Create(ctx, i)
				return err
			})
			count := 0
			for _, err := range g.Intents(t.Context(), payment.Query{}) {
				must(t, err)
				count++
			}
			if count != 1 {
				t.Errorf("%d intents", count)
			}
			must(t, fake.Pay(o.Ref, stripefake.Approves))
			again(opCapture, func(ctx context.Context) error {
				_, err := g.Capture(ctx, o.Ref, "capture")
				return err
			})
			again(opRefund, func(ctx context.Context) error {
				_, err := g.Refund(ctx, o.Ref, ropeline.Money{Minor: 1000, Currency: "EUR"}, "refund")
				return err
			})
			if left := fake.Captured(o.Ref); left != 3250 {
				t.Errorf("%d are left", left)
			}
			o = create(t, g)
			again(opCancel, func(ctx context.Context) error {
				_, err := g.Cancel(ctx, o.Ref, "cancel")
				return err
			})
			if s := fake.Status(o.Ref); s != "canceled" {
				t.Errorf("it is %s", s)
			}
		})
	}
}

// A failure of Stripe's own sticks to its key, several in a row to several.
func TestStickyFailures(t *testing.T) {
	g, fake := open(t)
	o := create(t, g)
	must(t, fake.Pay(o.Ref, stripefake.Approves))
	fake.Fail(opCapture, stripefake.Broken, 3)
	for i := range 3 {
		if _, err := g.Capture(t.Context(), o.Ref, "capture"); err == nil || payment.Permanent(err) {
			t.Fatalf("call %d: %v", i, err)
		}
	}
	o, err := g.Capture(t.Context(), o.Ref, "capture")
	if err != nil || o.Status != payment.StatusCaptured {
		t.Fatalf("%v %+v", err, o)
	}
}

// An old refusal is repeated with its key, although the intent has moved on.
func TestOldRefusal(t *testing.T) {
	g, fake := open(t)
	o := create(t, g)
	if _, err := g.Capture(t.Context(), o.Ref, "capture"); !payment.Permanent(err) {
		t.Fatal(err)
	}
	must(t, fake.Pay(o.Ref, stripefake.Approves))
	if o, err := g.Capture(t.Context(), o.Ref, "capture"); err != nil || o.Status != payment.StatusCaptured {
		t.Fatalf("%v %+v", err, o)
	}
}

// Days later Stripe has forgotten the keys; money still moves once.
func TestForgottenKeys(t *testing.T) {
	g, fake := open(t)
	o := create(t, g)
	must(t, fake.Pay(o.Ref, stripefake.Approves))
	part := ropeline.Money{Minor: 1000, Currency: "EUR"}
	var refunds [2]payment.Refund
	for i := range refunds {
		captured, err := g.Capture(t.Context(), o.Ref, "capture")
		if err != nil || captured.Status != payment.StatusCaptured {
			t.Fatalf("%v %+v", err, captured)
		}
		refunds[i], err = g.Refund(t.Context(), o.Ref, part, "refund")
		must(t, err)
		fake.Forget()
	}
	if refunds[0] != refunds[1] || fake.Captured(o.Ref) != 3250 {
		t.Errorf("%+v, then %+v; %d are left", refunds[0], refunds[1], fake.Captured(o.Ref))
	}
}

func TestRefundSentBack(t *testing.T) {
	g, fake := open(t)
	o := create(t, g)
	must(t, fake.Pay(o.Ref, stripefake.Approves))
	_, err := g.Capture(t.Context(), o.Ref, "capture")
	must(t, err)
	r, err := g.Refund(t.Context(), o.Ref, o.Amount, "refund")
	if err != nil || r.Status != payment.RefundDone {
		t.Fatalf("%v %+v", err, r)
	}
	must(t, fake.FailRefund(r.Ref))
	if r, err = g.GetRefund(t.Context(), r.Ref); err != nil || r.Status != payment.RefundFailed {
		t.Fatalf("%v %+v", err, r)
	}
}

// A wrong key is the operator's trouble: the payments wait for it.
func TestWrongKeyIsTransient(t *testing.T) {
	_, fake := open(t)
	g := stripe.New(stripe.Options{SecretKey: "sk_test_old", BaseURL: fake.URL})
	defer g.Close()
	_, err := g.Create(t.Context(), intent())
	if e, told := errors.AsType[*payment.Error](err); !told || e.Permanent {
		t.Errorf("%v", err)
	}
}

func TestMinorUnits(t *testing.T) {
	g, fake := open(t)
	for _, c := range []struct {
		money  ropeline.Money
		theirs int64 // 0: Stripe cannot charge it
	}{
		{ropeline.Money{Minor: 4250, Currency: "EUR"}, 4250},
		{ropeline.Money{Minor: 4250, Currency: "JPY"}, 4250},
		{ropeline.Money{Minor: 4250, Currency: "ISK"}, 425000}, // two decimals at Stripe, none in ISO 4217
		{ropeline.Money{Minor: 4250, Currency: "UGX"}, 425000},
		{ropeline.Money{Minor: 4250, Currency: "KWD"}, 4250},
		{ropeline.Money{Minor: 4251, Currency: "KWD"}, 0}, // the last of three digits must be 0
		{ropeline.Money{Minor: 4200, Currency: "MGA"}, 42},
		{ropeline.Money{Minor: 4250, Currency: "MGA"}, 0},
		{ropeline.Money{Minor: 4250, Currency: "IQD"}, 425}, // three decimals in ISO 4217, two at Stripe
		{ropeline.Money{Minor: 1 << 62, Currency: "ISK"}, 0},
	} {
		i := intent()
		i.Amount = c.money
		o, err := g.Create(t.Context(), i)
		if c.theirs == 0 {
			if !payment.Permanent(err) {
				t.Errorf("%v: %v", c.money, err)
			}
			continue
		}
		if err != nil || o.Amount != c.money {
			t.Errorf("%v: %v, told back as %v", c.money, err, o.Amount)
			continue
		}
		if got := fake.Amount(o.Ref); got != c.theirs {
			t.Errorf("%v is %d at Stripe, want %d", c.money, got, c.theirs)
		}
	}
}

func TestWebhookVersions(t *testing.T) {
	g, fake := open(t)
	o := create(t, g)
	must(t, fake.Pay(o.Ref, stripefake.Approves))
	for _, c := range []struct {
		name, body string
		age        time.Duration
		ref        string
		signature  bool // it is refused as unsigned
		permanent  bool
	}{
		{"of the pinned version", `{"id":"evt_1","object":"event","api_version":"2023-10-16","type":"payment_intent.succeeded","data":{"object":{"id":"pi_1","object":"payment_intent"}}}`, 0, "pi_1", false, false},
		{"of another version", `{"id":"evt_1","object":"event","api_version":"2024-06-20","type":"payment_intent.succeeded","data":{"object":{"id":"pi_1","object":"payment_intent"}}}`, 0, "", false, true},
		{"without a version", `{"id":"evt_1","object":"event","type":"payment_intent.succeeded","data":{"object":{"id":"pi_1","object":"payment_intent"}}}`, 0, "", false, true},
		{"of an unknown kind", `{"id":"evt_1","object":"event","api_version":"2023-10-16","type":"customer.created","data":{"object":{"id":"cus_1","object":"customer"}}}`, 0, "", false, false},
		{"with its intent whole", `{"id":"evt_1","object":"event","api_version":"2023-10-16","type":"charge.refunded","data":{"object":{"id":"ch_1","object":"charge","payment_intent":{"id":"pi_2"}}}}`, 0, "pi_2", false, false},
		{"of a charge without one", `{"id":"evt_1","object":"event","api_version":"2023-10-16","type":"charge.refunded","data":{"object":{"id":"ch_1","object":"charge","payment_intent":null}}}`, 0, "", false, false},
		{"of a dispute", `{"id":"evt_1","object":"event","api_version":"2023-10-16","type":"charge.dispute.created","data":{"object":{"id":"dp_1","object":"dispute","payment_intent":"pi_3"}}}`, 0, "pi_3", false, false},
		{"unreadable", `{`, 0, "", false, true},
		{"empty", `{}`, 0, "", false, true},
		{"old", `{}`, 6 * time.Minute, "", true, false},
	} {
		events, err := g.ParseWebhook(stripefake.Sign([]byte(c.body), time.Now().Add(-c.age)), []byte(c.body))
		var e payment.Event
		if len(events) == 1 {
			e = events[0]
		}
		if errors.Is(err, payment.ErrSignature) != c.signature || payment.Permanent(err) != c.permanent || e.Ref != c.ref {
			t.Errorf("%s: %v %+v", c.name, err, e)
		}
	}
	if _, err := stripe.New(stripe.Options{}).ParseWebhook(http.Header{stripe.SignatureHeader: {"t=1,v1=00"}}, nil); !errors.Is(err, payment.ErrSignature) {
		t.Errorf("without a secret: %v", err)
	}
}

func FuzzParseWebhook(f *testing.F) {
	f.Add([]byte(`{"id":"evt_1","api_version":"2023-10-16","type":"charge.refunded","data":{"object":{"payment_intent":"pi_1"}}}`))
	f.Add([]byte(`{"id":"evt_1","api_version":"2023-10-16","type":"refund.x","data":{"object":{"payment_intent":[]}}}`))
	f.Add([]byte(`null`))
	g := stripe.New(stripe.Options{WebhookSecret: stripefake.WebhookSecret})
	f.Fuzz(func(t *testing.T, body []byte) {
		_, _ = g.ParseWebhook(stripefake.Sign(body, time.Now()), body) // it must not panic
	})
}
