package checkout

import (
	"time"

	"github.com/ropeline/ropeline"
)

// orderAfter is what the end of a hold makes of its pending order.
func orderAfter(s ReservationState) (order OrderState, ends bool) {
	switch s {
	case ReservationExpired:
		return OrderExpired, true
	case ReservationReleased:
		return OrderCanceled, true
	}
	return "", false
}

// letsGo tells whether the end of an order lets its payment go. That of an
// expired one is left open: the money may come yet.
func letsGo(order OrderState, state PaymentState) bool {
	return order == OrderCanceled && state.open()
}

// owing is what a payment is owed next, and from when.
type owing struct {
	payment ropeline.PaymentID
	duty    Duty
	at      time.Time
}

// duties are what the payments of the batch's claims are owed after the
// clerk's word. A capture that is handed over is not written: the order is
// accepted, and that says it for a grip's time (see notHanded).
func (l *ledger) duties() []owing {
	all := make([]owing, 0, len(l.accepted)+len(l.refused)+len(l.unwound)+len(l.dropped))
	for _, c := range l.accepted {
		switch {
		case c.risk == RiskReview:
			all = append(all, owing{payment: c.payment, duty: DutyReview, at: l.now.Add(c.review)})
		case !l.takes(c):
			all = append(all, owing{payment: c.payment, duty: DutyCapture, at: l.now})
		}
	}
	for _, c := range l.dropped {
		all = append(all, owing{payment: c.payment, duty: DutyCapture, at: l.now})
	}
	for _, c := range l.refused {
		all = append(all, owing{payment: c.payment, duty: DutyVoid, at: l.now})
	}
	for _, c := range l.unwound {
		next := owing{payment: c.payment, duty: DutyNone, at: l.now}
		if c.state == PaymentAuthorized {
			next.duty = DutyVoid // a review has rejected the order
		}
		all = append(all, next)
	}
	return all
}

// takes tells whether the capture of an accepted claim is this process' at once.
func (l *ledger) takes(c claim) bool { return l.takesUp && c.risk != RiskReview }

// owed is the capture of an accepted claim, taken up.
func (c claim) owed(event ropeline.EventID, now time.Time) owed {
	return owed{
		payment: c.payment, provider: c.provider, ref: c.ref, key: c.key, state: c.state, duty: DutyCapture, due: true, handed: true, attempts: 1, amount: c.amount,
		order: c.order, orderState: c.orderState, orderEnd: c.orderEnd, event: event, fan: c.fan, email: c.email, now: now,
	}
}
