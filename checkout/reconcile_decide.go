package checkout

import (
	"fmt"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/checkout/payment"
)

// remedy is what is done about a difference.
type remedy string

const (
	remedyNone   remedy = ""
	remedyLearn  remedy = "learn"  // take the gateway's word, as if its webhook came now
	remedyOwe    remedy = "owe"    // give the payment back the duty that it lost
	remedyCancel remedy = "cancel" // let the money go
	remedyRefund remedy = "refund" // give the money back
	remedyPerson remedy = "person" // somebody must look
)

// finding is how an intent differs from our books, and what heals it.
type finding struct {
	kind   DifferenceKind
	remedy remedy
	detail string
	why    string         // of remedyPerson
	duty   Duty           // of remedyOwe
	key    string         // of remedyCancel and remedyRefund
	amount ropeline.Money // of remedyRefund
}

// judge compares a payment with its intent as a list told it. The list may be
// older than our row, and a payment captured or given back in between would look
// as if its money were missing: before a person is called, the gateway is asked
// once more.
func (b booked) judge(listed payment.Object, again func() (payment.Object, error)) (payment.Object, finding, error) {
	f := b.differs(listed)
	if f.remedy != remedyPerson {
		return listed, f, nil
	}
	now, err := again()
	if err != nil {
		return now, finding{}, err
	}
	return now, b.differs(now), nil
}

// differs compares a payment with its intent.
func (b booked) differs(object payment.Object) finding {
	if b.ref != "" && b.ref != object.Ref {
		return strays(object, DoubleCharge)
	}
	told, captured := paymentStateOf(object.Status), object.Status == payment.StatusCaptured
	authorized := object.Status == payment.StatusAuthorized
	detail := fmt.Sprintf("here %s, there %s", b.state, object.Status)
	switch {
	case object.Amount != b.amount:
		return finding{kind: OtherAmount, remedy: remedyPerson, detail: fmt.Sprintf("here %s, there %s", b.amount, object.Amount),
			why: "a person must say which is right"}
	case b.state == PaymentConfirmed && !captured:
		return finding{kind: NotCaptured, remedy: remedyPerson, detail: detail, why: "the money is not there, and tickets may be"}
	case b.state == PaymentConfirmed && b.refunds == 0 && object.Refunded != b.refunded:
		return finding{kind: UnknownRefund, remedy: remedyPerson, why: "it was not asked for here",
			detail: fmt.Sprintf("%d given back by our books, %d by the gateway's", b.refunded, object.Refunded)}
	case b.state == PaymentConfirmed:
		return finding{}
	case b.state == PaymentCanceled || b.state == PaymentFailed:
		switch {
		case captured && object.Kept() > 0:
			return finding{kind: UnknownCapture, remedy: remedyLearn, detail: detail}
		case authorized:
			return finding{kind: OrphanIntent, remedy: remedyCancel, detail: detail, key: b.key + ":cancel"}
		}
		return finding{}
	case captured && b.state != PaymentAuthorized:
		return finding{kind: UnknownCapture, remedy: remedyLearn, detail: detail}
	case captured && b.duty == DutyNone, authorized && b.state == PaymentAuthorized && b.duty == DutyNone:
		f := finding{kind: MissingWebhook, remedy: remedyOwe, detail: detail + ", and owed nothing", duty: DutySettle}
		if captured {
			f.kind = UnknownCapture
		}
		if b.accepted {
			f.duty = DutyCapture
		}
		return f
	case told != b.state && b.state != PaymentAuthorized && told != PaymentPending, b.state == PaymentAuthorized && (told == PaymentCanceled || told == PaymentFailed):
		return finding{kind: MissingWebhook, remedy: remedyLearn, detail: detail}
	}
	return finding{}
}

// refundDiffers compares a refund of ours with what a list says of it; known is
// empty for one that is not ours. What the gateway has brought to another end is
// asked after, which is the refund's own duty. Where money went back that our books do not
// count, the payment is looked at as a whole.
func refundDiffers(known RefundState, told payment.RefundStatus) remedy {
	switch known {
	case RefundCreated: // being asked for
		return remedyNone
	case RefundTransit, RefundDone:
		if steps, err := refundSteps(known, told); err != nil || len(steps) == 0 {
			return remedyNone
		}
		return remedyLearn
	}
	if told == payment.RefundFailed {
		return remedyNone
	}
	return remedyPerson
}

// strays says what is done with an intent that is not the one in our books:
// money that was taken goes back, what was only authorized is let go.
func strays(object payment.Object, kind DifferenceKind) finding {
	switch object.Status {
	case payment.StatusCanceled, payment.StatusFailed:
		return finding{}
	case payment.StatusCaptured:
		rest := ropeline.Money{Minor: object.Kept(), Currency: object.Amount.Currency}
		if rest.Minor <= 0 {
			return finding{}
		}
		if kind == UnknownPayments {
			return finding{kind: kind, remedy: remedyPerson, detail: fmt.Sprintf("%s taken", object.Amount), why: "there is no order that it could be for"}
		}
		return finding{kind: kind, remedy: remedyRefund, detail: fmt.Sprintf("%s taken once more", rest), amount: rest,
			key: "reconcile:" + object.Ref + ":refund"}
	}
	return finding{kind: OrphanIntent, remedy: remedyCancel, detail: fmt.Sprintf("%s, and not in our books", object.Status),
		key: "reconcile:" + object.Ref + ":cancel"}
}
