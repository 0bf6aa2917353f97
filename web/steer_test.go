package web_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/admission"
)

// An organizer changes, foresees, stops, and lets somebody in.
func TestSteering(t *testing.T) {
	t.Parallel()
	h := openHouse(t)
	event := h.event(t, nil)
	session := h.signIn(t)
	path := "/admin/events/" + string(event.ID)
	waiting := []*fan{h.join(t, event.ID), h.join(t, event.ID), h.join(t, event.ID)}

	type rules struct {
		Version           int64
		RatePerMinute     int `json:"rate_per_minute"`
		Paused            bool
		CompensatePercent int `json:"compensate_percent"`
		Schedule          []admission.Step
	}
	set := decode[rules](t, h.ask(t, "PUT", path+"/rules",
		`{"compensate_percent":25,"schedule":[{"after_drop_seconds":60,"rate_per_minute":90},{"after_drop_seconds":120,"rate_per_minute":120}]}`, session), http.StatusOK)
	if len(set.Schedule) != 2 || set.Schedule[1].From.Sub(event.DropAt.Add(2*time.Minute)).Abs() > time.Millisecond || set.Schedule[0].RatePerMinute != 90 || set.CompensatePercent != 25 {
		t.Errorf("the schedule in force: %+v", set)
	}
	if kept := decode[rules](t, h.ask(t, "PUT", path+"/rules", `{"rate_per_minute":300}`, session), http.StatusOK); len(kept.Schedule) != 2 || kept.RatePerMinute != 300 {
		t.Errorf("what is left out is not kept: %+v", kept)
	}
	if a := h.ask(t, "PUT", path+"/rules", `{"schedule":[{"rate_per_minute":90}]}`, session); a.code(t) != string(ropeline.CodeInvalidRules) {
		t.Errorf("a step without a moment: %s", a.body)
	}

	type preview struct {
		Words         string
		Fans, Tickets int64
	}
	now := decode[preview](t, h.ask(t, "POST", path+"/rules/preview", `{"schedule":[],"tickets_per_buyer":1}`, session), http.StatusOK)
	if now.Tickets != 10 || now.Words == "" {
		t.Errorf("as it stands: %+v", now)
	}
	then := decode[preview](t, h.ask(t, "POST", path+"/rules/preview", `{"fans":40000,"tickets":5000,"paused":true}`, session), http.StatusOK)
	if then.Words != "Paused: nobody is let in, whatever the rate." || then.Fans != 40000 {
		t.Errorf("as supposed: %+v", then)
	}
	for _, bad := range []string{`{"fans":-1}`, `{"buy_share":1.1}`, `{"tickets":99999999}`} {
		if a := h.ask(t, "POST", path+"/rules/preview", bad, session); a.status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", bad, a.status, a.body)
		}
	}

	if a := h.ask(t, "POST", path+"/bypass", `{"numbers":[2]}`, session); a.status != http.StatusAccepted {
		t.Fatalf("bypass: %d %s", a.status, a.body)
	}
	if a := h.ask(t, "POST", path+"/bypass", `{"numbers":[77]}`, session); a.code(t) != string(ropeline.CodeNotInLine) {
		t.Errorf("bypass for nobody: %s", a.body)
	}
	stopped := decode[rules](t, h.ask(t, "POST", path+"/stop", "", session), http.StatusOK)
	if !stopped.Paused || stopped.Version != 4 || len(stopped.Schedule) != 2 {
		t.Errorf("stopped: %+v", stopped)
	}
	if ticked, err := h.admission.Tick(t.Context(), event.ID); err != nil || len(ticked.Admitted) > 0 {
		t.Errorf("a tick after the stop: %+v, %v", ticked, err)
	}
	decode[rules](t, h.ask(t, "PUT", path+"/rules", `{"paused":false,"schedule":[]}`, session), http.StatusOK)
	ticked, err := h.admission.Tick(t.Context(), event.ID)
	if err != nil || len(ticked.Admitted) == 0 || ticked.Admitted[0].Number != waiting[2].status.Number {
		t.Errorf("the one named is not the first: %+v, %v", ticked, err)
	}
	for _, address := range []string{"/stop", "/bypass", "/rules/preview"} {
		if a := h.ask(t, "POST", path+address, "{}"); a.status != http.StatusUnauthorized {
			t.Errorf("%s without signing in: %d", address, a.status)
		}
	}
}
