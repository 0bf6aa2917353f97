package web_test

import (
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/ropeline/ropeline"
)

const form = "Content-Type: application/x-www-form-urlencoded"

type linkAnswer struct {
	URL     string    `json:"url"`
	Expires time.Time `json:"expires_at"`
	QR      string    `json:"qr"`
}

// device is a browser with its own cookies.
func device(t *testing.T) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &http.Client{Jar: jar, Timeout: 20 * time.Second}
}

func TestRecoveryLinkOpensTheLineOnAnotherDevice(t *testing.T) {
	t.Parallel()
	h := openHouse(t)
	event := h.event(t, nil)
	path := "/events/" + string(event.ID)
	h.join(t, event.ID)
	fan := h.join(t, event.ID)
	link := decode[linkAnswer](t, fan.ask(t, "POST", path+"/queue/link", ""), http.StatusCreated)
	if left := time.Until(link.Expires); left < 4*time.Minute || left > 5*time.Minute || !strings.HasPrefix(link.QR, "data:image/png;base64,") {
		t.Errorf("the link is good for %s, QR %.30s", left, link.QR)
	}
	token, found := strings.CutPrefix(link.URL, "http://127.0.0.1/recover/")
	if !found {
		t.Fatalf("the link leads to %s", link.URL)
	}
	phone := device(t)
	answer, err := phone.Get(h.url + "/recover/" + token)
	if err != nil || answer.StatusCode != http.StatusOK || !strings.HasSuffix(answer.Request.URL.Path, "/line") {
		t.Fatalf("opened: %v %v", err, answer)
	}
	answer.Body.Close()
	// Both devices stand on one number, and both are live.
	request, _ := http.NewRequestWithContext(t.Context(), "GET", h.url+path+"/queue", nil)
	answer, err = phone.Do(request)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("poll: %v %v", err, answer)
	}
	answer.Body.Close()
	u, _ := url.Parse(h.url + path)
	var cookies []string
	for _, cookie := range phone.Jar.Cookies(u) {
		cookies = append(cookies, cookie.Name+"="+cookie.Value)
	}
	other := decode[ropeline.Status](t, h.ask(t, "GET", path+"/queue", "", "Cookie: "+strings.Join(cookies, "; ")), http.StatusOK)
	if other.Number != fan.status.Number || other.Standing != ropeline.StandingWaiting {
		t.Errorf("the phone was told %+v", other)
	}
	frame(t, fan.dial(t), "the first device still hears", waiting(1))

	// Somebody who is another fan already is asked first.
	stranger := h.join(t, event.ID)
	asked := h.ask(t, "GET", "/recover/"+token, "", "Cookie: ropeline_fan="+stranger.token)
	if asked.status != http.StatusOK || asked.header.Get("Set-Cookie") != "" || !strings.Contains(asked.body, `action="/recover/`) {
		t.Errorf("not asked: %d %v", asked.status, asked.header)
	}
	if sure := h.ask(t, "POST", "/recover/"+token, "sure=yes", form, "Cookie: ropeline_fan="+stranger.token); sure.status != http.StatusSeeOther || !strings.Contains(sure.header.Get("Set-Cookie"), fan.token) {
		t.Errorf("after yes: %d %v", sure.status, sure.header)
	}
	// A page without JavaScript gets a page.
	if page := fan.ask(t, "POST", path+"/queue/link", "", form, "Accept: text/html"); page.status != http.StatusOK || !strings.Contains(page.body, "/recover/") || !strings.Contains(page.body, `src="data:image/png;base64,`) {
		t.Errorf("the page: %d %s", page.status, page.body)
	}
}

func TestRecoveryRefuses(t *testing.T) {
	t.Parallel()
	h := openHouse(t)
	event := h.event(t, nil)
	fan := h.join(t, event.ID)
	link := decode[linkAnswer](t, fan.ask(t, "POST", "/events/"+string(event.ID)+"/queue/link", ""), http.StatusCreated)
	token := link.URL[strings.LastIndex(link.URL, "/")+1:]
	body, signature, _ := strings.Cut(token, ".")
	place, until, _ := strings.Cut(body, "~")
	for name, bad := range map[string]string{
		"nothing": "x", "a place": fan.status.Place, "no signature": body, "an empty one": body + ".",
		"another time": place + "~AAAAAA." + signature, "a cut one": token[:len(token)-1], "a longer one": token + "A",
		"no time": place + "." + signature, "another place": place[1:] + "~" + until + "." + signature,
	} {
		got := h.ask(t, "GET", "/recover/"+bad, "")
		if got.status != http.StatusBadRequest || got.code(t) != string(ropeline.CodePlaceInvalid) || got.header.Get("Set-Cookie") != "" {
			t.Errorf("%s: %d %s", name, got.status, got.body)
		}
	}
	if got := h.ask(t, "POST", "/events/"+string(event.ID)+"/queue/link", ""); got.status != http.StatusUnauthorized {
		t.Errorf("a link for nobody: %d", got.status)
	}
}

func TestLeavingWithoutJavaScriptAsksFirst(t *testing.T) {
	t.Parallel()
	h := openHouse(t)
	event := h.event(t, nil)
	path := "/events/" + string(event.ID)
	fan := h.join(t, event.ID)
	asked := fan.ask(t, "POST", path+"/leave", "", form)
	if asked.status != http.StatusOK || !strings.Contains(asked.body, `name="sure"`) {
		t.Fatalf("not asked: %d %s", asked.status, asked.body)
	}
	if still := fan.ask(t, "GET", path+"/queue", ""); still.status != http.StatusOK {
		t.Errorf("gone before saying yes: %d", still.status)
	}
	if sure := fan.ask(t, "POST", path+"/leave", "sure=yes", form); sure.status != http.StatusSeeOther || sure.header.Get("Location") != path {
		t.Errorf("after yes: %d %v", sure.status, sure.header)
	}
	if gone := fan.ask(t, "GET", path+"/queue", ""); gone.status != http.StatusNotFound || gone.code(t) != string(ropeline.CodeNotInLine) {
		t.Errorf("after leaving: %d %s", gone.status, gone.body)
	}
}
