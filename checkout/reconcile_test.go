package checkout

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/checkout/payment"
)

// reconcile runs one comparison and returns what differed, by kind.
func (h *house) reconcile(scope Scope) (Reconciliation, map[DifferenceKind]int) {
	h.t.Helper()
	reports, err := h.Reconcile(h.t.Context(), scope, 72*time.Hour)
	if err != nil || len(reports) != 1 {
		h.t.Fatalf("%v %+v", err, reports)
	}
	kinds := map[DifferenceKind]int{}
	for _, d := range reports[0].Differences {
		kinds[d.Kind]++
	}
	return reports[0], kinds
}

// aDayPasses moves everything that has a time a day into the past.
func (h *house) aDayPasses() {
	h.t.Helper()
	for _, sql := range []string{
		"update payments set created_at = created_at - interval '1 day', changed_at = changed_at - interval '1 day'",
		"update orders set created_at = created_at - interval '1 day', ended_at = ended_at - interval '1 day'",
		"update reservations set created_at = created_at - interval '1 day', deadline = deadline - interval '1 day', ended_at = ended_at - interval '1 day'",
		"update sandbox_intents set created_at = created_at - interval '1 day'",
	} {
		_, err := h.pair.Pool.Exec(h.t.Context(), sql)
		must(h.t, err)
	}
}

// Not one webhook of a day arrives, and nobody asks after a payment meanwhile:
// one reconciliation brings every order to its end and says what was missing.
func TestDayOfLostWebhooks(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Options{Watch: 100 * time.Hour, Abandon: 100 * time.Hour}, false)
	e := h.event(kind{40, 2, 2, 100})
	var paid, refused []Order
	for range 8 {
		o := h.order(h.hold(e, fan(), 2))
		h.confirm(o, "approve")
		paid = append(paid, o)
	}
	for range 2 {
		o := h.order(h.hold(e, fan(), 1))
		h.confirm(o, "capture_fails")
		refused = append(refused, o)
	}
	open := h.order(h.hold(e, fan(), 1))
	declined := h.order(h.hold(e, fan(), 1))
	h.confirm(declined, "decline")
	h.aDayPasses()
	h.work("the holds have run out", func() bool { return h.state(open) == OrderExpired && h.state(paid[0]) == OrderExpired })

	report, kinds := h.reconcile(ScopeAll)
	if kinds[MissingWebhook] != 10 || report.Healed != 10 || report.Alerts != 0 || report.Seen != 12 || report.Ours != 12 || report.FinishedAt == nil {
		t.Errorf("%+v", report)
	}
	h.work("every order is at its end", func() bool {
		for _, o := range paid {
			if h.state(o) != OrderPaid {
				return false
			}
		}
		for _, o := range refused {
			if now := h.look(o); now.State == OrderPaid || now.Payment.State != PaymentFailed {
				return false
			}
		}
		return true
	})
	if report, _ := h.reconcile(ScopeAll); len(report.Differences) != 0 {
		t.Errorf("a second run finds %+v", report.Differences)
	}
	stored, err := h.ReconciliationOf(t.Context(), report.ID)
	if err != nil || len(stored.Differences) != 10 || stored.Healed != 10 {
		t.Errorf("%+v %v", stored, err)
	}
	// Nobody held the stock meanwhile, so the late ones were honoured; I9 is of the moved clock.
	found, err := Audit(context.Background(), h.pair.Pool, e.ID)
	must(t, err)
	for _, v := range found {
		if v.Invariant != "I9" {
			t.Errorf("audit: %s", v)
		}
	}
}

// strange writes an intent of ours into the gateway's books that is not in our own.
func (h *house) strange(ref string, p ropeline.PaymentID, state string, amount int64) {
	h.t.Helper()
	_, err := h.pair.Pool.Exec(h.t.Context(), `
		insert into sandbox_intents (ref, idempotency_key, state, amount_minor, currency, client_secret, metadata)
		values ($1, $1, $2, $3, 'EUR', $1, case when $4 = '' then '{}'::jsonb else jsonb_build_object('house', $5::text, 'payment', $4::text) end)`,
		ref, state, amount, string(p), h.called)
	must(h.t, err)
}

func (h *house) intent(ref string) payment.Object {
	h.t.Helper()
	object, err := h.sandbox.Get(h.t.Context(), ref)
	must(h.t, err)
	return object
}

func TestReconciliationHeals(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Options{Watch: 100 * time.Hour}, false)
	e := h.event(kind{40, 2, 2, 100})
	o := h.paid(e, 1)
	h.strange("twice", o.Payment.ID, "succeeded", 100)                         // the payer was charged twice
	h.strange("again", o.Payment.ID, "requires_capture", 100)                  // and once more, only reserved
	h.strange("orphan", "0000000000000000000000000p", "requires_capture", 100) // a payment that we never had
	h.strange("foreign", "", "requires_capture", 100)                          // of another shop on the same account
	ended := h.order(h.hold(e, fan(), 1))
	must(t, h.giveUp(t.Context(), ended.Reservation, ended.Fan, 5*time.Second))
	h.work("canceled", func() bool { return h.look(ended).Payment.State == PaymentCanceled })
	_, err := h.pair.Pool.Exec(t.Context(), "update sandbox_intents set state = 'requires_capture' where ref = $1", ended.Payment.Ref)
	must(t, err)
	taken := h.order(h.hold(e, fan(), 1)) // captured there by somebody else, and we know nothing
	_, err = h.pair.Pool.Exec(t.Context(), "update sandbox_intents set state = 'succeeded' where ref = $1", taken.Payment.Ref)
	must(t, err)

	report, kinds := h.reconcile(ScopeAll)
	if kinds[DoubleCharge] != 1 || kinds[OrphanIntent] != 3 || kinds[UnknownCapture] != 1 || report.Alerts != 0 || report.Healed != 5 {
		t.Errorf("%+v", report)
	}
	if twice := h.intent("twice"); twice.Refunded != 100 {
		t.Errorf("%+v", twice)
	}
	for _, ref := range []string{"again", "orphan", ended.Payment.Ref} {
		if got := h.intent(ref).Status; got != payment.StatusCanceled {
			t.Errorf("%s is %s", ref, got)
		}
	}
	if got := h.intent("foreign").Status; got != payment.StatusAuthorized {
		t.Errorf("a foreign intent is %s", got)
	}
	h.work("what was taken is paid", func() bool { return h.state(taken) == OrderPaid })
	if report, _ := h.reconcile(ScopeOpen); len(report.Differences) != 0 {
		t.Errorf("%+v", report.Differences)
	}
	if got := h.look(o); got.State != OrderPaid || len(got.Refunds) != 0 {
		t.Errorf("the first charge was touched: %+v", got)
	}
	h.audit(e)
}

