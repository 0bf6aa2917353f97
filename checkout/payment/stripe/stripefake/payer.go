package stripefake

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// The cards, a part of https://docs.stripe.com/testing.
const (
	Approves     = "4242424242424242"
	Mastercard   = "5555555555554444"
	Declines     = "4000000000000002"
	Insufficient = "4000000000009995"
	Stolen       = "4000000000009979"
	Asks3DS      = "4000002760003184" // and each card that ends with 3155 or 3184
	Elevated     = "4000000000009235"
)

// refusesCapture is authorized, and its capture declined for good; Stripe has
// no such card.
const refusesCapture = "4000000000000341"

// RefusesCapture is authorized, and its capture declined for good.
const RefusesCapture = refusesCapture

var declineCodes = map[string]string{Declines: "generic_decline", Insufficient: "insufficient_funds", Stolen: "stolen_card"}

func cardOf(number string) object {
	sum := sha256.Sum256([]byte(number))
	brand, country := "visa", "US"
	switch {
	case strings.HasPrefix(number, "5"):
		brand = "mastercard"
	case strings.HasPrefix(number, "400000276"):
		country = "DE"
	}
	return object{"brand": brand, "country": country, "fingerprint": hex.EncodeToString(sum[:8]), "last4": number[len(number)-4:], "exp_month": 12, "exp_year": 2034}
}

// Pay is the payer's card form: the intent is confirmed with a card's number.
// A decline is no error, it is what the intent says then.
func (s *Server) Pay(id, number string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	pi := s.find(id)
	if pi == nil {
		return errors.New("stripefake: no such intent " + id)
	}
	if a, ok := s.pay(pi, number); !ok && a.status != http.StatusPaymentRequired {
		return fmt.Errorf("stripefake: %v", a.body)
	}
	return nil
}

// confirm is Pay by HTTP, as a browser or a server calls it.
func (s *Server) confirm(pi *intent, form map[string][]string) (answer, bool) {
	if secret := first(form, "client_secret"); secret != "" && secret != pi.secret {
		return missing("payment_intent", pi.id), false
	}
	if pi.asked != "" && first(form, "authenticated") != "" {
		s.authenticate(pi, first(form, "authenticated") == "true")
		return answer{}, true
	}
	number := strings.ReplaceAll(first(form, "payment_method_data[card][number]"), " ", "")
	if len(number) < 12 {
		return refusal(http.StatusPaymentRequired, "card_error", "incorrect_number", "Your card number is incorrect."), false
	}
	return s.pay(pi, number)
}

func (s *Server) pay(pi *intent, number string) (answer, bool) {
	switch pi.status {
	case "requires_payment_method", "requires_confirmation", "requires_action":
	default:
		return s.unexpected(pi, "confirmed")
	}
	pi.failure, pi.asked = nil, ""
	if decline, ok := declineCodes[number]; ok {
		pi.status = "requires_payment_method"
		pi.charge = charged(number, "failed")
		pi.failure = object{"type": "card_error", "code": "card_declined", "decline_code": decline, "message": "Your card was declined.",
			"payment_method": object{"id": newID("pm"), "object": "payment_method", "type": "card", "card": cardOf(number)}}
		s.tell("payment_intent.payment_failed", s.viewIntent(pi, nil))
		return refusal(http.StatusPaymentRequired, "card_error", "card_declined", "Your card was declined.",
			object{"decline_code": decline, "payment_intent": s.viewIntent(pi, nil)}), false
	}
	if strings.HasSuffix(number, "3155") || strings.HasSuffix(number, "3184") {
		pi.status, pi.asked = "requires_action", number
		s.tell("payment_intent.requires_action", s.viewIntent(pi, nil))
		return answer{}, true
	}
	s.authorize(pi, number)
	return answer{}, true
}

func charged(number, status string) *charge {
	outcome := object{"risk_level": "normal", "risk_score": 12, "type": "authorized"}
	if number == Elevated {
		outcome = object{"risk_level": "elevated", "risk_score": 70, "type": "authorized"}
	}
	if status == "failed" {
		outcome["type"] = "issuer_declined"
	}
	return &charge{id: newID("ch"), status: status, card: cardOf(number), outcome: outcome}
}

func (s *Server) authorize(pi *intent, number string) {
	pi.status, pi.asked = "requires_capture", ""
	pi.charge = charged(number, "succeeded")
	s.tell("payment_intent.amount_capturable_updated", s.viewIntent(pi, nil))
}

// Authenticate is the payer's answer to 3-D Secure.
func (s *Server) Authenticate(id string, yes bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	pi := s.find(id)
	if pi == nil || pi.asked == "" {
		return errors.New("stripefake: nobody asks for 3-D Secure of " + id)
	}
	s.authenticate(pi, yes)
	return nil
}

func (s *Server) authenticate(pi *intent, yes bool) {
	if yes {
		s.authorize(pi, pi.asked)
		return
	}
	pi.failure = object{"type": "invalid_request_error", "code": "payment_intent_authentication_failure", "message": "The provided PaymentMethod has failed authentication.",
		"payment_method": object{"id": newID("pm"), "object": "payment_method", "type": "card", "card": cardOf(pi.asked)}}
	pi.status, pi.asked = "requires_payment_method", ""
	s.tell("payment_intent.payment_failed", s.viewIntent(pi, nil))
}

// Captured is what was taken of an intent, less what was given back.
func (s *Server) Captured(id string) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if pi := s.find(id); pi != nil && pi.status == "succeeded" {
		return pi.amount - pi.refunded
	}
	return 0
}

// Status is an intent's status.
func (s *Server) Status(id string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if pi := s.find(id); pi != nil {
		return pi.status
	}
	return ""
}

// CaptureBehind captures an intent as somebody in Stripe's dashboard would.
func (s *Server) CaptureBehind(id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if pi := s.find(id); pi != nil {
		if _, ok := s.capture(pi); ok {
			return nil
		}
	}
	return errors.New("stripefake: not capturable: " + id)
}

// Amount is what an intent is about, as Stripe counts.
func (s *Server) Amount(id string) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if pi := s.find(id); pi != nil {
		return pi.amount
	}
	return 0
}
