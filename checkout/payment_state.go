package checkout

import (
	"github.com/ropeline/ropeline/checkout/payment"
	"github.com/ropeline/ropeline/internal/outbox"
)

// PaymentState is what a payment has become. Its diagram is in docs/states.md.
type PaymentState string

// The states.
const (
	PaymentCreated    PaymentState = "created"    // written down, the gateway may not know it yet
	PaymentPending    PaymentState = "pending"    // open at the gateway, the fan is to pay
	PaymentAuthorized PaymentState = "authorized" // the money is reserved for us
	PaymentConfirmed  PaymentState = "confirmed"  // the money is ours
	PaymentFailed     PaymentState = "failed"
	PaymentCanceled   PaymentState = "canceled"
)

// Created leads to authorized directly when the webhook overtakes the answer
// to our own call, and for an order that costs nothing. A payment that has ended
// is confirmed when its money was taken all the same, to be given back.
var paymentMoves = moves[PaymentState]{
	PaymentCreated:    {PaymentPending, PaymentAuthorized, PaymentFailed, PaymentCanceled},
	PaymentPending:    {PaymentAuthorized, PaymentFailed, PaymentCanceled},
	PaymentAuthorized: {PaymentConfirmed, PaymentFailed, PaymentCanceled},
	PaymentConfirmed:  {},
	PaymentFailed:     {PaymentConfirmed},
	PaymentCanceled:   {PaymentConfirmed},
}

// open tells that the payment is not at its end.
func (s PaymentState) open() bool {
	return s == PaymentCreated || s == PaymentPending || s == PaymentAuthorized
}

// paymentStateOf is the state that the gateway's status speaks for. Captured
// speaks for authorized: only our own capture, after the clerk's yes, or a
// refund, makes a payment confirmed.
func paymentStateOf(status payment.Status) PaymentState {
	switch status {
	case payment.StatusAuthorized, payment.StatusCaptured:
		return PaymentAuthorized
	case payment.StatusCanceled:
		return PaymentCanceled
	case payment.StatusFailed:
		return PaymentFailed
	}
	return PaymentPending
}

// paymentKinds are the domain events that tell of a payment's states; of
// created the order tells.
var paymentKinds = map[PaymentState]outbox.Kind{
	PaymentPending:    outbox.PaymentPending,
	PaymentAuthorized: outbox.PaymentAuthorized,
	PaymentConfirmed:  outbox.PaymentConfirmed,
	PaymentFailed:     outbox.PaymentFailed,
	PaymentCanceled:   outbox.PaymentCanceled,
}

// Duty is what the house still owes a payment. A payment without a duty needs
// nothing more.
type Duty string

// The duties. DutySettle and DutyUnwind are the clerk's, the rest are done by
// Perform. A payment that is owed DutySettle still while its order is accepted
// is being captured by whoever the clerk has handed it to.
const (
	DutyNone    Duty = ""
	DutyCreate  Duty = "create"  // open the intent at the gateway
	DutyWatch   Duty = "watch"   // ask the gateway, in case a webhook was lost
	DutySettle  Duty = "settle"  // authorized: the clerk says whether the stock is there
	DutyReview  Duty = "review"  // accepted, but a person decides first; due at the deadline
	DutyCapture Duty = "capture" // accepted: take the money, issue the tickets
	DutyVoid    Duty = "void"    // not accepted: let the money go
	DutyUnwind  Duty = "unwind"  // it can never be paid: the clerk takes the stock back
)
