// Package paymenttest holds every payment.Provider to the promises that the
// box office builds on. A provider's own test calls Run.
package paymenttest

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/checkout/payment"
)

// Gateway is a provider with the hands of its payer and of its post office,
// which each gateway has in its own way.
type Gateway struct {
	Provider payment.Provider
	// Authorize pays an intent as its payer would.
	Authorize func(ctx context.Context, o payment.Object) error
	// AuthorizeOther pays with another card than Authorize does.
	AuthorizeOther func(ctx context.Context, o payment.Object) error
	// Decline tries to pay it with a card that is refused.
	Decline func(ctx context.Context, o payment.Object) error
	// Dispute makes the payer's bank dispute a captured intent, or says that the
	// dispute has come to a status.
	Dispute func(ctx context.Context, o payment.Object, status string) error
	// Webhooks returns the messages that the gateway has sent since the last call.
	Webhooks func(ctx context.Context) ([]Message, error)
}

// Message is a webhook as it arrives.
type Message struct {
	Header http.Header
	Body   []byte
}

var price = ropeline.Money{Minor: 4250, Currency: "EUR"}

// Run runs the suite; open makes a gateway for one test.
func Run(t *testing.T, open func(t *testing.T) Gateway) {
	for name, test := range map[string]func(*testing.T, Gateway){
		"create is idempotent":              create,
		"a key is for one payment":          keyReused,
		"authorize, capture, refund":        wholeWay,
		"capture needs an authorization":    captureEarly,
		"cancel":                            cancel,
		"cancel after capture tells so":     cancelLate,
		"a declined card may try again":     decline,
		"refunds are bounded and repeated":  refunds,
		"what is unknown is refused":        unknown,
		"captures at once take money once":  concurrent,
		"webhooks name the intent":          webhooks,
		"forged webhooks are refused":       forged,
		"the payment is known by its owner": metadata,
		"a card is told, and known again":   cards,
		"lists are whole and in order":      lists,
		"disputes are told":                 disputes,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

func intent() payment.Intent {
	id := ropeline.NewID[ropeline.PaymentID]()
	return payment.Intent{
		House: "house", PaymentID: id, OrderID: ropeline.NewID[ropeline.OrderID](), EventID: ropeline.NewID[ropeline.EventID](),
		Amount: price, Email: "fan@example.com", IdempotencyKey: string(id),
	}
}

func opened(t *testing.T, g Gateway) payment.Object {
	t.Helper()
	o, err := g.Provider.Create(t.Context(), intent())
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func authorized(t *testing.T, g Gateway) payment.Object {
	t.Helper()
	o := opened(t, g)
	must(t, g.Authorize(t.Context(), o))
	return want(t, g, o.Ref, payment.StatusAuthorized)
}

func want(t *testing.T, g Gateway, ref string, status payment.Status) payment.Object {
	t.Helper()
	o, err := g.Provider.Get(t.Context(), ref)
	if err != nil || o.Status != status || o.Ref != ref || o.Amount != price {
		t.Fatalf("%v %+v, want %s", err, o, status)
	}
	return o
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func permanent(t *testing.T, err error) {
	t.Helper()
	if !payment.Permanent(err) {
		t.Fatalf("%v is not permanent", err)
	}
}

func create(t *testing.T, g Gateway) {
	i := intent()
	first, err := g.Provider.Create(t.Context(), i)
	must(t, err)
	again, err := g.Provider.Create(t.Context(), i)
	must(t, err)
	if first != again || first.Status != payment.StatusPending || first.Ref == "" || first.ClientSecret == "" {
		t.Errorf("%+v, then %+v", first, again)
	}
	if other := opened(t, g); other.Ref == first.Ref || other.ClientSecret == first.ClientSecret {
		t.Error("two payments share an intent")
	}
}

func keyReused(t *testing.T, g Gateway) {
	i := intent()
	_, err := g.Provider.Create(t.Context(), i)
	must(t, err)
	i.Amount.Minor++
	_, err = g.Provider.Create(t.Context(), i)
	permanent(t, err)
}

func wholeWay(t *testing.T, g Gateway) {
	o := authorized(t, g)
	for range 2 { // the second call finds it done
		captured, err := g.Provider.Capture(t.Context(), o.Ref, "capture:"+o.Ref)
		if err != nil || captured.Status != payment.StatusCaptured {
			t.Fatalf("%v %+v", err, captured)
		}
	}
	want(t, g, o.Ref, payment.StatusCaptured)
	r, err := g.Provider.Refund(t.Context(), o.Ref, price, "refund:"+o.Ref)
	if err != nil || r.Amount != price || r.Ref == "" || r.Status == payment.RefundFailed {
		t.Fatalf("%v %+v", err, r)
	}
	read, err := g.Provider.GetRefund(t.Context(), r.Ref)
	if err != nil || read.Ref != r.Ref || read.Amount != price {
		t.Fatalf("%v %+v", err, read)
	}
}

func captureEarly(t *testing.T, g Gateway) {
	o := opened(t, g)
	_, err := g.Provider.Capture(t.Context(), o.Ref, "early:"+o.Ref)
	permanent(t, err)
	want(t, g, o.Ref, payment.StatusPending)
}

func cancel(t *testing.T, g Gateway) {
	for _, o := range []payment.Object{opened(t, g), authorized(t, g)} {
		for range 2 {
			canceled, err := g.Provider.Cancel(t.Context(), o.Ref, "cancel:"+o.Ref)
			if err != nil || canceled.Status != payment.StatusCanceled {
				t.Fatalf("%v %+v", err, canceled)
			}
		}
		_, err := g.Provider.Capture(t.Context(), o.Ref, "after:"+o.Ref)
		permanent(t, err)
		want(t, g, o.Ref, payment.StatusCanceled)
	}
}

func cancelLate(t *testing.T, g Gateway) {
	o := authorized(t, g)
	_, err := g.Provider.Capture(t.Context(), o.Ref, "capture:"+o.Ref)
	must(t, err)
	told, err := g.Provider.Cancel(t.Context(), o.Ref, "cancel:"+o.Ref)
	if err != nil || told.Status != payment.StatusCaptured {
		t.Fatalf("%v %+v", err, told)
	}
}

func decline(t *testing.T, g Gateway) {
	o := opened(t, g)
	must(t, g.Decline(t.Context(), o))
	if o = want(t, g, o.Ref, payment.StatusPending); o.Decline == "" {
		t.Error("nobody says why")
	}
	must(t, g.Authorize(t.Context(), o))
	if o = want(t, g, o.Ref, payment.StatusAuthorized); o.Decline != "" {
		t.Error("it still says that it was declined")
	}
}

func refunds(t *testing.T, g Gateway) {
	o := authorized(t, g)
	_, err := g.Provider.Refund(t.Context(), o.Ref, price, "too early:"+o.Ref)
	permanent(t, err)
	_, err = g.Provider.Capture(t.Context(), o.Ref, "capture:"+o.Ref)
	must(t, err)
	part := ropeline.Money{Minor: price.Minor - 1, Currency: price.Currency}
	first, err := g.Provider.Refund(t.Context(), o.Ref, part, "part:"+o.Ref)
	must(t, err)
	again, err := g.Provider.Refund(t.Context(), o.Ref, part, "part:"+o.Ref)
	if err != nil || again.Ref != first.Ref {
		t.Fatalf("%v: %+v, then %+v", err, first, again)
	}
	_, err = g.Provider.Refund(t.Context(), o.Ref, part, "too much:"+o.Ref)
	permanent(t, err)
}

func unknown(t *testing.T, g Gateway) {
	_, err := g.Provider.Get(t.Context(), "no_such_intent")
	permanent(t, err)
	_, err = g.Provider.Capture(t.Context(), "no_such_intent", rand.Text())
	permanent(t, err)
	_, err = g.Provider.Cancel(t.Context(), "no_such_intent", rand.Text())
	permanent(t, err)
	_, err = g.Provider.Refund(t.Context(), "no_such_intent", price, rand.Text())
	permanent(t, err)
	_, err = g.Provider.GetRefund(t.Context(), "no_such_refund")
	permanent(t, err)
}

func concurrent(t *testing.T, g Gateway) {
	o := authorized(t, g)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			// A gateway may ask to come again while another call has the key.
			for deadline := time.Now().Add(20 * time.Second); ; {
				captured, err := g.Provider.Capture(t.Context(), o.Ref, "capture:"+o.Ref)
				if e, told := errors.AsType[*payment.Error](err); told && !e.Permanent && time.Now().Before(deadline) {
					continue
				}
				if err != nil || captured.Status != payment.StatusCaptured {
					t.Errorf("%v %+v", err, captured)
				}
				return
			}
		})
	}
	all.Wait()
	part := ropeline.Money{Minor: price.Minor, Currency: price.Currency}
	_, err := g.Provider.Refund(t.Context(), o.Ref, part, "all:"+o.Ref)
	must(t, err)
	part.Minor = 1
	_, err = g.Provider.Refund(t.Context(), o.Ref, part, "more:"+o.Ref)
	permanent(t, err) // so the money was taken once
}

func webhooks(t *testing.T, g Gateway) {
	o := authorized(t, g)
	messages, err := g.Webhooks(t.Context())
	must(t, err)
	if len(messages) == 0 {
		t.Fatal("no webhook tells of the authorization")
	}
	for _, m := range messages {
		events, err := g.Provider.ParseWebhook(m.Header, m.Body)
		if err != nil || len(events) != 1 {
			t.Fatalf("%v %+v", err, events)
		}
		if event := events[0]; event.Ref != o.Ref || event.ID == "" || event.Kind == "" || event.PaymentID != "" && event.PaymentID != o.PaymentID {
			t.Errorf("%+v", event)
		}
		again, err := g.Provider.ParseWebhook(m.Header, m.Body)
		if err != nil || !slices.Equal(again, events) {
			t.Errorf("read twice: %v %+v", err, again)
		}
	}
}

func forged(t *testing.T, g Gateway) {
	authorized(t, g)
	messages, err := g.Webhooks(t.Context())
	must(t, err)
	m := messages[0]
	if _, err := g.Provider.ParseWebhook(http.Header{}, m.Body); !errors.Is(err, payment.ErrSignature) {
		t.Errorf("without a signature: %v", err)
	}
	if _, err := g.Provider.ParseWebhook(m.Header, append([]byte(" "), m.Body...)); !errors.Is(err, payment.ErrSignature) {
		t.Errorf("another body: %v", err)
	}
	for name, values := range m.Header {
		for i := range values[0] {
			forged := m.Header.Clone()
			changed := []byte(values[0])
			changed[i] ^= 1
			forged.Set(name, string(changed))
			if _, err := g.Provider.ParseWebhook(forged, m.Body); err == nil {
				t.Errorf("%s: %s was taken", name, changed)
			}
		}
	}
}

func metadata(t *testing.T, g Gateway) {
	i := intent()
	o, err := g.Provider.Create(t.Context(), i)
	must(t, err)
	if got := want(t, g, o.Ref, payment.StatusPending); got.PaymentID != i.PaymentID || got.House != i.House {
		t.Errorf("payment %q of %q, want %q of %q", got.PaymentID, got.House, i.PaymentID, i.House)
	}
}

// Before an attempt nothing is known of a card; after it, what a fraud check
// needs, and never the number. A card is the same at each use.
func cards(t *testing.T, g Gateway) {
	if o := opened(t, g); o.Card != (payment.Card{}) || o.Risk != payment.UnknownRisk {
		t.Errorf("before an attempt: %+v %+v", o.Card, o.Risk)
	}
	first, second := authorized(t, g), authorized(t, g)
	o := opened(t, g)
	must(t, g.AuthorizeOther(t.Context(), o))
	other := want(t, g, o.Ref, payment.StatusAuthorized)
	for _, o := range []payment.Object{first, other} {
		if c := o.Card; c.Fingerprint == "" || c.Brand == "" || len(c.Last4) != 4 || len(c.Country) != 2 || len(c.Fingerprint) > 64 {
			t.Errorf("%+v", c)
		}
		if r := o.Risk; r.Score < -1 || r.Score > 100 || r.Level == "" {
			t.Errorf("%+v", r)
		}
	}
	if first.Card != second.Card {
		t.Errorf("one card, told as %+v and %+v", first.Card, second.Card)
	}
	if first.Card.Fingerprint == other.Card.Fingerprint {
		t.Errorf("two cards, both told as %+v", first.Card)
	}
	o = opened(t, g)
	must(t, g.Decline(t.Context(), o))
	if o = want(t, g, o.Ref, payment.StatusPending); o.Card.Fingerprint == "" || o.Risk.Level == "" {
		t.Errorf("of the card that was declined: %+v %+v", o.Card, o.Risk)
	}
}
