package web_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/admission"
)

// The pages of the public log, one after the other, are a log that holds.
func TestThePaceLogIsPublished(t *testing.T) {
	t.Parallel()
	h := openHouse(t)
	event := h.event(t, func(_ *ropeline.Event, r *admission.Rules) { r.Batch = 1 })
	for range 4 {
		h.join(t, event.ID)
	}
	for range 4 {
		if _, err := h.admission.Tick(t.Context(), event.ID); err != nil {
			t.Fatal(err)
		}
	}
	var log strings.Builder
	pages := 0
	for next := "/events/" + string(event.ID) + "/pace?limit=2"; next != ""; pages++ {
		a := h.ask(t, "GET", next, "")
		if a.status != http.StatusOK || a.header.Get("Content-Type") != "application/x-ndjson" {
			t.Fatalf("%s: %d %s", next, a.status, a.body)
		}
		log.WriteString(a.body)
		next, _, _ = strings.Cut(strings.TrimPrefix(a.header.Get("Link"), "<"), ">")
	}
	report, err := admission.VerifyPace(strings.NewReader(log.String()), nil)
	if err != nil || report.Admitted != 4 || report.Head.Event != event.ID || pages != 3 {
		t.Errorf("%d pages, %+v, %v\n%s", pages, report, err, log.String())
	}
	for _, query := range []string{"after=-1", "after=x", "limit=5001", "limit=1e3"} {
		if a := h.ask(t, "GET", "/events/"+string(event.ID)+"/pace?"+query, ""); a.status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", query, a.status, a.body)
		}
	}
}
