package checkout

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/checkout/payment"
)

// bank is the sandbox with a bank behind it that is slow with refunds, or
// refuses them.
type bank struct {
	payment.Provider
	refuses, slow atomic.Bool
	asked         atomic.Int64 // after refunds
}

func bankHouse(t *testing.T, options Options) (*house, *bank) {
	b := &bank{}
	h := newHouse(t, options, false, b)
	b.Provider = h.sandbox
	return h, b
}

func (b *bank) Refund(ctx context.Context, ref string, amount ropeline.Money, key string) (payment.Refund, error) {
	if b.refuses.Load() {
		return payment.Refund{}, &payment.Error{Permanent: true, Reason: "account_closed"}
	}
	refund, err := b.Provider.Refund(ctx, ref, amount, key)
	return b.told(refund), err
}

func (b *bank) GetRefund(ctx context.Context, ref string) (payment.Refund, error) {
	b.asked.Add(1)
	refund, err := b.Provider.GetRefund(ctx, ref)
	return b.told(refund), err
}

func (b *bank) told(refund payment.Refund) payment.Refund {
	if b.slow.Load() {
		refund.Status = payment.RefundTransit
	}
	return refund
}

// alerts are the alerts that were told.
func (h *house) alerts() int {
	return count(h.t, h.pair.Pool, "select count(*) from outbox where kind = 'ReconciliationAlert'")
}

// broken are the invariants that the audit finds broken.
func (h *house) broken(e ropeline.Event) (all []string) {
	h.t.Helper()
	found, err := Audit(h.t.Context(), h.pair.Pool, e.ID)
	must(h.t, err)
	for _, v := range found {
		all = append(all, v.Invariant)
	}
	return slices.Compact(all)
}

// Money that was taken after its payment's end is in the books and goes back.
// If it cannot, a person is told, the audit names it, and it may be asked for.
func TestMoneyTakenAfterTheEnd(t *testing.T) {
	t.Parallel()
	for _, refuses := range []bool{false, true} {
		h, b := bankHouse(t, Options{Watch: 100 * time.Hour})
		b.refuses.Store(refuses)
		e := h.event(kind{10, 4, 4, 1000})
		o := h.order(h.hold(e, fan(), 1))
		_, err := h.Release(t.Context(), o.Reservation, o.Fan, 5*time.Second)
		must(t, err)
		h.work("canceled", func() bool { return h.look(o).Payment.State == PaymentCanceled })
		_, err = h.pair.Pool.Exec(t.Context(), "update sandbox_intents set state = 'succeeded' where ref = $1", o.Payment.Ref)
		must(t, err)

		if report, kinds := h.reconcile(ScopeAll); kinds[UnknownCapture] != 1 || report.Healed != 1 || report.Alerts != 0 {
			t.Errorf("%+v", report)
		}
		h.work("the refund is at its end", func() bool {
			f := h.look(o).Refunds
			return len(f) == 1 && (f[0].State == RefundDone || f[0].State == RefundFailed)
		})
		till, err := h.Till(t.Context(), e.ID)
		must(t, err)
		paid := []ropeline.Money{o.Total}
		if now := h.look(o); now.State != OrderCanceled || now.Payment.State != PaymentConfirmed || !slices.Equal(till.Paid, paid) {
			t.Errorf("%+v, the till says %v", now, till.Paid)
		}
		if !refuses {
			if report, _ := h.reconcile(ScopeAll); len(report.Differences) != 0 || !slices.Equal(till.Refunded, paid) {
				t.Errorf("%+v, the till says %v", report, till.Refunded)
			}
			h.audit(e)
			continue
		}
		for _, scope := range []Scope{ScopeOpen, ScopeAll} {
			if report, kinds := h.reconcile(scope); kinds[RefusedRefund] != 1 || len(report.Differences) != 1 || report.Alerts != 1 {
				t.Errorf("%+v", report)
			}
		}
		if broken := h.broken(e); h.alerts() != 1 || !slices.Equal(broken, []string{"I6"}) || len(till.Refunded) != 0 {
			t.Errorf("told %d times, the audit says %v, the till %v", h.alerts(), broken, till.Refunded)
		}
		b.refuses.Store(false)
		if _, _, err := h.refund(Refunding{Order: o.ID}); err != nil {
			t.Fatal(err)
		}
		h.work("it went back", func() bool { return h.look(o).Refunds[1].State == RefundDone })
		if report, _ := h.reconcile(ScopeAll); len(report.Differences) != 0 {
			t.Errorf("%+v", report)
		}
		h.audit(e)
	}
}

// The second charge of an order that does not go back is no longer called healed.
func TestDoubleChargeThatStays(t *testing.T) {
	h, b := bankHouse(t, Options{})
	e := h.event(kind{10, 4, 4, 1000})
	o := h.paid(e, 1)
	b.refuses.Store(true)
	_, err := h.pair.Pool.Exec(t.Context(), `
		insert into payments (id, order_id, event_id, provider, idempotency_key, state, amount_minor, currency, provider_ref)
		select 'zz', order_id, event_id, provider, 'zz', 'confirmed', amount_minor, currency, 'second' from payments where id = $1`, o.Payment.ID)
	must(t, err)
	h.strange("second", "zz", "succeeded", 1000)
	if report, kinds := h.reconcile(ScopeAll); kinds[DoubleCharge] != 1 || report.Healed != 1 {
		t.Errorf("%+v", report)
	}
	h.work("refused", func() bool { return count(t, h.pair.Pool, "select count(*) from refunds where state = 'failed'") == 1 })
	for range 2 {
		if report, kinds := h.reconcile(ScopeAll); kinds[RefusedRefund] != 1 || report.Healed != 0 || report.Alerts != 1 {
			t.Errorf("%+v", report)
		}
	}
	if h.alerts() != 1 {
		t.Errorf("told %d times", h.alerts())
	}
}

