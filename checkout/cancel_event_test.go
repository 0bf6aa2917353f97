package checkout

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
)

func (h *house) cancelEvent(e ropeline.Event) {
	h.t.Helper()
	must(h.t, pgx.BeginFunc(h.t.Context(), h.pair.Pool, func(tx pgx.Tx) error {
		return h.CancelEvent(h.t.Context(), tx, e.ID, "The singer is ill.", "ann@example.com")
	}))
}

// calledOff works until the event's cancellation is finished.
func (h *house) calledOff(e ropeline.Event) (x Cancellation) {
	h.t.Helper()
	h.work("finished", func() bool {
		h.deliver(1)
		_, err := h.CancelDue(h.t.Context(), 10)
		must(h.t, err)
		_, err = h.FinishCancellations(h.t.Context())
		must(h.t, err)
		x, err = h.CancellationOf(h.t.Context(), e.ID)
		must(h.t, err)
		return x.FinishedAt != nil
	})
	return x
}

// late is an order whose money came when its hold had run out: it is accepted, and
// nothing has been captured.
func late(h *house, e ropeline.Event) Order {
	h.t.Helper()
	o := h.order(h.hold(e, fan(), 1))
	h.work("expired", func() bool { return h.state(o) == OrderExpired })
	h.confirm(o, "approve")
	h.deliver(1)
	eventually(h.t, "accepted", func() bool {
		must(h.t, h.Nudge(h.t.Context(), e.ID))
		return count(h.t, h.pair.Pool, "select count(*) from orders where id = $1 and accepted_at is not null", o.ID) == 1
	})
	return o
}

// Money that came late and was accepted goes back too, when the event is canceled
// before it is captured.
func TestCancelEventWithLateMoney(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Options{Hold: 200 * time.Millisecond}, false)
	e := h.event(kind{5, 1, 1, 100})
	o := late(h, e)
	h.cancelEvent(e)
	x := h.calledOff(e)
	if now := h.look(o); now.State != OrderCanceled || h.revokedTickets(o) != 1 || now.Refunds[0].State != RefundDone || x.Total != 1 || x.Done != 1 {
		t.Errorf("%+v, %+v", now, x)
	}
	h.audit(e)
}

// So does money that waits for a review: nobody can approve of it any more.
func TestCancelEventWithLateReview(t *testing.T) {
	t.Parallel()
	h := suspicious(t, toReview, Options{Hold: 200 * time.Millisecond})
	e := h.event(kind{5, 1, 1, 100})
	o := h.order(h.hold(e, fan(), 1))
	h.work("expired", func() bool { return h.state(o) == OrderExpired })
	h.confirm(o, "approve")
	h.work("in review", func() bool { h.deliver(1); return h.duty(o) == DutyReview })
	h.cancelEvent(e)
	h.calledOff(e)
	if _, err := h.decide(o, RiskAllow, "bob"); ropeline.CodeOf(err) != ropeline.CodeReviewDecided {
		t.Error(err)
	}
	if now := h.look(o); now.State != OrderExpired || now.Payment.State != PaymentCanceled || len(now.Tickets) > 0 {
		t.Errorf("%+v", now)
	}
	h.audit(e)
}

// A cancellation ends although a refund was refused: beside one that was done, and
// also when it is asked for again.
func TestCancellationEnds(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Options{}, false)
	e := h.event(kind{100, 4, 4, 1000})
	part, whole := h.paid(e, 2), h.paid(e, 1)
	_, _, err := h.refund(Refunding{Order: part.ID, Minor: 100})
	must(t, err)
	h.work("a part is back", func() bool { return h.look(part).Refunds[0].State == RefundDone })
	must(t, h.refuseFirst(part))
	must(t, h.refuseFirst(whole))
	h.cancelEvent(e)
	if x := h.calledOff(e); x.Total != 2 || x.Done != 0 || x.Failed != 2 {
		t.Errorf("%+v", x)
	}
	_, err = h.pair.Pool.Exec(t.Context(), "update sandbox_intents set refunded_minor = 0 where ref = $1", whole.Payment.Ref)
	must(t, err)
	_, _, err = h.refund(Refunding{Order: whole.ID})
	must(t, err)
	h.work("the whole is back", func() bool { return h.look(whole).Refunds[1].State == RefundDone })
	if x, err := h.CancellationOf(t.Context(), e.ID); err != nil || x.Done != 1 || x.Failed != 1 {
		t.Errorf("%+v %v", x, err)
	}
	// The audit names what is kept, until it is asked for again.
	found, err := Audit(t.Context(), h.pair.Pool, e.ID)
	must(t, err)
	for _, v := range found {
		if v.Invariant != "I6" {
			t.Error(v)
		}
	}
	if len(found) == 0 {
		t.Error("nothing found")
	}
}
