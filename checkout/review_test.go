package checkout

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/checkout/payment"
)

// suspicious is a house that thinks the same of every order.
func suspicious(t *testing.T, v Verdict, options Options) *house {
	options.Assess = func(context.Context, Authorized) Verdict { return v }
	return newHouse(t, options, false)
}

var toReview = Verdict{Score: 0.7, Decision: RiskReview, Reasons: []string{"60 others from one address"}, ReviewSeconds: 3600, AtDeadline: RiskReject}

// reviewed brings an order to where it waits for a person.
func (h *house) reviewed(e ropeline.Event) Order {
	h.t.Helper()
	o := h.order(h.hold(e, fan(), 1))
	h.confirm(o, "approve")
	h.deliver(1)
	h.work("in review", func() bool { return h.duty(o) == DutyReview })
	return o
}

func (h *house) duty(o Order) (d Duty) {
	h.t.Helper()
	must(h.t, h.pair.Pool.QueryRow(h.t.Context(), "select coalesce(duty, '') from payments where order_id = $1", o.ID).Scan(&d))
	return d
}

func (h *house) decide(o Order, decision RiskDecision, by string) (r Reviewed, err error) {
	h.t.Helper()
	err = pgx.BeginFunc(h.t.Context(), h.pair.Pool, func(tx pgx.Tx) error {
		r, err = h.Review(h.t.Context(), tx, o.ID, decision, by, "looked at it")
		return err
	})
	return r, err
}

func TestVerdictIsKeptWithTheOrder(t *testing.T) {
	t.Parallel()
	var asked Authorized
	h := newHouse(t, Options{Assess: func(_ context.Context, a Authorized) Verdict {
		asked = a
		return Verdict{Score: 0.25, Decision: RiskAllow, Reasons: []string{"two declined attempts"}}
	}}, false)
	e := h.event(kind{1, 1, 1, 100})
	o := h.order(h.hold(e, fan(), 1))
	for range 2 {
		h.confirm(o, "decline")
		h.deliver(2)
	}
	h.confirm(o, "approve")
	h.deliver(2)
	h.work("paid", func() bool { return h.state(o) == OrderPaid })
	want := Authorized{Event: e.ID, Order: o.ID, Payment: o.Payment.ID, Fan: o.Fan, Card: asked.Card, Risk: payment.Risk{Score: 10, Level: "normal"}, Declines: 2}
	if asked != want || asked.Card.Fingerprint == "" {
		t.Errorf("asked %+v, want %+v", asked, want)
	}
	var score float64
	var decision RiskDecision
	var reasons []string
	must(t, h.pair.Pool.QueryRow(t.Context(), "select risk_score, risk_decision, risk_reasons from orders where id = $1", o.ID).Scan(&score, &decision, &reasons))
	if score != 0.25 || decision != RiskAllow || len(reasons) != 1 {
		t.Errorf("%v %v %v", score, decision, reasons)
	}
	h.audit(e)
}

func TestReviewApproved(t *testing.T) {
	t.Parallel()
	h := suspicious(t, toReview, Options{})
	e := h.event(kind{2, 1, 1, 100})
	o := h.reviewed(e)
	if now := h.look(o); now.State != OrderPending || now.Risk != RiskReview || now.Payment.State != PaymentAuthorized {
		t.Fatalf("%+v", now)
	}
	h.audit(e)
	queue, err := h.Reviews(t.Context(), e.ID, ReviewCursor{}, 10)
	if err != nil || len(queue) != 1 || queue[0].Order != o.ID || queue[0].Default != RiskReject || len(queue[0].Reasons) != 1 {
		t.Fatalf("%v %+v", err, queue)
	}
	if left, err := h.Reviews(t.Context(), e.ID, ReviewCursor{queue[0].Deadline, queue[0].Order}, 10); err != nil || len(left) != 0 {
		t.Errorf("a second page: %v %+v", err, left)
	}
	for range 2 { // the same word again changes nothing
		r, err := h.decide(o, RiskAllow, "olga")
		if err != nil || r.By != "olga" || r.Decision != RiskAllow {
			t.Fatalf("%v %+v", err, r)
		}
	}
	_, err = h.decide(o, RiskReject, "otto")
	wantCode(t, err, ropeline.CodeReviewDecided)
	h.audit(e)
	h.work("paid", func() bool { return h.state(o) == OrderPaid })
	if n := count(t, h.pair.Pool, "select count(*) from outbox where kind = 'FraudReviewed' and subject = $1", o.ID); n != 2 {
		t.Errorf("%d messages, want one of the model's and one of the organizer's", n)
	}
	h.audit(e)
}

