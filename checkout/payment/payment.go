// Package payment says what the box office needs of a payment gateway: an
// intent that is authorized first and captured only when the stock is sure.
//
// A Provider is at the far end of a network. Every call that changes something
// there takes an idempotency key that the caller wrote down before: the same
// key again has one effect and gives the same object. A failure is an *Error
// that tells whether trying again can help; anything else that comes back (a
// timeout, a cut connection) means that nobody knows, and the call is to be
// repeated with its key. Webhooks come late, twice and out of order, so they
// only name an intent: its truth is what Get says. (See Event.Captured for the
// one thing that need not be asked for.)
//
//	pending ──► action_required ──► processing ──► authorized ──► captured
//	   ▲ declined: try again             │             │
//	   └─────────────────────────────────┘             └──► canceled | failed
package payment

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"time"

	"github.com/ropeline/ropeline"
)

// Provider is a gateway. The names are those of a PaymentIntent with manual
// capture; package paymenttest holds every implementation to them.
type Provider interface {
	// Name is stored with each payment, and never changes.
	Name() string
	// Create opens an intent for an amount; the payer then deals with the
	// gateway directly, using the object's ClientSecret.
	Create(ctx context.Context, intent Intent) (Object, error)
	// Get reads an intent as it is now.
	Get(ctx context.Context, ref string) (Object, error)
	// Capture takes the authorized amount. Captured already: the same object.
	Capture(ctx context.Context, ref, key string) (Object, error)
	// Cancel ends an intent whose money was not taken. An intent that has been
	// captured in the meantime is returned as it is, without an error.
	Cancel(ctx context.Context, ref, key string) (Object, error)
	// Refund gives captured money back, all or a part.
	Refund(ctx context.Context, ref string, amount ropeline.Money, key string) (Refund, error)
	// GetRefund reads a refund as it is now.
	GetRefund(ctx context.Context, ref string) (Refund, error)
	// Intents lists what was created in a time, the newest first, page by page:
	// those that are ours, and those that the account has beside us. It ends
	// with the first error.
	Intents(ctx context.Context, q Query) iter.Seq2[Object, error]
	// Refunds lists refunds as Intents lists intents.
	Refunds(ctx context.Context, q Query) iter.Seq2[Refund, error]
	// Disputes lists disputes as Intents lists intents.
	Disputes(ctx context.Context, q Query) iter.Seq2[Dispute, error]
	// ParseWebhook checks the signature and reads which intents have news, one
	// or, at a gateway that bundles, several; ErrSignature when the message is
	// not the gateway's, or too old.
	ParseWebhook(header http.Header, body []byte) ([]Event, error)
}

// Intent is what a Provider is asked to open.
type Intent struct {
	House          string // who asks; others may use the same account
	PaymentID      ropeline.PaymentID
	OrderID        ropeline.OrderID
	EventID        ropeline.EventID
	Amount         ropeline.Money
	Email          string // for the gateway's receipt
	IdempotencyKey string
}

// Status is what an intent is at the gateway.
type Status string

// The statuses. StatusPending also is an intent whose card was declined: the
// payer may try another one.
const (
	StatusPending        Status = "pending"
	StatusActionRequired Status = "action_required"
	StatusProcessing     Status = "processing"
	StatusAuthorized     Status = "authorized"
	StatusCaptured       Status = "captured"
	StatusCanceled       Status = "canceled"
	StatusFailed         Status = "failed"
)

// Object is an intent as the gateway tells it.
type Object struct {
	Ref          string
	House        string             // from the intent's metadata: who opened it; may be empty
	PaymentID    ropeline.PaymentID // from the intent's metadata, whatever another program has put there; may be empty
	Status       Status
	Amount       ropeline.Money
	ClientSecret string
	Decline      string // why the last attempt was declined, for the payer
	Card         Card   // of the last attempt; empty before one, or when it was no card
	Risk         Risk   // of the last attempt
	Refunded     int64  // minor units that were given back
	Disputed     bool   // Disputes knows more
	Created      time.Time
}

// Kept is what was not given back of the amount, in minor units.
func (o Object) Kept() int64 { return o.Amount.Minor - o.Refunded }

// Query is what a list shall hold. The zero value asks for everything.
type Query struct {
	Since  time.Time // created then or later; zero: from the beginning
	Until  time.Time // created before; zero: until now
	Intent string    // of one intent only
}

// Card is what a gateway tells of a card. Its number never comes here.
type Card struct {
	Fingerprint string // the same for each use of one card number, of our account only
	Brand       string // visa, mastercard, amex, …
	Last4       string
	Country     string // of the issuer, ISO 3166-1 alpha-2
}

// Risk is how likely the gateway thinks a payment is fraud. UnknownRisk is that
// of an intent that nobody has tried to pay.
type Risk struct {
	Score int    // 0 (none) to 100; -1: not told
	Level string // normal, elevated, highest; empty: not told
}

// UnknownRisk is a gateway's silence.
var UnknownRisk = Risk{Score: -1}

// RefundStatus is what a refund is at the gateway.
type RefundStatus string

// The statuses of a refund.
const (
	RefundTransit RefundStatus = "transit"
	RefundDone    RefundStatus = "done"
	RefundFailed  RefundStatus = "failed"
)

// Refund is a refund as the gateway tells it.
type Refund struct {
	Ref     string
	Intent  string // Ref of the intent whose money it gives back
	Key     string // the key it was asked for with; empty when it is not ours
	Status  RefundStatus
	Amount  ropeline.Money
	Created time.Time
}

// Dispute is a payer's complaint at the bank, as the gateway tells it.
type Dispute struct {
	Ref     string
	Intent  string // Ref of the intent that is disputed
	Status  string // the gateway's name: needs_response, under_review, won, lost, warning_…
	Reason  string // the gateway's name: fraudulent, product_not_received, …
	Amount  ropeline.Money
	Due     time.Time // evidence must be there before; zero: none is asked for
	Created time.Time
}

// Event is the envelope of a webhook.
type Event struct {
	ID   string // the same for each delivery of one event
	Kind string // the gateway's word, for the log
	Ref  string // the intent; empty: an event that does not concern one
	// PaymentID is the intent's owner, where the message names it: for a payment
	// whose own call to the gateway was answered into the void.
	PaymentID ropeline.PaymentID
	// Captured: it tells that the money was taken, and of nothing else. Who knows
	// that already has nothing to ask for.
	Captured bool
}

// ErrSignature is returned for a webhook that the gateway did not sign.
var ErrSignature = errors.New("payment: webhook signature is missing, wrong or too old")

// Error is the gateway's own answer that a call failed.
type Error struct {
	Permanent bool   // the same call can never succeed
	Reason    string // the gateway's code, such as card_declined
	Err       error
}

func (e *Error) Error() string {
	kind := "transient"
	if e.Permanent {
		kind = "permanent"
	}
	if e.Err != nil {
		return fmt.Sprintf("payment: %s: %s: %v", kind, e.Reason, e.Err)
	}
	return fmt.Sprintf("payment: %s: %s", kind, e.Reason)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Permanent tells whether the gateway said that trying again cannot help.
func Permanent(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Permanent
}