// A dispute whose webhooks are lost is learnt with each of its states, also when
// it began long ago.
func TestLostDisputes(t *testing.T) {
	tills(t, Options{}, func(t *testing.T, l *till) {
		e := l.event(kind{10, 1, 1, 100})
		o := l.order(l.hold(e, fan(), 1))
		l.approve(o)
		l.settle("paid", l.is(o, OrderPaid, PaymentConfirmed))
		for _, scope := range []Scope{ScopeOpen, ScopeAll} {
			state := map[Scope]string{ScopeOpen: "needs_response", ScopeAll: "lost"}[scope]
			l.dispute(o, state)
			l.take()
			if scope == ScopeAll {
				_, err := l.pair.Pool.Exec(t.Context(), "update sandbox_disputes set created_at = created_at - interval '100 days'")
				must(t, err)
			}
			report, kinds := l.reconcile(scope)
			if d := l.look(o).Payment.Disputes; kinds[MissingWebhook] != 1 || report.Healed != 1 || report.Alerts != 0 || len(d) != 1 || d[0].State != state {
				t.Errorf("%+v, known: %+v", report, d)
			}
			if report, _ := l.reconcile(scope); len(report.Differences) != 0 {
				t.Errorf("%+v", report)
			}
		}
		if l.state(o) != OrderPaid {
			t.Error("the order has changed")
		}
		l.audit(e)
	})
}

// Somebody gives the money of an old payment back at the gateway itself: a person
// is told, once.
func TestOldPaymentRefundedThere(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Options{}, false)
	e := h.event(kind{10, 4, 4, 1000})
	o := h.paid(e, 1)
	h.deliver(1)
	for range 4 {
		h.aDayPasses()
	}
	_, err := h.sandbox.Refund(t.Context(), o.Payment.Ref, o.Total, "by hand")
	must(t, err)
	h.deliver(1)
	for _, scope := range []Scope{ScopeOpen, ScopeAll} {
		if report, kinds := h.reconcile(scope); kinds[UnknownRefund] != 1 || len(report.Differences) != 1 || report.Alerts != 1 || report.Ours != 1 {
			t.Errorf("%+v", report)
		}
	}
	if h.alerts() != 1 || h.state(o) != OrderPaid {
		t.Errorf("told %d times, the order is %s", h.alerts(), h.state(o))
	}
}

// What the gateway tells of a refund in its list alone is asked after.
func TestLostNewsOfRefunds(t *testing.T) {
	t.Parallel()
	l, fake := stripeTillOver(t, Options{})
	e := l.event(kind{10, 4, 4, 4250})
	o := l.order(l.hold(e, fan(), 1))
	l.approve(o)
	l.settle("paid", l.is(o, OrderPaid, PaymentConfirmed))
	must(t, l.cancelOrder(o, false))
	state := func() RefundState { return l.look(o).Refunds[0].State }
	l.settle("refunded", func() bool { return l.state(o) == OrderCanceled && state() == RefundDone })
	if report, _ := l.reconcile(ScopeAll); len(report.Differences) != 0 {
		t.Errorf("%+v", report)
	}
	must(t, fake.FailRefund(texts(t, l.house, "select provider_ref from refunds")[0]))
	l.take()
	if report, kinds := l.reconcile(ScopeAll); kinds[MissingWebhook] != 1 || kinds[RefusedRefund] != 1 || len(report.Differences) != 2 || state() != RefundFailed {
		t.Errorf("%+v, the refund is %s", report, state())
	}
	if report, kinds := l.reconcile(ScopeOpen); kinds[RefusedRefund] != 1 || len(report.Differences) != 1 {
		t.Errorf("%+v", report)
	}
}

// Every state of a refund with everything that a list says of it.
func TestEveryRefundInAList(t *testing.T) {
	for known, told := range map[RefundState]map[payment.RefundStatus]remedy{
		"":            {payment.RefundTransit: remedyPerson, payment.RefundDone: remedyPerson, payment.RefundFailed: remedyNone},
		RefundCreated: {payment.RefundTransit: remedyNone, payment.RefundDone: remedyNone, payment.RefundFailed: remedyNone},
		RefundTransit: {payment.RefundTransit: remedyNone, payment.RefundDone: remedyLearn, payment.RefundFailed: remedyLearn},
		RefundDone:    {payment.RefundTransit: remedyNone, payment.RefundDone: remedyNone, payment.RefundFailed: remedyLearn},
		RefundFailed:  {payment.RefundTransit: remedyPerson, payment.RefundDone: remedyPerson, payment.RefundFailed: remedyNone},
	} {
		for status, want := range told {
			if got := refundDiffers(known, status); got != want {
				t.Errorf("%q here, %s there: %q, want %q", known, status, got, want)
			}
		}
	}
}
