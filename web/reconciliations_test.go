package web_test

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/checkout"
)

func TestReconciliationsByTheAPI(t *testing.T) {
	t.Parallel()
	h := openHouse(t)
	session := h.organizer(t)
	if got := h.ask(t, "GET", "/admin/reconciliations", ""); got.status != http.StatusUnauthorized {
		t.Errorf("%d", got.status)
	}
	reports, err := h.checkout.Reconcile(t.Context(), checkout.ScopeAll, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	list := decode[struct {
		Reconciliations []struct {
			ID   int64
			Kind string
		}
	}](t, h.ask(t, "GET", "/admin/reconciliations", "", session), http.StatusOK)
	if len(list.Reconciliations) != 1 || list.Reconciliations[0].ID != reports[0].ID || list.Reconciliations[0].Kind != "all" {
		t.Errorf("%+v", list)
	}
	one := decode[struct {
		Healed int
		Seen   int
	}](t, h.ask(t, "GET", "/admin/reconciliations/"+strconv.FormatInt(reports[0].ID, 10), "", session), http.StatusOK)
	if one.Healed != 0 {
		t.Errorf("%+v", one)
	}
	for path, words := range map[string]string{"/admin/reconciliations": "the books agree", "/admin/reconciliations/" + strconv.FormatInt(reports[0].ID, 10): "This run found no difference."} {
		if got := h.ask(t, "GET", path, "", session, browser); got.status != http.StatusOK || !strings.Contains(got.body, words) {
			t.Errorf("%s: %d does not say %q", path, got.status, words)
		}
	}
	for path, code := range map[string]ropeline.Code{
		"/admin/reconciliations/99999": ropeline.CodeNotFound, "/admin/reconciliations/x": ropeline.CodeNotFound, "/admin/reconciliations?before=x": ropeline.CodeInvalidRequest,
	} {
		if got := h.ask(t, "GET", path, "", session); got.code(t) != string(code) {
			t.Errorf("%s: %d %s", path, got.status, got.body)
		}
	}
}

// Lists go on before any number, also one beyond 32 bits.
func TestListsBeforeLargeNumbers(t *testing.T) {
	t.Parallel()
	h := openHouse(t)
	session := h.organizer(t)
	event := h.event(t, free)
	for _, list := range []string{"/admin/reconciliations", "/admin/audit", "/admin/events/" + string(event.ID) + "/checkins"} {
		if got := h.ask(t, "GET", list+"?before=9223372036854775807", "", session); got.status != http.StatusOK {
			t.Errorf("%s: %d %s", list, got.status, got.body)
		}
	}
}
