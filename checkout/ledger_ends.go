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
	return order == OrderCanceled && len(paymentMoves[state]) > 0
}

// owing is what a payment is owed next, and from when.
type owing struct {
	payment  ropeline.PaymentID
	duty     Duty
	at       time.Time
	attempts int32
}

// duties are what the payments of the batch's claims are owed after the
// clerk's word.
func (l *ledger) duties() []owing {
	all := make([]owing, 0, len(l.accepted)+len(l.refused)+len(l.unwound))
	for _, c := range l.accepted {
		next := owing{payment: c.payment, duty: DutyCapture, at: l.now}
		switch {
		case c.risk == RiskReview:
			next.duty, next.at = DutyReview, l.now.Add(c.review)
		case l.takes(c):
			next.at, next.attempts = l.now.Add(l.grip), 1
		}
		all = append(all, next)
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
func (l *ledger) takes(c claim) bool { return l.grip > 0 && c.risk != RiskReview }

// owed is the capture of an accepted claim, taken up.
func (c claim) owed(event ropeline.EventID, now time.Time) owed {
	return owed{
		payment: c.payment, provider: c.provider, ref: c.ref, key: c.key, state: c.state, duty: DutyCapture, due: true, attempts: 1, amount: c.amount,
		order: c.order, orderState: c.orderState, orderEnd: c.orderEnd, event: event, fan: c.fan, email: c.email, now: now,
	}
}