func TestReviewRejected(t *testing.T) {
	t.Parallel()
	h := suspicious(t, toReview, Options{})
	e := h.event(kind{1, 1, 1, 100})
	o := h.reviewed(e)
	r, err := h.decide(o, RiskReject, "olga")
	must(t, err)
	h.ReviewDone(t.Context(), r)
	h.audit(e)
	h.work("the money is let go", func() bool { return h.look(o).Payment.State == PaymentCanceled && h.duty(o) == DutyNone })
	if now := h.look(o); now.State != OrderCanceled || now.Risk != RiskReject {
		t.Errorf("%+v", now)
	}
	h.audit(e)
	h.hold(e, fan(), 1) // the ticket is on sale again
}

func TestRejectedByTheModel(t *testing.T) {
	t.Parallel()
	h := suspicious(t, Verdict{Score: 0.99, Decision: RiskReject}, Options{})
	e := h.event(kind{1, 1, 1, 100})
	o := h.order(h.hold(e, fan(), 1))
	h.confirm(o, "approve")
	h.deliver(3)
	h.work("the money is let go", func() bool { return h.look(o).Payment.State == PaymentCanceled })
	if now := h.look(o); now.State != OrderCanceled || now.Risk != RiskReject {
		t.Errorf("%+v", now)
	}
	h.audit(e)
	h.hold(e, fan(), 1)
}

// Nobody decides: the deadline does, whichever way the event has chosen.
func TestReviewDeadline(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		at  RiskDecision
		end OrderState
	}{{RiskAllow, OrderPaid}, {RiskReject, OrderCanceled}} {
		t.Run(string(c.at), func(t *testing.T) {
			v := toReview
			v.ReviewSeconds, v.AtDeadline = 1, c.at
			h := suspicious(t, v, Options{})
			e := h.event(kind{1, 1, 1, 100})
			o := h.order(h.hold(e, fan(), 1))
			h.confirm(o, "approve")
			h.deliver(1)
			h.work(string(c.end), func() bool { return h.state(o) == c.end && h.duty(o) == DutyNone })
			r, err := h.ReviewOf(t.Context(), o.ID)
			if err != nil || r.By != AtDeadline || r.Decision != c.at {
				t.Errorf("%v %+v", err, r)
			}
			h.audit(e)
		})
	}
}

// Two organizers, who disagree, at the same moment: one is heard.
func TestTwoOrganizersAtOnce(t *testing.T) {
	t.Parallel()
	h := suspicious(t, toReview, Options{})
	e := h.event(kind{1, 1, 1, 100})
	o := h.reviewed(e)
	var both sync.WaitGroup
	errs := make([]error, 2)
	for i, decision := range []RiskDecision{RiskAllow, RiskReject} {
		both.Go(func() { _, errs[i] = h.decide(o, decision, string(decision)) })
	}
	both.Wait()
	if (errs[0] == nil) == (errs[1] == nil) {
		t.Fatalf("%v, %v: want exactly one to be refused", errs[0], errs[1])
	}
	end := OrderPaid
	if errs[0] != nil {
		end = OrderCanceled
		wantCode(t, errs[0], ropeline.CodeReviewDecided)
	}
	h.work(string(end), func() bool { return h.state(o) == end && h.duty(o) == DutyNone })
	h.audit(e)
}

// The process dies after the decision is committed, and again while the money
// is taken: the rows say what is owed.
func TestCrashAfterReview(t *testing.T) {
	t.Parallel()
	h, s := shakyHouse(t, Options{Grip: 200 * time.Millisecond, Assess: func(context.Context, Authorized) Verdict { return toReview }})
	e := h.event(kind{2, 1, 1, 100})
	approved, rejected := h.reviewed(e), h.reviewed(e)
	s.fail("capture", unheard)
	_, err := h.decide(approved, RiskAllow, "olga")
	must(t, err)
	_, err = h.decide(rejected, RiskReject, "olga")
	must(t, err)
	s.fail("cancel", unheard)
	h.audit(e)
	h.work("both at their ends", func() bool {
		return h.state(approved) == OrderPaid && h.look(rejected).Payment.State == PaymentCanceled
	})
	h.audit(e)
}

func TestFreeOrderIsReviewed(t *testing.T) {
	t.Parallel()
	for _, decision := range []RiskDecision{RiskAllow, RiskReject} {
		h := newHouse(t, Options{}, false)
		e := h.event(kind{1, 1, 1, 0})
		r := h.hold(e, fan(), 1)
		o, err := h.Place(t.Context(), Placing{Fan: r.Fan, Reservation: r.ID, Email: "a@example.com", Key: newKey(), Verdict: &toReview})
		must(t, err)
		h.work("in review", func() bool { return h.duty(o) == DutyReview })
		h.audit(e)
		_, err = h.decide(o, decision, "olga")
		must(t, err)
		end := map[RiskDecision]OrderState{RiskAllow: OrderPaid, RiskReject: OrderCanceled}[decision]
		h.work(string(end), func() bool { return h.state(o) == end && h.duty(o) == DutyNone })
		h.audit(e)
	}
}

