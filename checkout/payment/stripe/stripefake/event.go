package stripefake

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strconv"
	"time"
)

type event struct {
	body []byte
	sent bool
}

// tell makes an event; called with the lock.
func (s *Server) tell(kind string, about object) {
	body, err := json.Marshal(object{
		"id": newID("evt"), "object": "event", "api_version": version, "created": s.now().Unix(), "type": kind, "livemode": false, "pending_webhooks": 1,
		"data": object{"object": about}, "request": object{"id": newID("req"), "idempotency_key": nil},
	})
	if err != nil {
		panic(err)
	}
	s.events = append(s.events, event{body: body})
}

// Message is a webhook, signed when it is taken.
type Message struct {
	Header http.Header
	Body   []byte
}

// Webhooks takes the events that were not taken yet.
func (s *Server) Webhooks() []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	var messages []Message
	for i := range s.events {
		if e := &s.events[i]; !e.sent {
			e.sent = true
			messages = append(messages, Message{Sign(e.body, s.now()), e.body})
		}
	}
	return messages
}

// Sign signs a body as Stripe does.
func Sign(body []byte, at time.Time) http.Header {
	t := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(WebhookSecret))
	mac.Write([]byte(t + "."))
	mac.Write(body)
	return http.Header{"Stripe-Signature": {"t=" + t + ",v1=" + hex.EncodeToString(mac.Sum(nil))}}
}
