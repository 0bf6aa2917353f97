package web_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ropeline/ropeline"
)

// A shopper's frames follow the stock, and so does the event, whose answer has
// a tag for who has it already.
func TestStockIsLive(t *testing.T) {
	t.Parallel()
	h := openHouse(t)
	event := h.event(t, nil)
	path := "/events/" + string(event.ID)
	shopper := h.join(t, event.ID).enter(t)
	conn := shopper.dial(t)
	first := frame(t, conn, "what is left", func(s ropeline.Status) bool { return len(s.Stock) == len(event.TicketTypes) })
	had := first.Stock[0].Available
	before := h.ask(t, "GET", path, "")
	tag := before.header.Get("ETag")
	if tag == "" || !strings.Contains(before.header.Get("Cache-Control"), "max-age=1") {
		t.Fatalf("%v", before.header)
	}
	if again := h.ask(t, "GET", path, "", "If-None-Match: \"x\", W/"+tag); again.status != http.StatusNotModified || again.body != "" || again.header.Get("ETag") != tag {
		t.Errorf("%d %q", again.status, again.body)
	}
	if other := h.ask(t, "GET", path, "", `If-None-Match: "x"`); other.status != http.StatusOK {
		t.Errorf("%d", other.status)
	}
	buyer := h.join(t, event.ID).enter(t)
	held := buyer.ask(t, "POST", path+"/reserve-tickets", `{"items":[{"ticket_type":"`+string(event.TicketTypes[0].ID)+`","quantity":1}]}`, "Prefer: wait=5")
	if held.status != http.StatusCreated {
		t.Fatalf("%d %s", held.status, held.body)
	}
	begin := time.Now()
	frame(t, conn, "one less is left", func(s ropeline.Status) bool { return len(s.Stock) > 0 && s.Stock[0].Available == had-1 })
	t.Logf("told after %s", time.Since(begin).Round(time.Millisecond))
	eventually(t, "the event says so", func() bool {
		return h.ask(t, "GET", path, "", "If-None-Match: "+tag).status == http.StatusOK
	})
}

func TestChangeAndCapacityByTheAPI(t *testing.T) {
	t.Parallel()
	h := openHouse(t)
	event := h.event(t, nil)
	seat := string(event.TicketTypes[0].ID)
	buyer := h.join(t, event.ID).enter(t)
	items := func(n string) string { return `{"items":[{"ticket_type":"` + seat + `","quantity":` + n + `}]}` }
	held := decode[struct{ ID string }](t, buyer.ask(t, "POST", "/events/"+string(event.ID)+"/reserve-tickets", items("1"), "Prefer: wait=5"), http.StatusCreated)
	changed := decode[struct {
		State string
		Items []struct{ Quantity int }
	}](t, buyer.ask(t, "PUT", "/reservations/"+held.ID, items("2"), "Idempotency-Key: k"), http.StatusOK)
	if changed.State != "held" || changed.Items[0].Quantity != 2 {
		t.Errorf("%+v", changed)
	}
	if got := buyer.ask(t, "PUT", "/reservations/"+held.ID, items("1000")); got.status != http.StatusConflict || got.code(t) != string(ropeline.CodeLimitExceeded) {
		t.Errorf("%d %s", got.status, got.body)
	}
	owner, err := h.accounts.EnsureOwner(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	signIn := h.ask(t, "POST", "/admin/login", `{"email":"owner@ropeline.local","password":"`+owner+`"}`, "Content-Type: application/json")
	session := "Cookie: " + strings.Split(signIn.header.Get("Set-Cookie"), ";")[0]
	path := "/admin/events/" + string(event.ID)
	now := decode[struct{ Capacity, Held int }](t, h.ask(t, "PUT", path+"/types/"+seat, `{"capacity":5000}`, session), http.StatusOK)
	if now.Capacity != 5000 || now.Held != 2 {
		t.Errorf("%+v", now)
	}
	if got := h.ask(t, "PUT", path+"/types/"+seat, `{"capacity":1}`, session); got.status != http.StatusConflict || got.code(t) != string(ropeline.CodeCapacityTooLow) {
		t.Errorf("%d %s", got.status, got.body)
	}
	seen := decode[struct {
		History []struct {
			By, Reason string
			Wanted     int
		}
	}](t, h.ask(t, "GET", path+"/capacity", "", session), http.StatusOK)
	if len(seen.History) != 2 || seen.History[0].Reason != "capacity_too_low" || seen.History[1].Wanted != 5000 || seen.History[1].By != "owner@ropeline.local" {
		t.Errorf("%+v", seen)
	}
}
