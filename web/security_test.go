package web_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/admission"
	"github.com/ropeline/ropeline/identity"
	"github.com/ropeline/ropeline/web"
)

// The sentences of docs/security.md that have no test elsewhere.

// Who logs in gets a new session, and the one that the browser had before ends:
// whoever planted or read it has nothing.
func TestSessionIsNewAfterLogIn(t *testing.T) {
	t.Parallel()
	h := openHouse(t)
	planted := h.account(t, "mallory@example.org")
	h.account(t, "fan@example.org")
	for i, path := range []string{"/sessions", "/admin/login", "/login"} {
		body, headers := `{"email":"fan@example.org","password":"`+goodPassword+`"}`, []string{"Cookie: ropeline_session=" + planted}
		if path == "/login" {
			body, headers = "email=fan%40example.org&password="+strings.ReplaceAll(goodPassword, " ", "+"), append(headers, browserForm, "Accept: text/html")
		}
		got := h.ask(t, "POST", path, body, headers...)
		fresh := strings.TrimPrefix(cookieOf(got), "Cookie: ropeline_session=")
		if got.status >= 400 || !identity.IsSession(fresh) || fresh == planted {
			t.Fatalf("%s: %d, cookie %q", path, got.status, fresh)
		}
		if _, err := h.accounts.Session(t.Context(), planted); ropeline.CodeOf(err) != ropeline.CodeUnauthenticated {
			t.Errorf("%s (%d): the session from before is still good: %v", path, i, err)
		}
		planted = fresh
	}
}

