package checkout

import (
	"testing"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/checkout/payment"
)

// A payment that was captured while the gateway's list was read is no alarm;
// one whose money is not there is.
func TestOldListIsNoAlarm(t *testing.T) {
	price := ropeline.Money{Minor: 100, Currency: "EUR"}
	b := booked{id: "pay", ref: "pi", state: PaymentConfirmed, amount: price}
	listed := payment.Object{Ref: "pi", Status: payment.StatusAuthorized, Amount: price}
	for _, now := range []payment.Status{payment.StatusCaptured, payment.StatusAuthorized} {
		_, f, err := b.judge(listed, func() (payment.Object, error) {
			object := listed
			object.Status = now
			return object, nil
		})
		if missing := now != payment.StatusCaptured; err != nil || (f.remedy == remedyPerson) != missing {
			t.Errorf("now %s: %+v %v", now, f, err)
		}
	}
}
