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
	payment ropeline.PaymentID
	duty    Duty
	at      time.Time
}

// duties are what the payments of the batch's claims are owed after the
// clerk's word.
func (l *ledger) duties() []owing {
	all := make([]owing, 0, len(l.accepted)+len(l.refused)+len(l.unwound))
	for _, c := range l.accepted {
		next := owing{c.payment, DutyCapture, l.now}
		if c.risk == RiskReview {
			next.duty, next.at = DutyReview, l.now.Add(c.review)
		}
		all = append(all, next)
	}
	for _, c := range l.refused {
		all = append(all, owing{c.payment, DutyVoid, l.now})
	}
	for _, c := range l.unwound {
		next := owing{c.payment, DutyNone, l.now}
		if c.state == PaymentAuthorized {
			next.duty = DutyVoid // a review has rejected the order
		}
		all = append(all, next)
	}
	return all
}
