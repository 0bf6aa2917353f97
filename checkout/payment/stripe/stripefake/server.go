package stripefake

import (
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"time"
)

// The account.
const (
	SecretKey      = "sk_test_stripefake"
	PublishableKey = "pk_test_stripefake"
	WebhookSecret  = "whsec_stripefake"
	version        = "2023-10-16"
)

// object is a JSON object.
type object = map[string]any

// Server is the fake; safe for concurrent use.
type Server struct {
	URL  string
	http *httptest.Server

	mu       sync.Mutex
	now      func() time.Time
	intents  []*intent
	refunds  []*refund
	disputes []*dispute
	keys     map[string]*kept
	faults   []*fault
	events   []event
	calls    map[string]int
}

// New starts a server; Close ends it. now is its clock, nil: the wall clock.
func New(now func() time.Time) *Server {
	if now == nil {
		now = time.Now
	}
	s := &Server{now: now, keys: map[string]*kept{}, calls: map[string]int{}}
	s.http = httptest.NewServer(http.HandlerFunc(s.serve))
	s.URL = s.http.URL
	return s
}

// Close stops listening.
func (s *Server) Close() {
	s.http.CloseClientConnections()
	s.http.Close()
}

// Calls counts the calls of an operation that arrived, such as
// "POST /v1/payment_intents/:id/capture".
func (s *Server) Calls(operation string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[operation]
}

// answer is what goes back.
type answer struct {
	status int
	body   object
}

func refusal(status int, kind, code, message string, more ...object) answer {
	e := object{"type": kind, "message": message}
	if code != "" {
		e["code"] = code
	}
	for _, m := range more {
		for k, v := range m {
			e[k] = v
		}
	}
	return answer{status, object{"error": e}}
}

func missing(what, id string) answer {
	return refusal(http.StatusNotFound, "invalid_request_error", "resource_missing", "No such "+what+": '"+id+"'")
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	operation, id := route(r)
	if err := r.ParseForm(); err != nil {
		write(w, refusal(http.StatusBadRequest, "invalid_request_error", "", err.Error()))
		return
	}
	s.mu.Lock()
	s.calls[operation]++
	f := s.faultOf(operation, func(f Fault) bool { return f != Broken })
	s.mu.Unlock()
	switch f {
	case Unreached:
		cut(w)
		return
	case Hangs:
		<-r.Context().Done()
		return
	case Busy:
		write(w, refusal(http.StatusTooManyRequests, "invalid_request_error", "rate_limit", "Too many requests"))
		return
	}
	if a, ok := s.allow(r, operation); !ok {
		write(w, a)
		return
	}
	a, again := s.once(r, operation, func() answer {
		if s.broken(operation) {
			return refusal(http.StatusInternalServerError, "api_error", "", "An unknown error occurred")
		}
		return s.do(operation, id, r.Form)
	})
	if f == Unheard {
		cut(w)
		return
	}
	if again {
		w.Header().Set("Idempotent-Replayed", "true")
	}
	write(w, a)
}

// route names the operation, with the id cut out.
func route(r *http.Request) (operation, id string) {
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	if len(parts) > 2 {
		id, parts[2] = parts[2], ":id"
	}
	return r.Method + " /" + strings.Join(parts, "/"), id
}

// allow checks the key, and the version that the caller speaks. A payer's
// browser has the publishable key and an intent's secret.
func (s *Server) allow(r *http.Request, operation string) (answer, bool) {
	key := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	browser := key == PublishableKey && operation == "POST /v1/payment_intents/:id/confirm"
	if key != SecretKey && !browser {
		return refusal(http.StatusUnauthorized, "invalid_request_error", "", "Invalid API Key provided"), false
	}
	if v := r.Header.Get("Stripe-Version"); !browser && v != version {
		return refusal(http.StatusBadRequest, "invalid_request_error", "", "Invalid Stripe API version: "+v), false
	}
	return answer{}, true
}

func (s *Server) do(operation, id string, form map[string][]string) answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch operation {
	case "POST /v1/payment_intents":
		return s.createIntent(form)
	case "GET /v1/payment_intents":
		return list(s.intents, form, s.viewIntent)
	case "GET /v1/payment_intents/:id":
		return s.withIntent(id, form, func(*intent) (answer, bool) { return answer{}, true })
	case "POST /v1/payment_intents/:id/confirm":
		return s.withIntent(id, form, func(pi *intent) (answer, bool) { return s.confirm(pi, form) })
	case "POST /v1/payment_intents/:id/capture":
		return s.withIntent(id, form, s.capture)
	case "POST /v1/payment_intents/:id/cancel":
		return s.withIntent(id, form, s.cancel)
	case "POST /v1/refunds":
		return s.createRefund(form)
	case "GET /v1/refunds":
		return list(s.refunds, form, viewRefund)
	case "GET /v1/refunds/:id":
		for _, r := range s.refunds {
			if r.id == id {
				return answer{http.StatusOK, viewRefund(r, nil)}
			}
		}
		return missing("refund", id)
	case "GET /v1/disputes":
		return list(s.disputes, form, viewDispute)
	}
	return refusal(http.StatusNotFound, "invalid_request_error", "", "Unrecognized request URL ("+operation+")")
}

func write(w http.ResponseWriter, a answer) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Request-Id", newID("req"))
	w.WriteHeader(a.status)
	_ = json.NewEncoder(w).Encode(a.body)
}

// cut ends the connection without an answer.
func cut(w http.ResponseWriter) {
	connection, _, err := http.NewResponseController(w).Hijack()
	if err == nil {
		_ = connection.Close()
	}
}

func newID(kind string) string { return kind + "_" + rand.Text()[:24] }
