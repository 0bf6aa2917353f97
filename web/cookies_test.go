package web_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/web"
)

// Behind TLS every cookie of the house has the __Host- prefix and what browsers
// want with it, and is read under that name alone.
func TestCookiesOfTheHouse(t *testing.T) {
	t.Parallel()
	for site, prefix := range map[string]string{"https://tickets.example": "__Host-", "http://127.0.0.1:8080": ""} {
		t.Run(site, func(t *testing.T) {
			h := openHouse(t, func(o *web.Options) { o.PublicURL = site })
			event := h.event(t, nil)
			path := "/events/" + string(event.ID)
			jar := map[string]string{}
			ask := func(method, path, body string, headers ...string) answer {
				t.Helper()
				var own []string
				for name, value := range jar {
					own = append(own, name+"="+value)
				}
				got := h.ask(t, method, path, body, append(headers, "Cookie: "+strings.Join(own, "; "))...)
				for _, set := range got.header.Values("Set-Cookie") {
					cookie, err := http.ParseSetCookie(set)
					if err != nil {
						t.Fatal(err)
					}
					if !strings.HasPrefix(cookie.Name, prefix+"ropeline_") || cookie.Path != "/" || cookie.Domain != "" || !cookie.HttpOnly || cookie.Secure != (prefix != "") || cookie.SameSite != http.SameSiteLaxMode {
						t.Errorf("%s %s sets %q", method, path, set)
					}
					jar[cookie.Name] = cookie.Value
				}
				return got
			}
			if got := ask("POST", path+"/queue", ""); got.status != http.StatusCreated {
				t.Fatalf("%d %s", got.status, got.body)
			}
			if got := ask("POST", path+"/notify", url.Values{"to": {"fan@example.com"}}.Encode(), formType, page); got.status != http.StatusSeeOther {
				t.Fatalf("%d %s", got.status, got.body)
			}
			if got := ask("GET", path+"/line", "", page); !strings.Contains(got.body, "We write to f…@example.com") {
				t.Error("the line's page has forgotten where to write")
			}
			if _, err := h.admission.Tick(t.Context(), event.ID); err != nil {
				t.Fatal(err)
			}
			var status ropeline.Status
			eventually(t, "a pass", func() bool {
				status = decode[ropeline.Status](t, ask("GET", path+"/queue", ""), http.StatusOK)
				return status.Pass != ""
			})
			if got := ask("POST", path+"/enter", `{"pass":"`+status.Pass+`"}`); got.status != http.StatusOK {
				t.Fatalf("%d %s", got.status, got.body)
			}
			if got := ask("GET", path+"/shop", "", page); got.status != http.StatusOK {
				t.Errorf("the shop: %d", got.status)
			}
			for _, kind := range []string{"fan", "place_" + string(event.ID), "shopper_" + string(event.ID), "alert_" + string(event.ID)} {
				if jar[prefix+"ropeline_"+kind] == "" {
					t.Errorf("no cookie %s in %v", kind, jar)
				}
			}
			if prefix == "" {
				return
			}
			for name, value := range jar { // as another host of the domain could plant them
				delete(jar, name)
				jar[strings.TrimPrefix(name, prefix)] = value
			}
			if got := ask("GET", path+"/queue", ""); got.status != http.StatusUnauthorized {
				t.Errorf("cookies without the prefix are believed: %d", got.status)
			}
		})
	}
}
