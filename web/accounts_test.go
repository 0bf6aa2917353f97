package web_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/admission"
	"github.com/ropeline/ropeline/internal/engines"
	"github.com/ropeline/ropeline/web"
)

const goodPassword = "four ropes and a door"

// account makes the account of an address and returns the session's token.
func (h *house) account(t *testing.T, email string) string {
	t.Helper()
	if err := h.accounts.SendLink(t.Context(), email); err != nil {
		t.Fatal(err)
	}
	url := (<-h.mails).data["url"]
	token, _, _, err := h.accounts.SetPassword(t.Context(), url[strings.LastIndexByte(url, '/')+1:], goodPassword, "")
	if err != nil {
		t.Fatal(err)
	}
	return token
}

const browserForm = "Content-Type: application/x-www-form-urlencoded"

func cookieOf(a answer) string { return "Cookie: " + strings.Split(a.header.Get("Set-Cookie"), ";")[0] }

// A fan's way with forms only: register, choose a password, look at the
// account, log out, log in somewhere else, log out everywhere.
func TestAccountByForms(t *testing.T) {
	t.Parallel()
	h := openHouse(t)
	const html = "Accept: text/html"
	if got := h.ask(t, "POST", "/register", "email=fan%40example.org", browserForm, html); got.status != http.StatusOK || !strings.Contains(got.body, "Look into your mail") {
		t.Fatalf("%d %s", got.status, got.body)
	}
	mail := <-h.mails
	path := strings.TrimPrefix(mail.data["url"], "http://127.0.0.1")
	if got := h.ask(t, "GET", path, "", html); got.status != http.StatusOK || !strings.Contains(got.body, "fan@example.org") || got.header.Get("Referrer-Policy") != "no-referrer" {
		t.Fatalf("%d %v %s", got.status, got.header, got.body)
	}
	if got := h.ask(t, "POST", path, "password=short", browserForm, html); got.status != http.StatusUnprocessableEntity || !strings.Contains(got.body, "10 characters") {
		t.Fatalf("%d %s", got.status, got.body)
	}
	in := h.ask(t, "POST", path, "password="+strings.ReplaceAll(goodPassword, " ", "+"), browserForm, html)
	if in.status != http.StatusSeeOther || in.header.Get("Location") != "/account" {
		t.Fatalf("%d %s", in.status, in.body)
	}
	if set := in.header.Get("Set-Cookie"); !strings.Contains(set, "HttpOnly") || !strings.Contains(set, "SameSite=Lax") || !strings.Contains(set, "Path=/;") {
		t.Errorf("cookie %q", set)
	}
	session := cookieOf(in)
	if got := h.ask(t, "GET", "/account", "", html, session); got.status != http.StatusOK || !strings.Contains(got.body, "this one") {
		t.Errorf("%d %s", got.status, got.body)
	}
	if got := h.ask(t, "POST", "/admin/events", "{}", session); got.status != http.StatusForbidden {
		t.Errorf("a fan at the desk: %d", got.status)
	}
	if got := h.ask(t, "GET", path, "", html); got.status != http.StatusOK { // a look uses nothing up
		t.Errorf("%d", got.status)
	}
	if got := h.ask(t, "POST", path, "password="+strings.ReplaceAll(goodPassword, " ", "+"), browserForm, html); got.status != http.StatusForbidden {
		t.Errorf("the link a second time: %d", got.status)
	}

	again := h.ask(t, "POST", "/login", "email=fan%40example.org&next=%2Fevents%2Fx&password="+strings.ReplaceAll(goodPassword, " ", "+"), browserForm, html, session)
	if again.status != http.StatusSeeOther || again.header.Get("Location") != "/events/x" {
		t.Fatalf("%d %s", again.status, again.body)
	}
	if got := h.ask(t, "GET", "/account", "", html, session); got.status != http.StatusSeeOther {
		t.Errorf("the session from before the log-in lives on: %d", got.status)
	}
	for _, evil := range []string{"//evil.example", "https:%2F%2Fevil.example", "%2F%5Cevil.example"} {
		got := h.ask(t, "POST", "/login", "email=fan%40example.org&next="+evil+"&password="+strings.ReplaceAll(goodPassword, " ", "+"), browserForm, html)
		if got.header.Get("Location") != "/account" {
			t.Errorf("%s leads to %s", evil, got.header.Get("Location"))
		}
	}
	if got := h.ask(t, "POST", "/logout", "everywhere=yes", browserForm, html, cookieOf(again)); got.status != http.StatusSeeOther {
		t.Errorf("%d", got.status)
	}
	if got := h.ask(t, "GET", "/account", "", html, cookieOf(again)); got.status != http.StatusSeeOther {
		t.Errorf("after logging out everywhere: %d", got.status)
	}
}

