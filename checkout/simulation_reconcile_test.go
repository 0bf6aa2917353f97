package checkout

import (
	"time"

	"github.com/ropeline/ropeline/checkout/payment"
)

// reconcile is Checkout.Reconcile, every minute.
func (a *actor) reconcile() {
	for {
		var page []payment.Object
		for object, err := range a.gateway.Intents(a.context(), payment.Query{}) {
			if err == nil {
				page = append(page, object)
			}
		}
		for _, object := range page {
			p := a.payment(object.PaymentID)
			object, f, err := a.booked(p).judge(object, func() (payment.Object, error) { return a.gateway.Get(a.context(), object.Ref) })
			if err != nil {
				break // the next run will
			}
			if f.remedy == remedyNone {
				continue
			}
			a.say("%s %s: %s, %s", f.kind, p.id, f.detail, f.remedy)
			a.step()
			switch f.remedy {
			case remedyLearn:
				_ = a.learn(p.id, news{gateway: simGatewayName, object: object, asked: a.now})
			case remedyOwe:
				a.lock(&p.locked)
				if p.duty == DutyNone && p.state == PaymentAuthorized {
					p.duty, p.dutyAt, p.attempts, a.dirty = f.duty, a.now, 0, true
				}
			case remedyCancel:
				_, _ = a.gateway.Cancel(a.context(), object.Ref, f.key)
			case remedyRefund:
				_, _ = a.gateway.Refund(a.context(), object.Ref, f.amount, f.key)
			case remedyPerson:
				if a.without == nothing {
					a.breaks("reconciliation", "a person must look at %s: %s: %s", p.id, f.kind, f.detail)
				}
			}
		}
		a.pass(time.Minute)
	}
}

func (a *actor) booked(p *simPayment) booked {
	b := booked{id: p.id, ref: p.ref, key: p.key, state: p.state, duty: p.duty, amount: p.amount, accepted: p.order.accepted}
	for _, f := range a.books.refunds {
		switch {
		case f.pay != p:
		case f.state == RefundDone:
			b.refunded += f.amount.Minor
		case f.state != RefundFailed:
			b.refunds++
		}
	}
	return b
}
