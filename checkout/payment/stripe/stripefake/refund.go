package stripefake

import (
	"errors"
	"net/http"
	"strconv"
	"time"
)

type refund struct {
	id, intent, charge, status, currency string
	amount                               int64
	created                              time.Time
	metadata                             map[string]string
}

func (r *refund) ID() string         { return r.id }
func (r *refund) IntentID() string   { return r.intent }
func (r *refund) Created() time.Time { return r.created }

func (s *Server) createRefund(form map[string][]string) answer {
	id := first(form, "payment_intent")
	pi := s.find(id)
	if pi == nil {
		return missing("payment_intent", id)
	}
	amount, err := strconv.ParseInt(first(form, "amount"), 10, 64)
	switch {
	case err != nil || amount < 1:
		return refusal(http.StatusBadRequest, "invalid_request_error", "parameter_invalid_integer", "Invalid amount")
	case pi.status != "succeeded":
		return refusal(http.StatusBadRequest, "invalid_request_error", "", "This PaymentIntent does not have a successful charge to refund.")
	case pi.refunded == pi.amount:
		return refusal(http.StatusBadRequest, "invalid_request_error", "charge_already_refunded", "Charge has already been refunded.")
	case pi.refunded+amount > pi.amount:
		return refusal(http.StatusBadRequest, "invalid_request_error", "", "Refund amount is greater than unrefunded amount on charge.")
	}
	pi.refunded += amount
	r := &refund{id: newID("re"), intent: pi.id, charge: pi.charge.id, status: "succeeded", currency: pi.currency, amount: amount,
		created: s.now().Truncate(time.Second), metadata: metadata(form)}
	s.refunds = append(s.refunds, r)
	s.tell("charge.refunded", s.viewCharge(pi))
	return answer{http.StatusOK, viewRefund(r, nil)}
}

func viewRefund(r *refund, _ map[string][]string) object {
	return object{"id": r.id, "object": "refund", "amount": r.amount, "charge": r.charge, "currency": r.currency, "created": r.created.Unix(),
		"metadata": r.metadata, "payment_intent": r.intent, "status": r.status}
}

// FailRefund is the bank that sends a refund back.
func (s *Server) FailRefund(id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.refunds {
		if r.id == id && r.status != "failed" {
			r.status = "failed"
			s.find(r.intent).refunded -= r.amount
			s.tell("charge.refund.updated", viewRefund(r, nil))
			return nil
		}
	}
	return errors.New("stripefake: no such refund " + id)
}

type dispute struct {
	id, intent, charge, status, reason, currency string
	amount                                       int64
	created                                      time.Time
}

func (d *dispute) ID() string         { return d.id }
func (d *dispute) IntentID() string   { return d.intent }
func (d *dispute) Created() time.Time { return d.created }

// Dispute is the payer's bank: it disputes a captured intent, or moves its
// dispute on to another status.
func (s *Server) Dispute(intent, status, reason string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	pi := s.find(intent)
	if pi == nil || pi.status != "succeeded" {
		return errors.New("stripefake: not disputable: " + intent)
	}
	pi.disputed = true
	for _, d := range s.disputes {
		if d.intent == intent {
			d.status, d.reason = status, reason
			kind := "charge.dispute.updated"
			if status == "won" || status == "lost" || status == "warning_closed" {
				kind = "charge.dispute.closed"
			}
			s.tell(kind, viewDispute(d, nil))
			return nil
		}
	}
	d := &dispute{id: newID("dp"), intent: intent, charge: pi.charge.id, status: status, reason: reason, currency: pi.currency, amount: pi.amount,
		created: s.now().Truncate(time.Second)}
	s.disputes = append(s.disputes, d)
	s.tell("charge.dispute.created", viewDispute(d, nil))
	return nil
}

func viewDispute(d *dispute, _ map[string][]string) object {
	return object{"id": d.id, "object": "dispute", "amount": d.amount, "charge": d.charge, "currency": d.currency, "created": d.created.Unix(),
		"payment_intent": d.intent, "reason": d.reason, "status": d.status,
		"evidence_details": object{"due_by": d.created.Add(7 * 24 * time.Hour).Unix(), "has_evidence": false, "past_due": false, "submission_count": 0}}
}
