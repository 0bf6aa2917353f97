package sandbox_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/checkout/payment"
	"github.com/ropeline/ropeline/checkout/payment/paymenttest"
	"github.com/ropeline/ropeline/checkout/payment/sandbox"
	"github.com/ropeline/ropeline/internal/engines"
	"github.com/ropeline/ropeline/internal/keyring"
)

func TestMain(m *testing.M) { engines.Main(m) }

func open(t *testing.T) *sandbox.Gateway {
	t.Helper()
	pair := engines.Test(t)
	k, err := keyring.Load(t.Context(), pair.Pool)
	if err != nil {
		t.Fatal(err)
	}
	return sandbox.New(pair.Pool, k, sandbox.Options{})
}

func TestConformance(t *testing.T) {
	paymenttest.Run(t, func(t *testing.T) paymenttest.Gateway {
		g := open(t)
		confirm := func(outcome sandbox.Outcome) func(context.Context, payment.Object) error {
			return func(ctx context.Context, o payment.Object) error {
				_, err := g.Confirm(ctx, o.Ref, o.ClientSecret, string(outcome))
				return err
			}
		}
		return paymenttest.Gateway{
			Provider: g, Authorize: confirm(sandbox.Approve), Decline: confirm(sandbox.Decline),
			AuthorizeOther: func(ctx context.Context, o payment.Object) error {
				_, err := g.ConfirmCard(ctx, o.Ref, o.ClientSecret, string(sandbox.Approve), "5555555555554444")
				return err
			},
			Dispute: func(ctx context.Context, o payment.Object, status string) error {
				_, err := g.Dispute(ctx, o.Ref, status, "fraudulent")
				return err
			},
			Webhooks: func(ctx context.Context) ([]paymenttest.Message, error) {
				due, err := g.Claim(ctx, 100)
				var messages []paymenttest.Message
				for _, d := range due {
					header := http.Header{}
					header.Set(sandbox.SignatureHeader, g.Sign(d.Body, time.Now()))
					messages = append(messages, paymenttest.Message{Header: header, Body: d.Body})
				}
				return messages, err
			},
		}
	})
}