// Logging out everywhere ends the sessions of other devices at once, and what
// they look at within seconds.
func TestLogOutEverywhere(t *testing.T) {
	t.Parallel()
	h := openHouse(t)
	own, sessions := h.organization(t, "own")
	event := h.event(t, func(e *ropeline.Event, _ *admission.Rules) { e.Organization = own })
	here := "Authorization: Bearer " + sessions[identity.RoleOwner]
	there := "Authorization: Bearer " + decode[struct{ Token string }](t, h.ask(t, "POST", "/sessions", `{"email":"owner@own.example","password":"`+goodPassword+`"}`), http.StatusCreated).Token
	path := "/admin/events/" + string(event.ID) + "/live"
	request, err := http.NewRequestWithContext(t.Context(), "GET", h.url+path+"/sse", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", strings.TrimPrefix(there, "Authorization: "))
	stream, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Body.Close()
	if got := h.ask(t, "GET", path, "", there); got.status != http.StatusOK || stream.StatusCode != http.StatusOK {
		t.Fatalf("before: %d, the stream %d", got.status, stream.StatusCode)
	}
	if got := h.ask(t, "DELETE", "/sessions", "", here); got.status != http.StatusNoContent {
		t.Fatalf("%d %s", got.status, got.body)
	}
	began := time.Now()
	for _, session := range []string{here, there} {
		if got := h.ask(t, "GET", path, "", session); got.status != http.StatusUnauthorized {
			t.Errorf("afterwards: %d %s", got.status, got.body)
		}
	}
	lines, ended := bufio.NewScanner(stream.Body), false
	for lines.Buffer(nil, 1<<20); lines.Scan(); ended = ended || lines.Text() == "event: end" {
		if time.Since(began) > 15*time.Second {
			t.Fatal("the stream of another device goes on")
		}
	}
	if !ended {
		t.Errorf("the stream ended without a word: %v", lines.Err())
	}
}

// Codes of a second factor are counted against their account, and nobody
// else's log-in suffers for it.
func TestCodesOfASecondFactorAreLimited(t *testing.T) {
	t.Parallel()
	h := openHouse(t, func(o *web.Options) { o.Proxies = []string{"127.0.0.0/8"} })
	secrets := map[string]string{}
	for _, email := range []string{"fan@example.org", "other@example.org"} {
		token := h.account(t, email)
		account, err := h.accounts.Session(t.Context(), token)
		if err != nil {
			t.Fatal(err)
		}
		secret, err := h.accounts.BeginTOTP(t.Context(), account)
		if err != nil {
			t.Fatal(err)
		}
		code, _ := totp.GenerateCode(secret.Secret, time.Now().Add(-30*time.Second))
		if _, err := h.accounts.ConfirmTOTP(t.Context(), account.ID, token, code); err != nil {
			t.Fatal(err)
		}
		secrets[email] = secret.Secret
	}
	guess := func(i int, email, code string) answer { // each from another address
		return h.ask(t, "POST", "/sessions", fmt.Sprintf(`{"email":%q,"password":%q,"code":%q}`, email, goodPassword, code), fmt.Sprintf("X-Forwarded-For: 192.0.2.%d", i))
	}
	for i := range 12 {
		got, want := guess(i, "fan@example.org", "000000x"), http.StatusUnauthorized
		if i >= 10 {
			want = http.StatusTooManyRequests
		}
		if got.status != want {
			t.Fatalf("guess %d: %d %s, want %d", i+1, got.status, got.body, want)
		}
	}
	right, _ := totp.GenerateCode(secrets["fan@example.org"], time.Now().Add(30*time.Second))
	if got := guess(20, "fan@example.org", right); got.status != http.StatusTooManyRequests {
		t.Errorf("the right code after too many: %d %s", got.status, got.body)
	}
	right, _ = totp.GenerateCode(secrets["other@example.org"], time.Now().Add(30*time.Second))
	if got := guess(21, "other@example.org", right); got.status != http.StatusCreated {
		t.Errorf("somebody else: %d %s", got.status, got.body)
	}
	if got := guess(22, "other@example.org", right); got.status != http.StatusUnauthorized {
		t.Errorf("the same code again: %d %s", got.status, got.body)
	}
}

// No page of somebody else makes a browser do anything here: every route with
// an unsafe method refuses, whatever it is asked with.
func TestEveryUnsafeRouteRefusesOtherSites(t *testing.T) {
	t.Parallel()
	h := openHouse(t)
	asked := 0
	for route := range web.Access() {
		method, path, _ := strings.Cut(route, " ")
		if method == http.MethodGet || method == http.MethodHead {
			continue
		}
		asked++
		for _, header := range []string{"Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: same-site", "Origin: https://elsewhere.example", "Origin: null"} {
			if got := h.ask(t, method, strings.NewReplacer(":", "", "*", "").Replace(path), "{}", header); got.status != http.StatusForbidden || got.code(t) != "cross_origin" {
				t.Errorf("%s with %s: %d %.200s", route, header, got.status, got.body)
			}
		}
	}
	if asked < 40 {
		t.Errorf("only %d routes were asked", asked)
	}
}

// Every answer of every route says what a browser may do with it: a page what
// it is written for, everything else nothing.
func TestEveryAnswerCarriesItsHeaders(t *testing.T) {
	t.Parallel()
	h := openHouse(t, func(o *web.Options) { o.PublicURL = "https://tickets.example" })
	own, sessions := h.organization(t, "own")
	event := h.event(t, func(e *ropeline.Event, _ *admission.Rules) { e.Organization = own })
	objects, buyer := h.objects(t, event)
	objects["organization"] = string(own)
	for route := range web.Access() {
		method, _, _ := strings.Cut(route, " ")
		desk := strings.Contains(route, "/admin") || strings.Contains(route, " /gate")
		if method != http.MethodGet || strings.HasSuffix(route, "/ws") {
			continue
		}
		for _, accept := range []string{"application/json", "text/html"} {
			token := buyer.token
			if desk {
				token = sessions[identity.RoleOwner]
			}
			_, got := h.knock(t, strings.NewReplacer("/tickets/:ticket", "/tickets/:ticket.pdf", "*file", "none.css", ".pdf/qr", "/qr").Replace(route), objects, token, "Accept: "+accept)
			is := func(header, want string) {
				t.Helper()
				if value := strings.Join(got.header[header], "|"); !strings.Contains(value, want) || value == "" {
					t.Errorf("%s as %s (%d): %s is %q, want %q", route, accept, got.status, header, value, want)
				}
			}
			is("X-Content-Type-Options", "nosniff")
			is("Strict-Transport-Security", "max-age=31536000")
			if strings.HasPrefix(route, "GET /static/") {
				continue
			}
			is("Cache-Control", "")
			is("Content-Security-Policy", "frame-ancestors 'none'")
			is("Referrer-Policy", "")
			switch kind := got.header.Get("Content-Type"); {
			case strings.HasPrefix(kind, "text/html") && got.status/100 != 3:
				is("Permissions-Policy", "microphone=(), geolocation=()")
				is("Content-Security-Policy", "script-src 'self'")
			case strings.Contains(kind, "json"):
				is("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
				is("Referrer-Policy", "no-referrer")
				if (desk || got.status >= http.StatusBadRequest) && !strings.HasSuffix(route, "/revocations") { // which has an ETag
					is("Cache-Control", "no-store")
				}
			}
		}
	}
	for _, private := range []string{"/users/me/tickets", "/orders/" + objects["order"], "/reservations/" + objects["reservation"], "/events/" + objects["event"] + "/queue"} {
		if got := buyer.ask(t, "GET", private, ""); got.header.Get("Cache-Control") != "no-store" || !json.Valid([]byte(got.body)) {
			t.Errorf("%s: Cache-Control %q", private, got.header.Get("Cache-Control"))
		}
	}
}