// The answers for an address with an account and for one without are the same
// to the byte.
func TestAnswersDoNotTellWhoHasAnAccount(t *testing.T) {
	t.Parallel()
	h := openHouse(t)
	h.account(t, "known@example.org")
	for _, c := range []struct{ path, known, unknown string }{
		{"/accounts", `{"email":"known@example.org"}`, `{"email":"other@example.org"}`},
		{"/accounts/reset", `{"email":"known@example.org"}`, `{"email":"other@example.org"}`},
		{"/sessions", `{"email":"known@example.org","password":"wrong password"}`, `{"email":"other@example.org","password":"wrong password"}`},
		{"/sessions", `{"email":"known@example.org","password":""}`, `{"email":"other@example.org","password":""}`},
	} {
		a, b := h.ask(t, "POST", c.path, c.known), h.ask(t, "POST", c.path, c.unknown)
		if a.status != b.status || a.body != b.body {
			t.Errorf("%s: %d %s and %d %s", c.path, a.status, a.body, b.status, b.body)
		}
	}
}

func TestLinksAreLimited(t *testing.T) {
	t.Parallel()
	pair, redis := engines.Test(t), engines.TestRedis(t)
	pair.RedisURL = redis.URL()
	h := openHouseOn(t, pair)
	for i := range 5 {
		got := h.ask(t, "POST", "/accounts", `{"email":"fan@example.org"}`)
		if want := map[bool]int{true: http.StatusAccepted, false: http.StatusTooManyRequests}[i < 4]; got.status != want {
			t.Errorf("link %d: %d", i+1, got.status)
		}
	}
	redis.Kill()
	if got := h.ask(t, "POST", "/accounts", `{"email":"another@example.org"}`); got.status != http.StatusServiceUnavailable {
		t.Errorf("without a count: %d %s", got.status, got.body)
	}
	if got := h.ask(t, "POST", "/sessions", `{"email":"another@example.org","password":"x"}`); got.status != http.StatusServiceUnavailable {
		t.Errorf("without a count: %d %s", got.status, got.body)
	}
}

// What was bought without an account belongs to the account of the verified
// address, and what is bought logged in belongs to it at once.
func TestOrdersAreAdopted(t *testing.T) {
	t.Parallel()
	h := openHouse(t)
	event := h.event(t, nil)
	buyer := h.join(t, event.ID).enter(t)
	order := buyer.buy(t, event, "Fan@Example.org")
	session := "Authorization: Bearer " + h.account(t, "fan@example.org")
	if got := h.ask(t, "GET", "/orders/"+order, "", session); got.status != http.StatusOK {
		t.Errorf("the order in the account: %d %s", got.status, got.body)
	}
	if got := buyer.ask(t, "GET", "/orders/"+order, ""); got.status != http.StatusOK {
		t.Errorf("the order where it was placed: %d", got.status)
	}
	stranger := "Authorization: Bearer " + h.account(t, "stranger@example.org")
	if got := h.ask(t, "GET", "/orders/"+order, "", stranger); got.status != http.StatusNotFound {
		t.Errorf("the order for somebody else: %d", got.status)
	}
	later := h.join(t, event.ID).enter(t).buy(t, event, "fan@example.org")
	if got := h.ask(t, "GET", "/orders/"+later, "", session); got.status != http.StatusNotFound {
		t.Errorf("an address alone opens an order: %d", got.status)
	}
	again := decode[struct{ Token string }](t, h.ask(t, "POST", "/sessions", `{"email":"fan@example.org","password":"`+goodPassword+`"}`), http.StatusCreated)
	if got := h.ask(t, "GET", "/orders/"+later, "", "Authorization: Bearer "+again.Token); got.status != http.StatusOK {
		t.Errorf("what was bought before logging in: %d", got.status)
	}
}

// buy reserves one ticket and orders it.
func (f *fan) buy(t *testing.T, event ropeline.Event, email string) (order string) {
	t.Helper()
	held := decode[struct{ ID string }](t, f.ask(t, "POST", "/events/"+string(event.ID)+"/reserve-tickets",
		`{"items":[{"ticket_type":"`+string(event.TicketTypes[0].ID)+`","quantity":1}]}`, "Prefer: wait=5"), http.StatusCreated)
	return decode[struct{ ID string }](t, f.ask(t, "POST", "/orders", `{"reservation":"`+held.ID+`","email":"`+email+`"}`), http.StatusCreated).ID
}

// On a site that others can read on the way nobody types a password.
func TestNoPasswordsOverHTTP(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]int{"http://tickets.example": http.StatusForbidden, "https://tickets.example": http.StatusUnauthorized, "http://localhost:8080": http.StatusUnauthorized} {
		h := openHouse(t, func(o *web.Options) { o.PublicURL = url })
		if got := h.ask(t, "POST", "/sessions", `{"email":"a@b.example","password":"x"}`); got.status != want {
			t.Errorf("%s: %d %s", url, got.status, got.body)
		}
		if strings.HasPrefix(url, "https") {
			h.account(t, "a@b.example")
			got := h.ask(t, "POST", "/sessions", `{"email":"a@b.example","password":"`+goodPassword+`"}`)
			if set := got.header.Get("Set-Cookie"); !strings.HasPrefix(set, "__Host-ropeline_session=") || !strings.Contains(set, "; Secure") || strings.Contains(set, "Domain") {
				t.Errorf("cookie %q", set)
			}
		}
	}
}

func accountEvent(e *ropeline.Event, _ *admission.Rules) { e.OnePer = ropeline.OnePerAccount }