// Others on the same account may call their own things payments: they are left alone.
func TestReconciliationLeavesOthersAlone(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Options{}, false)
	e := h.event(kind{40, 2, 2, 100})
	o := h.paid(e, 1)
	h.strange("program", "invoice 2026-17", "requires_capture", 500)
	h.strange("another house", "0000000000000000000000000p", "requires_capture", 500)
	h.strange("its money", "0000000000000000000000000q", "succeeded", 500)
	h.strange("about ours", ropeline.PaymentID(o.Payment.Ref), "requires_capture", 500)
	for ref, house := range map[string]string{"program": "", "another house": "0123", "its money": "0123", "about ours": ""} {
		_, err := h.pair.Pool.Exec(t.Context(), "update sandbox_intents set metadata = metadata || jsonb_build_object('house', $2::text) where ref = $1", ref, house)
		must(t, err)
	}
	for _, scope := range []Scope{ScopeOpen, ScopeAll} {
		if report, _ := h.reconcile(scope); report.Seen != 5 || len(report.Differences) != 0 {
			t.Errorf("%+v", report)
		}
	}
	for _, ref := range []string{"program", "another house", "about ours"} {
		if got := h.intent(ref).Status; got != payment.StatusAuthorized {
			t.Errorf("%s is %s", ref, got)
		}
	}
	if got := h.intent(o.Payment.Ref).House; got != h.called || got == "" {
		t.Errorf("our own names %q", got)
	}
	h.audit(e)
}

// What it cannot heal it says, once, and keeps in every report.
func TestReconciliationAlerts(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Options{Watch: 100 * time.Hour}, false)
	e := h.event(kind{40, 2, 2, 100})
	o := h.paid(e, 1)
	lost := h.paid(e, 1)
	odd := h.order(h.hold(e, fan(), 1))
	h.strange("whose", "0000000000000000000000000p", "succeeded", 700)
	for _, sql := range []string{
		"update sandbox_intents set state = 'canceled' where ref = '" + o.Payment.Ref + "'",
		"update sandbox_intents set amount_minor = 99 where ref = '" + odd.Payment.Ref + "'",
		"delete from sandbox_webhooks where ref = '" + lost.Payment.Ref + "'",
		"delete from sandbox_intents where ref = '" + lost.Payment.Ref + "'",
		"update payments set created_at = created_at - interval '1 hour' where id = '" + string(lost.Payment.ID) + "'",
	} {
		_, err := h.pair.Pool.Exec(t.Context(), sql)
		must(t, err)
	}
	for range 2 {
		report, kinds := h.reconcile(ScopeAll)
		if kinds[NotCaptured] != 1 || kinds[OtherAmount] != 1 || kinds[UnknownToThem] != 1 || kinds[UnknownPayments] != 1 || report.Alerts != 4 || report.Healed != 0 {
			t.Errorf("%+v", report)
		}
		for _, d := range report.Differences {
			if d.Why == "" {
				t.Errorf("no word why: %+v", d)
			}
		}
	}
	if n := count(t, h.pair.Pool, "select count(*) from outbox where kind = 'ReconciliationAlert'"); n != 4 {
		t.Errorf("told %d times", n)
	}
}

// A gateway that cannot be reached makes the run fail, and it is due again.
func TestReconciliationIsRepeated(t *testing.T) {
	t.Parallel()
	h, s := shakyHouse(t, Options{Watch: 100 * time.Hour})
	e := h.event(kind{4, 2, 2, 100})
	o := h.order(h.hold(e, fan(), 1))
	must(t, h.giveUp(t.Context(), o.Reservation, o.Fan, 5*time.Second))
	h.work("canceled", func() bool { return h.look(o).Payment.State == PaymentCanceled })
	_, err := h.pair.Pool.Exec(t.Context(), "update sandbox_intents set state = 'requires_capture'")
	must(t, err)
	s.fail("cancel", unreached)
	if _, err := h.Reconcile(t.Context(), ScopeAll, time.Hour); err == nil {
		t.Error("a failed run is no error")
	}
	if due, err := h.ReconciliationDue(t.Context(), ScopeAll, time.Hour, 0); err != nil || !due {
		t.Errorf("due %v, %v", due, err)
	}
	if report, kinds := h.reconcile(ScopeAll); kinds[OrphanIntent] != 1 || report.Healed != 1 {
		t.Errorf("%+v", report)
	}
	if due, err := h.ReconciliationDue(t.Context(), ScopeAll, time.Hour, 0); err != nil || due {
		t.Errorf("due %v, %v", due, err)
	}
	if _, err := h.ReconciliationOf(t.Context(), 1<<40); ropeline.CodeOf(err) != ropeline.CodeNotFound || errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