// The money came after the hold had ended, and the order waits for a person
// all the same.
func TestLateOrderIsReviewed(t *testing.T) {
	t.Parallel()
	h := suspicious(t, toReview, Options{Hold: 300 * time.Millisecond})
	e := h.event(kind{1, 1, 1, 100})
	o := h.order(h.hold(e, fan(), 1))
	h.work("expired", func() bool { return h.state(o) == OrderExpired })
	h.confirm(o, "approve")
	h.deliver(1)
	h.work("in review", func() bool { return h.duty(o) == DutyReview })
	h.audit(e)
	_, err := h.decide(o, RiskReject, "olga")
	must(t, err)
	h.work("the money is let go", func() bool { return h.look(o).Payment.State == PaymentCanceled })
	if h.state(o) != OrderExpired {
		t.Errorf("the order is %s", h.state(o))
	}
	h.audit(e)
}

// The fan's bank takes the authorization back while the order waits.
func TestAuthorizationLostInReview(t *testing.T) {
	t.Parallel()
	h := suspicious(t, toReview, Options{})
	e := h.event(kind{1, 1, 1, 100})
	o := h.reviewed(e)
	_, err := h.sandbox.Cancel(t.Context(), h.look(o).Payment.Ref, "bank")
	must(t, err)
	h.deliver(1)
	h.work("canceled", func() bool { return h.state(o) == OrderCanceled && h.duty(o) == DutyNone })
	_, err = h.decide(o, RiskAllow, "olga")
	wantCode(t, err, ropeline.CodeReviewDecided)
	if queue, err := h.Reviews(t.Context(), e.ID, ReviewCursor{}, 10); err != nil || len(queue) != 0 {
		t.Errorf("%v %+v", err, queue)
	}
	h.audit(e)
}

func TestReviewOfNothing(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Options{}, false)
	_, err := h.decide(Order{ID: ropeline.NewID[ropeline.OrderID]()}, RiskAllow, "olga")
	wantCode(t, err, ropeline.CodeOrderNotFound)
	e := h.event(kind{1, 1, 1, 100})
	o := h.order(h.hold(e, fan(), 1))
	_, err = h.decide(o, RiskAllow, "olga")
	wantCode(t, err, ropeline.CodeOrderNotFound)
	_, err = h.decide(o, "perhaps", "olga")
	wantCode(t, err, ropeline.CodeInvalidRequest)
}

func TestAuditFindsForgottenReviews(t *testing.T) {
	t.Parallel()
	h := suspicious(t, toReview, Options{})
	e := h.event(kind{1, 1, 1, 100})
	o := h.reviewed(e)
	for _, change := range []string{
		"update payments set duty = 'capture' where order_id = $1",
		"update payments set duty = null where order_id = $1",
		"update orders set review_deadline = now() - interval '2 minutes' where id = $1",
	} {
		tx, err := h.pair.Pool.Begin(t.Context())
		must(t, err)
		_, err = tx.Exec(t.Context(), change, o.ID)
		must(t, err)
		var found int
		for _, a := range audits {
			rows, err := tx.Query(t.Context(), a.sql, e.ID)
			must(t, err)
			var v Violation
			_, err = pgx.ForEachRow(rows, []any{&v.Subject, &v.Detail}, func() error { found++; return nil })
			must(t, err)
		}
		if found == 0 {
			t.Errorf("not found: %s", change)
		}
		must(t, tx.Rollback(t.Context()))
	}
}

// Who comes too late hears what was decided in the words of the desk.
func TestADecisionIsToldInWords(t *testing.T) {
	for _, c := range []struct {
		before Reviewed
		asked  RiskDecision
		want   string
	}{
		{Reviewed{Decision: RiskAllow, By: "olga@example.org"}, RiskReject, "olga@example.org has approved this order already."},
		{Reviewed{Decision: RiskReject, By: AtDeadline}, RiskAllow, "The deadline has rejected this order already."},
	} {
		_, err := decideReview(c.before, DutyNone, c.asked)
		wantCode(t, err, ropeline.CodeReviewDecided)
		if known, ok := errors.AsType[*ropeline.Error](err); !ok || known.Message != c.want {
			t.Errorf("%v, want %q", err, c.want)
		}
	}
}
