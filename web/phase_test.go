package web_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/admission"
	"github.com/ropeline/ropeline/identity"
)

// An event's way by hand: the lobby is opened, the drop moved and started, the
// sale ended; fans follow, the rates move, the logs tell of each.
func TestPhasesByHand(t *testing.T) {
	t.Parallel()
	h := openHouse(t)
	session := h.signIn(t)
	h.run(h.line.RunDraws)
	event := h.event(t, func(e *ropeline.Event, _ *admission.Rules) {
		lobby := time.Now().Add(time.Hour)
		e.LobbyAt, e.DropAt, e.ClosesAt = &lobby, time.Now().Add(2*time.Hour), time.Now().Add(9*time.Hour)
	})
	path, desk := "/events/"+string(event.ID), "/admin/events/"+string(event.ID)
	ramp := h.ask(t, "PUT", desk+"/rules", `{"schedule":[{"after_drop_seconds":300,"rate_per_minute":900},{"from":"2030-01-01T00:00:00Z","rate_per_minute":5}]}`, session)
	if ramp.status != http.StatusOK {
		t.Fatal(ramp.body)
	}
	step := func(body string, want int) answer {
		t.Helper()
		got := h.ask(t, "POST", desk+"/phase", body, session)
		if got.status != want {
			t.Fatalf("%s: %d %s", body, got.status, got.body)
		}
		return got
	}
	if got := h.ask(t, "POST", path+"/queue", ""); got.code(t) != string(ropeline.CodeNotOpen) {
		t.Fatalf("before the lobby: %s", got.body)
	}
	if got := step(`{"step":"drop"}`, http.StatusConflict); got.code(t) != "phase_conflict" {
		t.Error(got.body)
	}
	step(`{"step":"lobby"}`, http.StatusOK)
	fan := h.join(t, event.ID)
	if fan.status.Standing != ropeline.StandingLobby || fan.status.DropAt == nil || !fan.status.DropAt.Equal(event.DropAt.Truncate(time.Microsecond)) {
		t.Fatalf("%+v", fan.status)
	}
	later := event.DropAt.Add(30 * time.Minute).Truncate(time.Microsecond)
	step(`{"step":"move","drop_at":"`+later.Format(time.RFC3339Nano)+`"}`, http.StatusOK)
	eventually(t, "the fan hears of another drop", func() bool {
		status := decode[ropeline.Status](t, fan.ask(t, "GET", path+"/queue", ""), http.StatusOK)
		return status.DropAt != nil && status.DropAt.Equal(later)
	})
	rules, err := h.admission.Rules(t.Context(), event.ID)
	if err != nil || rules.Version != 3 || !rules.Schedule[0].From.Equal(later.Add(300*time.Second)) || rules.Schedule[1].From.Year() != 2030 {
		t.Errorf("the schedule: %+v %v", rules, err)
	}
	step(`{"step":"drop"}`, http.StatusOK)
	eventually(t, "the draw", func() bool {
		status := decode[ropeline.Status](t, fan.ask(t, "GET", path+"/queue", ""), http.StatusOK)
		return status.Standing == ropeline.StandingWaiting && status.Number == 0
	})
	step(`{"step":"close"}`, http.StatusOK)
	eventually(t, "the end of the sale", func() bool {
		return decode[struct{ Phase ropeline.Phase }](t, h.ask(t, "GET", path, ""), http.StatusOK).Phase == ropeline.PhaseClosed
	})
	for _, body := range []string{`{"step":"drop"}`, `{"step":"lobby"}`, `{"step":"close"}`} {
		step(body, http.StatusConflict)
	}
	step(`{"step":"sing"}`, http.StatusConflict)
	if got := h.ask(t, "POST", desk+"/phase", `{"step":"close"}`); got.status != http.StatusUnauthorized {
		t.Errorf("without a sign-in: %d", got.status)
	}

	log := h.ask(t, "GET", path+"/pace", "").body
	if n := strings.Count(log, `"kind":"schedule"`); n != 4 {
		t.Errorf("%d changes of the schedule in the log:\n%s", n, log)
	}
	entries, err := h.accounts.Audit(t.Context(), identityFilter(event.ID), 10)
	if err != nil || len(entries) != 5 {
		t.Fatalf("%+v %v", entries, err)
	}
	for i, action := range []string{"event.phase.close", "event.phase.drop", "event.phase.move", "event.phase.lobby", "event.steer PUT"} {
		e := entries[i]
		if e.Action != action || e.Actor != "owner@ropeline.local" || string(e.Before) == string(e.After) || len(e.Before) == 0 || e.Address == "" {
			t.Errorf("entry %d: %+v", i, e)
		}
	}
}

func identityFilter(event ropeline.EventID) identity.AuditFilter {
	return identity.AuditFilter{Object: "event/" + string(event)}
}
