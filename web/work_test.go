package web_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/admission"
)

type workChallenge struct {
	Algorithm, Challenge, Salt, Signature string
	MaxNumber                             int
}

// solve does what the browser does.
func (w workChallenge) solve(t *testing.T) map[string]any {
	t.Helper()
	for n := range w.MaxNumber + 1 {
		if fmt.Sprintf("%x", sha256.Sum256(fmt.Append(nil, w.Salt, n))) == w.Challenge {
			return map[string]any{"algorithm": w.Algorithm, "challenge": w.Challenge, "salt": w.Salt, "signature": w.Signature, "number": n}
		}
	}
	t.Fatalf("no number up to %d solves %+v", w.MaxNumber, w)
	return nil
}

func proof(solution map[string]any) string {
	raw, _ := json.Marshal(solution)
	return "Ropeline-Work: " + base64.StdEncoding.EncodeToString(raw)
}

// Where joining costs work, a solution lets one join pass, for its event, once;
// who holds a place needs none.
func TestJoiningMayCostWork(t *testing.T) {
	t.Parallel()
	h := openHouse(t)
	event := h.event(t, func(_ *ropeline.Event, r *admission.Rules) { r.Work = 500 })
	other := h.event(t, func(_ *ropeline.Event, r *admission.Rules) { r.Work = 500 })
	free := h.event(t, nil)
	path := func(e ropeline.Event) string { return "/events/" + string(e.ID) }
	challenge := func(e ropeline.Event) workChallenge {
		return decode[workChallenge](t, h.ask(t, "GET", path(e)+"/work", ""), http.StatusOK)
	}
	if w := challenge(free); w.MaxNumber != 0 || w.Challenge != "" {
		t.Errorf("work for nothing: %+v", w)
	}
	h.join(t, free.ID)

	good := challenge(event).solve(t)
	bent := func(field string, value any) map[string]any {
		copied := map[string]any{}
		for k, v := range challenge(event).solve(t) {
			copied[k] = v
		}
		copied[field] = value
		return copied
	}
	late := challenge(event).solve(t)
	late["salt"] = strings.Replace(late["salt"].(string), "expires=", "expires=9", 1)
	for name, header := range map[string]string{
		"nothing":            "Accept: */*",
		"noise":              "Ropeline-Work: !",
		"no JSON":            "Ropeline-Work: aGVsbG8=",
		"a huge one":         "Ropeline-Work: " + strings.Repeat("A", 5000),
		"another number":     proof(bent("number", good["number"].(int)+1000)),
		"a negative number":  proof(bent("number", -1)),
		"a false signature":  proof(bent("signature", "00")),
		"another event's":    proof(challenge(other).solve(t)),
		"a prolonged one":    proof(late),
		"a made-up hash":     proof(bent("challenge", strings.Repeat("0", 64))),
		"a salt of its own":  proof(bent("salt", "x?event="+string(event.ID)+"&expires=99999999999&")),
		"not even an object": "Ropeline-Work: W10=",
	} {
		if a := h.ask(t, "POST", path(event)+"/queue", "", header); a.status != http.StatusPreconditionRequired || a.code(t) != string(ropeline.CodeWorkNeeded) {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	status := decode[ropeline.Status](t, h.ask(t, "POST", path(event)+"/queue", "", proof(good)), http.StatusCreated)
	if a := h.ask(t, "POST", path(event)+"/queue", "", proof(good)); a.status != http.StatusPreconditionRequired {
		t.Errorf("the same solution twice: %d %s", a.status, a.body)
	}
	again := h.ask(t, "POST", path(event)+"/queue", "", "Authorization: Bearer "+status.FanToken, "Ropeline-Place: "+status.Place)
	if decode[ropeline.Status](t, again, http.StatusCreated).Number != status.Number {
		t.Errorf("who holds a place: %s", again.body)
	}
}
