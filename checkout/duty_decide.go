package checkout

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ropeline/ropeline/checkout/payment"
)

// What a duty says to the gateway, and what follows from the answer. Nothing
// here touches an engine.

// askCreate opens the intent; one that is refused for good has failed.
func (o owed) askCreate(ctx context.Context) (payment.Object, error) {
	ctx, cancel := context.WithTimeout(ctx, gatewayTime)
	defer cancel()
	object, err := o.gateway.Create(ctx, payment.Intent{
		House: o.house, PaymentID: o.payment, OrderID: o.order, EventID: o.event, Amount: o.amount, Email: o.email, IdempotencyKey: o.key,
	})
	if payment.Permanent(err) {
		return payment.Object{Status: payment.StatusFailed, Decline: reason(err)}, nil
	}
	return object, err
}

// askCapture takes the money. Refused for good means failed, unless somebody
// else has captured it.
func (o owed) askCapture(ctx context.Context) (payment.Object, error) {
	call, cancel := context.WithTimeout(ctx, gatewayTime)
	defer cancel()
	object, err := o.gateway.Capture(call, o.ref, o.key+":capture")
	if payment.Permanent(err) {
		why := reason(err)
		if object, err = o.get(ctx); err == nil && object.Status == payment.StatusAuthorized {
			object.Status, object.Decline = payment.StatusFailed, why
		}
	}
	return object, err
}

// askVoid ends the intent; it is an error when it is not at its end then.
func (o owed) askVoid(ctx context.Context) (payment.Object, error) {
	if o.provider == NoProvider {
		return payment.Object{Status: payment.StatusCanceled}, nil
	}
	if o.ref == "" {
		// The gateway may have opened it and the answer was lost; the same key
		// finds it.
		object, err := o.askCreate(ctx)
		if err != nil || object.Status == payment.StatusFailed && object.Ref == "" {
			return object, err
		}
		o.ref = object.Ref
	}
	call, cancel := context.WithTimeout(ctx, gatewayTime)
	defer cancel()
	object, err := o.gateway.Cancel(call, o.ref, o.key+":cancel")
	if payment.Permanent(err) {
		object, err = o.get(ctx)
	}
	if err != nil {
		return object, err
	}
	switch object.Status {
	case payment.StatusCanceled, payment.StatusFailed, payment.StatusCaptured:
		return object, nil
	}
	return object, fmt.Errorf("the gateway says it is still %s", object.Status)
}

func (o owed) get(ctx context.Context) (payment.Object, error) {
	ctx, cancel := context.WithTimeout(ctx, gatewayTime)
	defer cancel()
	return o.gateway.Get(ctx, o.ref)
}

// ask hears from a gateway, within a time, how an intent stands.
func (n *news) ask(ctx context.Context, gateway payment.Provider, ref string, within time.Duration) (err error) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	if n.object, err = gateway.Get(ctx, ref); err != nil || !n.object.Disputed {
		return err
	}
	for dispute, err := range gateway.Disputes(ctx, payment.Query{Intent: ref}) {
		if err != nil {
			return err
		}
		n.disputes = append(n.disputes, dispute)
	}
	return nil
}

// afterWatch is what is owed to a payment that is still watched after the
// gateway was asked, and how soon: it is given up long after its order's end.
func (o owed) afterWatch(options Options) (Duty, time.Duration) {
	if o.orderEnd != nil && o.now.Sub(*o.orderEnd) > options.Abandon {
		return DutyVoid, 0
	}
	return DutyWatch, min(options.Watch<<min(o.attempts, 10), 10*max(options.Watch, time.Minute))
}

// decidePaid says whether a capture is news to the books. It is none when it
// was written before, and an error when nobody owes it any more: then it must
// not lead to tickets. One that the clerk has handed over is owed by the order's
// being accepted.
func decidePaid(state PaymentState, duty Duty, accepted bool, order OrderState) (news bool, err error) {
	switch {
	case state == PaymentConfirmed:
		return false, nil
	case !state.open(), duty != DutyCapture && !(duty == DutySettle && accepted):
		return false, errors.New("its duty has changed while it was captured")
	}
	err = errors.Join(paymentMoves.move(state, PaymentConfirmed), orderMoves.move(order, OrderPaid))
	return err == nil, err
}

func reason(err error) string {
	if e, ok := errors.AsType[*payment.Error](err); ok {
		return e.Reason
	}
	return ""
}
