package web_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/ropeline/ropeline"
)

// organizer signs the owner in and returns the header of the session.
func (h *house) organizer(t *testing.T) string {
	t.Helper()
	owner, err := h.accounts.EnsureOwner(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	signIn := h.ask(t, "POST", "/admin/login", `{"email":"owner@ropeline.local","password":"`+owner+`"}`, "Content-Type: application/json")
	return "Cookie: " + strings.Split(signIn.header.Get("Set-Cookie"), ";")[0]
}

// An organizer finds an order, and cancels the event; the line and the fans hear.
func TestOrganizerCancelsAnEvent(t *testing.T) {
	t.Parallel()
	h := openHouse(t)
	event := h.event(t, nil)
	path := "/events/" + string(event.ID)
	buyer, waiting := h.join(t, event.ID).enter(t), h.join(t, event.ID)
	held := decode[struct{ ID string }](t, buyer.ask(t, "POST", path+"/reserve-tickets",
		`{"items":[{"ticket_type":"`+string(event.TicketTypes[0].ID)+`","quantity":1}]}`, "Prefer: wait=5"), http.StatusCreated)
	order := decode[struct{ ID string }](t, buyer.ask(t, "POST", "/orders", `{"reservation":"`+held.ID+`","email":"ann@example.com"}`), http.StatusCreated)
	session := h.organizer(t)
	type list struct {
		Orders []struct{ ID, State, Email string }
		Next   string
	}
	for _, query := range []string{"?event=" + string(event.ID), "?q=Ann@", "?q=" + order.ID} {
		if found := decode[list](t, h.ask(t, "GET", "/admin/orders"+query, "", session), http.StatusOK); len(found.Orders) != 1 || found.Orders[0].ID != order.ID {
			t.Errorf("%s: %+v", query, found)
		}
	}
	file := decode[struct {
		State    string
		Payments []struct{ State string }
		Events   []struct{ Kind string }
	}](t, h.ask(t, "GET", "/admin/orders/"+order.ID, "", session), http.StatusOK)
	if file.State != "pending" || len(file.Payments) != 1 || len(file.Events) == 0 {
		t.Errorf("%+v", file)
	}
	if got := h.ask(t, "POST", "/admin/orders/"+order.ID+"/refunds", `{"reason":"x"}`, session); got.status != http.StatusConflict || got.code(t) != string(ropeline.CodeNotRefundable) {
		t.Errorf("%d %s", got.status, got.body)
	}
	conn := waiting.dial(t)
	frame(t, conn, "waiting", func(s ropeline.Status) bool { return s.Standing == ropeline.StandingWaiting })
	for range 2 { // the same request again is answered the same
		if got := h.ask(t, "POST", "/admin"+path+"/cancel", `{"reason":"The singer is ill."}`, session, "Idempotency-Key: k"); got.status != http.StatusAccepted {
			t.Fatalf("%d %s", got.status, got.body)
		}
	}
	frame(t, conn, "the sale is closed", func(s ropeline.Status) bool { return s.Phase == ropeline.PhaseClosed })
	eventually(t, "the hold is gone, the order canceled", func() bool {
		seen := decode[struct{ State, Message string }](t, buyer.ask(t, "GET", "/orders/"+order.ID, ""), http.StatusOK)
		return seen.State == "canceled" && seen.Message == "The singer is ill."
	})
	eventually(t, "nobody joins any more", func() bool { return h.ask(t, "POST", path+"/queue", "").status == http.StatusConflict })
	progress := decode[struct {
		Holds int
		By    string
	}](t, h.ask(t, "GET", "/admin"+path+"/cancel", "", session), http.StatusOK)
	if progress.Holds != 0 || progress.By != "owner@ropeline.local" {
		t.Errorf("%+v", progress)
	}
	if page := buyer.ask(t, "GET", "/orders/"+order.ID, "", "Accept: text/html"); page.status != http.StatusOK || !strings.Contains(page.body, "The singer is ill.") {
		t.Errorf("%d", page.status)
	}
}
