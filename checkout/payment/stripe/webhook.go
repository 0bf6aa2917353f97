package stripe

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/stripe/stripe-go/v76/webhook"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/checkout/payment"
)

// SignatureHeader carries "t=<unix seconds>,v1=<hex HMAC-SHA256 of t.body>".
const SignatureHeader = "Stripe-Signature"

// Tolerance is how old a signature may be.
const Tolerance = 5 * time.Minute

// kinds are the events, or the beginnings of their names, that tell something
// of a payment that Get, Refunds or Disputes would say. An endpoint that sends
// more is no error; the rest is let pass unread.
var kinds = []string{
	"payment_intent.amount_capturable_updated", "payment_intent.canceled", "payment_intent.payment_failed",
	"payment_intent.processing", "payment_intent.requires_action", "payment_intent.succeeded",
	"charge.dispute.", "charge.refunded", "charge.refund.updated", "refund.",
}

// ParseWebhook checks the signature and the version, and reads which intent the
// event is about. Stripe sends one event at a time.
func (g *Gateway) ParseWebhook(header http.Header, body []byte) ([]payment.Event, error) {
	event, err := g.parseEvent(header, body)
	if err != nil {
		return nil, err
	}
	return []payment.Event{event}, nil
}

func (g *Gateway) parseEvent(header http.Header, body []byte) (payment.Event, error) {
	if g.secret == "" {
		return payment.Event{}, payment.ErrSignature // anybody could sign with it
	}
	// The version is looked at here: the library would tell it with an advice
	// to turn its check off.
	e, err := webhook.ConstructEventWithOptions(body, header.Get(SignatureHeader), g.secret,
		webhook.ConstructEventOptions{Tolerance: Tolerance, IgnoreAPIVersionMismatch: true})
	for _, unsigned := range []error{webhook.ErrInvalidHeader, webhook.ErrNoValidSignature, webhook.ErrNotSigned, webhook.ErrTooOld} {
		if errors.Is(err, unsigned) {
			return payment.Event{}, payment.ErrSignature
		}
	}
	if err != nil || e.ID == "" {
		return payment.Event{}, &payment.Error{Permanent: true, Reason: "webhook_unreadable", Err: err}
	}
	if e.APIVersion != Version {
		return payment.Event{}, &payment.Error{Permanent: true, Reason: "webhook_api_version",
			Err: fmt.Errorf("event %s has API version %q: make the webhook endpoint with api_version %s (docs/operations.md)", e.ID, e.APIVersion, Version)}
	}
	event := payment.Event{ID: e.ID, Kind: string(e.Type)}
	if !known(event.Kind) || e.Data == nil {
		return event, nil
	}
	var object struct {
		ID       string            `json:"id"`
		Object   string            `json:"object"`
		Intent   json.RawMessage   `json:"payment_intent"`
		Metadata map[string]string `json:"metadata"`
	}
	if err := json.Unmarshal(e.Data.Raw, &object); err != nil {
		return payment.Event{}, &payment.Error{Permanent: true, Reason: "webhook_unreadable", Err: err}
	}
	if object.Object == "payment_intent" {
		event.Ref, event.PaymentID = object.ID, ropeline.PaymentID(object.Metadata["payment"])
		event.Captured = event.Kind == "payment_intent.succeeded"
		return event, nil
	}
	// A charge, a refund or a dispute names its intent, or carries it whole.
	var whole struct {
		ID string `json:"id"`
	}
	if json.Unmarshal(object.Intent, &event.Ref) != nil && json.Unmarshal(object.Intent, &whole) == nil {
		event.Ref = whole.ID
	}
	return event, nil
}

func known(kind string) bool {
	for _, k := range kinds {
		if kind == k || strings.HasSuffix(k, ".") && strings.HasPrefix(kind, k) {
			return true
		}
	}
	return false
}