func intent(t *testing.T, g *sandbox.Gateway) payment.Object {
	t.Helper()
	id := ropeline.NewID[ropeline.PaymentID]()
	o, err := g.Create(t.Context(), payment.Intent{PaymentID: id, Amount: ropeline.Money{Minor: 100, Currency: "EUR"}, IdempotencyKey: string(id)})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// Each outcome: the state after one confirmation, and the webhooks that are
// due at once and later.
func TestOutcomes(t *testing.T) {
	for _, c := range []struct {
		outcome string
		status  payment.Status
		now     int // webhooks due at once
		same    bool
		later   int // webhooks due within a few seconds
	}{
		{"approve", payment.StatusAuthorized, 1, false, 0},
		{"decline", payment.StatusPending, 1, false, 0},
		{"three_d_secure", payment.StatusActionRequired, 1, false, 0},
		{"delay:300ms", payment.StatusAuthorized, 0, false, 1},
		{"duplicate", payment.StatusAuthorized, 2, true, 0},
		{"reorder", payment.StatusAuthorized, 1, false, 1},
		{"late:300ms", payment.StatusProcessing, 1, false, 1},
		{"capture_fails", payment.StatusAuthorized, 1, false, 0},
	} {
		t.Run(c.outcome, func(t *testing.T) {
			g := open(t)
			o := intent(t, g)
			got, err := g.Confirm(t.Context(), o.Ref, o.ClientSecret, c.outcome)
			if err != nil || got.Status != c.status {
				t.Fatalf("%v %+v", err, got)
			}
			due := claim(t, g)
			if len(due) != c.now {
				t.Fatalf("%d webhooks at once", len(due))
			}
			if c.same && string(due[0].Body) != string(due[1].Body) {
				t.Error("the second is another")
			}
			later := 0
			poll(3*time.Second, func() bool {
				later += len(claim(t, g))
				return later >= c.later
			})
			if later != c.later {
				t.Errorf("%d webhooks later", later)
			}
			if strings.HasPrefix(c.outcome, "late") {
				if got, err := g.Get(t.Context(), o.Ref); err != nil || got.Status != payment.StatusAuthorized {
					t.Errorf("at last: %v %+v", err, got)
				}
			}
		})
	}
}

func claim(t *testing.T, g *sandbox.Gateway) []sandbox.Delivery {
	t.Helper()
	due, err := g.Claim(t.Context(), 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range due {
		if err := g.Delivered(t.Context(), d.Seq); err != nil {
			t.Fatal(err)
		}
	}
	return due
}

func TestConfirmRefusals(t *testing.T) {
	g := open(t)
	o := intent(t, g)
	for _, c := range []struct {
		ref, secret, outcome string
		code                 ropeline.Code
	}{
		{o.Ref, "wrong", "approve", ropeline.CodeForbidden},
		{o.Ref, "", "approve", ropeline.CodeForbidden},
		{"sbx_none", o.ClientSecret, "approve", ropeline.CodeNotFound},
		{o.Ref, o.ClientSecret, "steal", ropeline.CodeInvalidRequest},
		{o.Ref, o.ClientSecret, "", ropeline.CodeInvalidRequest},
		{o.Ref, o.ClientSecret, "late:soon", ropeline.CodeInvalidRequest},
		{o.Ref, o.ClientSecret, "late:-1s", ropeline.CodeInvalidRequest},
		{o.Ref, o.ClientSecret, "approve:1s", ropeline.CodeInvalidRequest},
	} {
		_, err := g.Confirm(t.Context(), c.ref, c.secret, c.outcome)
		if ropeline.CodeOf(err) != c.code {
			t.Errorf("%+v: %v", c, err)
		}
	}
	if got, err := g.Get(t.Context(), o.Ref); err != nil || got.Status != payment.StatusPending {
		t.Errorf("a refused confirmation had an effect: %v %+v", err, got)
	}
}

// A webhook that was refused comes again; two that claim get different ones.
func TestClaims(t *testing.T) {
	g := open(t)
	for range 4 {
		o := intent(t, g)
		if _, err := g.Confirm(t.Context(), o.Ref, o.ClientSecret, "approve"); err != nil {
			t.Fatal(err)
		}
	}
	first, err := g.Claim(t.Context(), 2)
	if err != nil {
		t.Fatal(err)
	}
	second, err := g.Claim(t.Context(), 10)
	if err != nil || len(first) != 2 || len(second) != 2 {
		t.Fatalf("%v: %d and %d", err, len(first), len(second))
	}
	if err := g.Refused(t.Context(), first[0].Seq); err != nil {
		t.Fatal(err)
	}
	var again []sandbox.Delivery
	poll(3*time.Second, func() bool {
		again, err = g.Claim(t.Context(), 10)
		return err != nil || len(again) > 0
	})
	if err != nil || len(again) != 1 || again[0].Seq != first[0].Seq {
		t.Fatalf("%v %+v", err, again)
	}
}

// poll asks every few milliseconds, and at the most for limit.
func poll(limit time.Duration, done func() bool) {
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for deadline := time.Now().Add(limit); !done() && time.Now().Before(deadline); {
		<-ticker.C
	}
}

func TestSignatureAges(t *testing.T) {
	g := open(t)
	body := []byte(`{"id":"evt_1","type":"x","intent":"sbx_1"}`)
	for _, c := range []struct {
		age  time.Duration
		good bool
	}{{0, true}, {4 * time.Minute, true}, {-4 * time.Minute, true}, {6 * time.Minute, false}, {-6 * time.Minute, false}} {
		header := http.Header{}
		header.Set(sandbox.SignatureHeader, g.Sign(body, time.Now().Add(-c.age)))
		if _, err := g.ParseWebhook(header, body); (err == nil) != c.good {
			t.Errorf("age %v: %v", c.age, err)
		}
	}
}

// Several webhooks in one message are read as the same events.
func TestBundle(t *testing.T) {
	g := open(t)
	for range 3 {
		o := intent(t, g)
		if _, err := g.Confirm(t.Context(), o.Ref, o.ClientSecret, "approve"); err != nil {
			t.Fatal(err)
		}
	}
	due := claim(t, g)
	var single []payment.Event
	read := func(body []byte) []payment.Event {
		header := http.Header{}
		header.Set(sandbox.SignatureHeader, g.Sign(body, time.Now()))
		events, err := g.ParseWebhook(header, body)
		if err != nil {
			t.Fatal(err)
		}
		return events
	}
	for _, d := range due {
		single = append(single, read(sandbox.Bundle([]sandbox.Delivery{d}))...)
	}
	if bundled := read(sandbox.Bundle(due)); len(bundled) != 3 || !slices.Equal(bundled, single) {
		t.Errorf("%+v, one by one %+v", bundled, single)
	}
}

func FuzzParseWebhook(f *testing.F) {
	f.Add("t=1,v1=00", []byte("{}"))
	f.Add("v1=,t=", []byte(""))
	f.Add(",,==", []byte("null"))
	f.Add("t=1,v1=00", []byte(`[{"id":"evt_1"},null]`))
	g := sandbox.New(nil, &keyring.Keyring{}, sandbox.Options{})
	f.Fuzz(func(t *testing.T, signature string, body []byte) {
		header := http.Header{}
		header.Set(sandbox.SignatureHeader, signature)
		_, _ = g.ParseWebhook(header, body) // the empty secret may be guessed; it must not panic
	})
}
