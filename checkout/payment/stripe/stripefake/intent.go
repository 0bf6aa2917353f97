package stripefake

import (
	"maps"
	"net/http"
	"strconv"
	"strings"
	"time"
)

type intent struct {
	id, secret, status, currency string
	amount, refunded             int64
	created                      time.Time
	metadata                     map[string]string
	email, description           string
	charge                       *charge
	failure                      object // last_payment_error
	asked                        string // number of the card that 3-D Secure asks for
	disputed                     bool
}

func (i *intent) ID() string         { return i.id }
func (i *intent) IntentID() string   { return i.id }
func (i *intent) Created() time.Time { return i.created }

type charge struct {
	id, status string
	card       object
	outcome    object
}

func first(form map[string][]string, name string) string {
	if len(form[name]) == 0 {
		return ""
	}
	return form[name][0]
}

func metadata(form map[string][]string) map[string]string {
	found := map[string]string{}
	for name := range form {
		if key, ok := strings.CutPrefix(name, "metadata["); ok {
			found[strings.TrimSuffix(key, "]")] = first(form, name)
		}
	}
	return found
}

func (s *Server) createIntent(form map[string][]string) answer {
	amount, err := strconv.ParseInt(first(form, "amount"), 10, 64)
	currency := first(form, "currency")
	switch {
	case err != nil || currency == "":
		return refusal(http.StatusBadRequest, "invalid_request_error", "parameter_missing", "Missing required param: amount or currency.")
	case currency != strings.ToLower(currency) || len(currency) != 3:
		return refusal(http.StatusBadRequest, "invalid_request_error", "", "Invalid currency: "+currency)
	case amount < 1:
		return refusal(http.StatusBadRequest, "invalid_request_error", "amount_too_small", "Amount must be at least 1.")
	case amount > 99999999:
		return refusal(http.StatusBadRequest, "invalid_request_error", "amount_too_large", "Amount must be no more than 99999999.")
	case first(form, "capture_method") != "manual":
		return refusal(http.StatusBadRequest, "invalid_request_error", "", "this fake captures manually only")
	}
	id := newID("pi")
	pi := &intent{
		id: id, secret: id + "_secret_" + newID("x")[2:], status: "requires_payment_method", currency: currency, amount: amount,
		created: s.now().Truncate(time.Second), metadata: metadata(form), email: first(form, "receipt_email"), description: first(form, "description"),
	}
	s.intents = append(s.intents, pi)
	s.tell("payment_intent.created", s.viewIntent(pi, nil))
	return answer{http.StatusOK, s.viewIntent(pi, form)}
}

func (s *Server) find(id string) *intent {
	for _, pi := range s.intents {
		if pi.id == id {
			return pi
		}
	}
	return nil
}

// withIntent does something to an intent, and answers with it unless do
// refuses.
func (s *Server) withIntent(id string, form map[string][]string, do func(*intent) (answer, bool)) answer {
	pi := s.find(id)
	if pi == nil {
		return missing("payment_intent", id)
	}
	if a, ok := do(pi); !ok {
		return a
	}
	return answer{http.StatusOK, s.viewIntent(pi, form)}
}

func (s *Server) unexpected(pi *intent, what string) (answer, bool) {
	return refusal(http.StatusBadRequest, "invalid_request_error", "payment_intent_unexpected_state",
		"This PaymentIntent could not be "+what+" because it has a status of "+pi.status+".", object{"payment_intent": s.viewIntent(pi, nil)}), false
}

func (s *Server) capture(pi *intent) (answer, bool) {
	if pi.status != "requires_capture" {
		return s.unexpected(pi, "captured")
	}
	if pi.charge.card["last4"] == refusesCapture[len(refusesCapture)-4:] {
		pi.status, pi.charge.status = "canceled", "failed"
		s.tell("payment_intent.canceled", s.viewIntent(pi, nil))
		return refusal(http.StatusPaymentRequired, "card_error", "card_declined", "The authorization is gone.", object{"decline_code": "expired_card"}), false
	}
	pi.status = "succeeded"
	s.tell("payment_intent.succeeded", s.viewIntent(pi, nil))
	return answer{}, true
}

func (s *Server) cancel(pi *intent) (answer, bool) {
	switch pi.status {
	case "requires_payment_method", "requires_capture", "requires_confirmation", "requires_action":
		pi.status = "canceled"
		s.tell("payment_intent.canceled", s.viewIntent(pi, nil))
		return answer{}, true
	}
	return s.unexpected(pi, "canceled")
}

func expands(form map[string][]string, what string) bool {
	for name, values := range form {
		if strings.HasPrefix(name, "expand") {
			for _, v := range values {
				if v == what || v == "data."+what {
					return true
				}
			}
		}
	}
	return false
}

func (s *Server) viewIntent(pi *intent, form map[string][]string) object {
	capturable, received := int64(0), int64(0)
	switch pi.status {
	case "requires_capture":
		capturable = pi.amount
	case "succeeded":
		received = pi.amount
	}
	view := object{
		"id": pi.id, "object": "payment_intent", "amount": pi.amount, "amount_capturable": capturable, "amount_received": received,
		"currency": pi.currency, "status": pi.status, "capture_method": "manual", "confirmation_method": "automatic", "client_secret": pi.secret,
		"created": pi.created.Unix(), "livemode": false, "metadata": maps.Clone(pi.metadata), "description": pi.description, "receipt_email": pi.email,
		"last_payment_error": nil, "latest_charge": nil, "next_action": nil, "payment_method_types": []string{"card"},
	}
	if pi.failure != nil {
		view["last_payment_error"] = pi.failure
	}
	if pi.status == "requires_action" {
		view["next_action"] = object{"type": "use_stripe_sdk", "use_stripe_sdk": object{}}
	}
	if pi.charge != nil {
		view["latest_charge"] = pi.charge.id
		if expands(form, "latest_charge") {
			view["latest_charge"] = s.viewCharge(pi)
		}
	}
	return view
}

func (s *Server) viewCharge(pi *intent) object {
	return object{
		"id": pi.charge.id, "object": "charge", "amount": pi.amount, "amount_refunded": pi.refunded, "currency": pi.currency, "captured": pi.status == "succeeded",
		"disputed": pi.disputed, "outcome": pi.charge.outcome, "paid": pi.charge.status == "succeeded", "payment_intent": pi.id, "status": pi.charge.status,
		"payment_method_details": object{"type": "card", "card": pi.charge.card}, "metadata": maps.Clone(pi.metadata),
	}
}
