package stripefake

import (
	"net/http"
	"slices"
	"strings"
)

// Fault is how a call goes wrong.
type Fault string

// The faults.
const (
	Unreached Fault = "unreached" // it never arrives
	Unheard   Fault = "unheard"   // it has its effect, the answer is lost
	Hangs     Fault = "hangs"     // nothing comes back until the caller gives up
	Busy      Fault = "busy"      // 429: it is not looked at
	Broken    Fault = "broken"    // 500: without an effect, and kept with the key
)

type fault struct {
	operation string
	fault     Fault
	times     int
}

// Fail makes the next calls of an operation go wrong.
func (s *Server) Fail(operation string, f Fault, times int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, &fault{operation, f, times})
}

// broken tells whether an operation that is about to be done fails; one that is
// only told again does not come here.
func (s *Server) broken(operation string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.faultOf(operation, func(f Fault) bool { return f == Broken }) != ""
}

// faultOf is called with the lock.
func (s *Server) faultOf(operation string, of func(Fault) bool) Fault {
	for i, f := range s.faults {
		if f.operation == operation && of(f.fault) {
			if f.times--; f.times == 0 {
				s.faults = slices.Delete(s.faults, i, i+1)
			}
			return f.fault
		}
	}
	return ""
}

// kept is an idempotency key with its answer.
type kept struct {
	request string
	done    bool
	answer  answer
}

// once does what a key asks for once; again tells that it was done before.
// Without a key it is done each time.
func (s *Server) once(r *http.Request, operation string, do func() answer) (a answer, again bool) {
	key := r.Header.Get("Idempotency-Key")
	if key == "" || r.Method != http.MethodPost {
		return do(), false
	}
	request := operation + " " + r.URL.Path + " " + r.Form.Encode()
	s.mu.Lock()
	k, known := s.keys[key]
	switch {
	case known && k.request != request:
		s.mu.Unlock()
		return refusal(http.StatusBadRequest, "idempotency_error", "",
			"Keys for idempotent requests can only be used with the same parameters they were first used with."), false
	case known && !k.done:
		s.mu.Unlock()
		return refusal(http.StatusConflict, "idempotency_error", "idempotency_key_in_use", "There is currently another in-progress request using this key."), false
	case known:
		s.mu.Unlock()
		return k.answer, true
	}
	k = &kept{request: request}
	s.keys[key] = k
	s.mu.Unlock()
	a = do()
	s.mu.Lock()
	defer s.mu.Unlock()
	k.done, k.answer = true, a
	// What did not get as far as being carried out is not kept.
	if e, refused := a.body["error"].(object); refused && a.status == http.StatusBadRequest && strings.HasPrefix(e["message"].(string), "Missing") {
		delete(s.keys, key)
	}
	return a, false
}

// Forget loses every idempotency key, as Stripe does after a day or more.
func (s *Server) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.keys)
}
