package checkout

import (
	"context"
	"iter"
	"net/http"
	"testing"
	"time"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/checkout/payment"
)

// another is the sandbox under another name: a second gateway of the house.
type another struct{ payment.Provider }

func (another) Name() string { return "another" }
func (another) ParseWebhook(http.Header, []byte) ([]payment.Event, error) {
	return nil, payment.ErrSignature
}
func (another) Create(context.Context, payment.Intent) (payment.Object, error) {
	return payment.Object{}, &payment.Error{Permanent: true, Reason: "not_asked"}
}

// A house that changes its gateway keeps its duties to the payments of the old
// one: new orders go to the new gateway, webhooks and duties of either to
// whoever knows them.
func TestChangeOfGateway(t *testing.T) {
	t.Parallel()
	old := newHouse(t, Options{Grip: 50 * time.Millisecond}, false)
	e := old.event(kind{10, 4, 4, 100})
	settled, authorized, unpaid := old.order(old.hold(e, fan(), 1)), old.order(old.hold(e, fan(), 1)), old.order(old.hold(e, fan(), 1))
	old.confirm(settled, "approve")
	old.deliver(1)
	old.work("paid", func() bool { return old.state(settled) == OrderPaid })
	old.deliver(1)

	// Without the old gateway nothing is done to its payments, and nothing lost.
	without := houseOver(t, old.pair, old.pair.RedisURL, Options{Grip: 50 * time.Millisecond}, false, another{old.sandbox})
	old.confirm(authorized, "approve")
	due, err := old.sandbox.Claim(t.Context(), 10)
	must(t, err)
	wantCode(t, without.webhook(due[0].Body), ropeline.CodeBadSignature)
	must(t, old.Webhook(t.Context(), signed(old, due[0].Body), due[0].Body))
	within(t, 10*time.Second, "the capture is tried in vain", func() bool {
		without.sweep()
		return count(t, old.pair.Pool, "select count(*) from payments where id = $1 and duty = 'capture' and attempts > 0", authorized.Payment.ID) == 1
	})

	both := houseOver(t, old.pair, old.pair.RedisURL, Options{Grip: 50 * time.Millisecond, Others: []payment.Provider{old.sandbox}}, false, another{old.sandbox})
	both.work("the authorized one is captured", func() bool { return both.state(authorized) == OrderPaid })
	both.confirm(unpaid, "approve")
	both.deliver(1)
	both.work("the unpaid one is paid", func() bool { return both.state(unpaid) == OrderPaid })
	_, err = both.sandbox.Dispute(t.Context(), settled.Payment.Ref, "needs_response", "fraudulent")
	must(t, err)
	both.deliver(1)
	if d := both.look(settled).Payment.Disputes; len(d) != 1 {
		t.Errorf("%+v", d)
	}
	if fresh := both.order(both.hold(e, fan(), 1)); fresh.Payment.Provider != "another" {
		t.Errorf("a new payment goes to %q", fresh.Payment.Provider)
	}
	both.audit(e)
}

// listless gives no lists.
type listless struct{ another }

func (listless) Intents(context.Context, payment.Query) iter.Seq2[payment.Object, error] {
	return func(yield func(payment.Object, error) bool) {
		yield(payment.Object{}, &payment.Error{Reason: "api_error"})
	}
}

// A run is due again while one of the gateways has not been gone through, although
// the other one has.
func TestReconciliationOfTwoGateways(t *testing.T) {
	t.Parallel()
	old := newHouse(t, Options{}, false)
	for _, c := range []struct {
		gateway payment.Provider
		due     bool
	}{{listless{another{old.sandbox}}, true}, {another{old.sandbox}, false}} {
		h := houseOver(t, old.pair, old.pair.RedisURL, Options{Others: []payment.Provider{old.sandbox}}, false, c.gateway)
		if _, err := h.Reconcile(t.Context(), ScopeAll, time.Hour); (err != nil) != c.due {
			t.Error(err)
		}
		if due, err := h.ReconciliationDue(t.Context(), ScopeAll, 24*time.Hour, 0); err != nil || due != c.due {
			t.Errorf("due %v, %v", due, err)
		}
	}
}

func signed(h *house, body []byte) http.Header {
	return http.Header{http.CanonicalHeaderKey("Ropeline-Sandbox-Signature"): {h.sandbox.Sign(body, time.Now())}}
}
