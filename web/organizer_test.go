package web_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// signIn returns the organizer's cookie header.
func (h *house) signIn(t *testing.T) string {
	t.Helper()
	password, err := h.accounts.ResetOwner(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got := h.ask(t, "POST", "/admin/login", "email=owner%40ropeline.local&password="+password,
		"Content-Type: application/x-www-form-urlencoded", "Accept: text/html")
	cookie := got.header.Get("Set-Cookie")
	if got.status != http.StatusSeeOther || got.header.Get("Location") != "/admin" || !strings.Contains(cookie, "HttpOnly") || !strings.Contains(cookie, "SameSite=Lax") {
		t.Fatalf("sign-in: %d %v", got.status, got.header)
	}
	return "Cookie: " + strings.Split(cookie, ";")[0]
}

func TestOrganizerCreatesEventOnce(t *testing.T) {
	t.Parallel()
	h := openHouse(t)
	session := h.signIn(t)
	body := func(name string) string {
		return fmt.Sprintf(`{"name":%q,"venue":{"name":"Hall","time_zone":"Europe/Vienna"},"starts_at":%q,"drop_at":%q,"closes_at":%q,
			"ticket_types":[{"name":"Standing","price":{"minor":4500,"currency":"eur"},"capacity":7}],"rules":{"rate_per_minute":12}}`,
			name, time.Now().Add(9*time.Hour).Format(time.RFC3339), time.Now().Add(time.Hour).Format(time.RFC3339), time.Now().Add(2*time.Hour).Format(time.RFC3339))
	}
	once := body("Once")
	type created struct {
		ID          string `json:"id"`
		Phase       string `json:"phase"`
		TicketTypes []struct {
			Available int
			Price     struct{ Currency string }
		} `json:"ticket_types"`
	}
	first := decode[created](t, h.ask(t, "POST", "/admin/events", once, session, "Idempotency-Key: k"), http.StatusCreated)
	again := decode[created](t, h.ask(t, "POST", "/admin/events", once, session, "Idempotency-Key: k"), http.StatusCreated)
	if first.ID != again.ID || first.Phase != "announced" || first.TicketTypes[0].Available != 7 || first.TicketTypes[0].Price.Currency != "EUR" {
		t.Errorf("first %+v, again %+v", first, again)
	}
	if got := h.ask(t, "POST", "/admin/events", body("Other"), session, "Idempotency-Key: k"); got.status != http.StatusUnprocessableEntity || got.code(t) != "idempotency_key_reused" {
		t.Errorf("the key with another body: %d %s", got.status, got.body)
	}
	list := decode[struct{ Events []created }](t, h.ask(t, "GET", "/events", ""), http.StatusOK)
	if len(list.Events) != 1 || list.Events[0].ID != first.ID {
		t.Errorf("the list: %+v", list)
	}

	path := "/admin/events/" + first.ID
	type rules struct {
		Version       int64 `json:"version"`
		RatePerMinute int   `json:"rate_per_minute"`
		Paused        bool
	}
	changed := decode[rules](t, h.ask(t, "PUT", path+"/rules", `{"version":1,"rate_per_minute":99,"paused":true}`, session), http.StatusOK)
	if changed != (rules{2, 99, true}) {
		t.Errorf("changed rules: %+v", changed)
	}
	history := decode[struct{ History []rules }](t, h.ask(t, "GET", path+"/rules", "", session), http.StatusOK)
	if len(history.History) != 2 || history.History[0].RatePerMinute != 99 {
		t.Errorf("history: %+v", history)
	}
	live := decode[struct {
		Stock []struct{ Capacity int }
		Rules rules
	}](t, h.ask(t, "GET", path+"/live", "", session), http.StatusOK)
	if live.Rules != changed || len(live.Stock) != 1 || live.Stock[0].Capacity != 7 {
		t.Errorf("live: %+v", live)
	}

	if got := h.ask(t, "POST", "/admin/logout", "", session); got.status != http.StatusNoContent {
		t.Errorf("sign-out: %d", got.status)
	}
	if got := h.ask(t, "GET", path+"/live", "", session); got.status != http.StatusUnauthorized {
		t.Errorf("after signing out: %d", got.status)
	}
}

func TestSignInIsLimited(t *testing.T) {
	t.Parallel()
	h := openHouse(t)
	for i := range 12 {
		got := h.ask(t, "POST", "/admin/login", `{"email":"a@b.example","password":"guess"}`)
		want := http.StatusUnauthorized
		if i >= 10 {
			want = http.StatusTooManyRequests
		}
		if got.status != want {
			t.Fatalf("attempt %d: %d, want %d", i+1, got.status, want)
		}
		if want == http.StatusTooManyRequests && (got.code(t) != "rate_limited" || got.header.Get("Retry-After") == "") {
			t.Errorf("attempt %d: %s %v", i+1, got.body, got.header)
		}
	}
}

// A browser is shown pages, an API client JSON; both know the same addresses.
func TestPagesAndJSON(t *testing.T) {
	t.Parallel()
	h := openHouse(t)
	event := h.event(t, nil)
	path := "/events/" + string(event.ID)
	const browser = "Accept: text/html,application/xhtml+xml,*/*;q=0.8"
	for _, address := range []string{"/", "/events", path, path + "/line", "/admin/login"} {
		got := h.ask(t, "GET", address, "", browser)
		if got.status != http.StatusOK || !strings.HasPrefix(got.header.Get("Content-Type"), "text/html") || got.header.Get("Content-Security-Policy") == "" {
			t.Errorf("%s: %d %v", address, got.status, got.header)
		}
	}
	if got := h.ask(t, "GET", path+"x", "", browser); got.status != http.StatusNotFound || !strings.Contains(got.body, "<h1") {
		t.Errorf("a wrong address in a browser: %d", got.status)
	}
	if got := h.ask(t, "GET", path+"/shop", "", browser); got.status != http.StatusSeeOther || got.header.Get("Location") != path+"/line" {
		t.Errorf("the shop without a pass: %d %s", got.status, got.header.Get("Location"))
	}
	if got := h.ask(t, "GET", "/admin", "", browser); got.status != http.StatusSeeOther || got.header.Get("Location") != "/admin/login" {
		t.Errorf("the desk without a sign-in: %d", got.status)
	}
	// Without JavaScript: a form joins, the page shows the place by its cookies.
	joined := h.ask(t, "POST", path+"/line", "", browser, "Content-Type: application/x-www-form-urlencoded")
	if joined.status != http.StatusSeeOther {
		t.Fatalf("join by a form: %d %s", joined.status, joined.body)
	}
	var cookies []string
	for _, cookie := range joined.header.Values("Set-Cookie") {
		cookies = append(cookies, strings.Split(cookie, ";")[0])
	}
	if line := h.ask(t, "GET", path+"/line", "", browser, "Cookie: "+strings.Join(cookies, "; ")); !strings.Contains(line.body, "You are next") {
		t.Errorf("the waiting page does not show the place:\n%s", line.body)
	}
	if got := h.ask(t, "HEAD", path, ""); got.status != http.StatusOK || got.body != "" {
		t.Errorf("HEAD: %d %q", got.status, got.body)
	}
	if got := h.ask(t, "GET", "/readyz", ""); got.status != http.StatusOK {
		t.Errorf("readyz: %d", got.status)
	}
	if got := h.ask(t, "GET", "/metrics", ""); !strings.Contains(got.body, "ropeline_http_request_seconds") {
		t.Error("no metrics")
	}
}
