package web_test

import (
	"net/http"
	"testing"

	"github.com/ropeline/ropeline/web"
)

// Fresh identities are counted by their address, an IPv6 one by its /64, and a
// known fan alone; this machine is not limited.
func TestJoinsAreLimited(t *testing.T) {
	t.Parallel()
	h := openHouse(t, func(o *web.Options) { o.JoinLimit, o.Proxies = 3, []string{"127.0.0.0/8", "::1/128"} })
	event := h.event(t, nil)
	path := "/events/" + string(event.ID) + "/queue"
	join := func(from string, headers ...string) answer {
		return h.ask(t, "POST", path, "", append(headers, "X-Forwarded-For: "+from)...)
	}
	for i, from := range []string{"192.0.2.1", "192.0.2.1", "192.0.2.1", "2001:db8::1", "2001:db8::2", "2001:db8:0:0:ffff::3", "192.0.2.2"} {
		if a := join(from); a.status != http.StatusCreated {
			t.Fatalf("join %d from %s: %d %s", i+1, from, a.status, a.body)
		}
	}
	for _, from := range []string{"192.0.2.1", "2001:db8::9"} {
		a := join(from)
		if a.status != http.StatusTooManyRequests || a.code(t) != "rate_limited" || a.header.Get("Retry-After") == "" || a.header.Get("Set-Cookie") != "" {
			t.Errorf("the fourth join from %s: %d %s", from, a.status, a.body)
		}
	}
	if a := join("2001:db8:0:1::9"); a.status != http.StatusCreated {
		t.Errorf("a join from the next network: %d %s", a.status, a.body)
	}
	known := h.join(t, event.ID) // from this machine
	for i := range 5 {
		want := http.StatusCreated
		if i >= 3 {
			want = http.StatusTooManyRequests
		}
		if a := join("192.0.2.1", "Authorization: Bearer "+known.token); a.status != want {
			t.Errorf("a known fan's join %d behind a busy address: %d, want %d", i+1, a.status, want)
		}
	}
	for range 10 {
		h.join(t, event.ID)
	}
}

// One fan who asks too often is refused for a while; another one, and the
// event itself, are not.
func TestPollsAreLimited(t *testing.T) {
	t.Parallel()
	h := openHouse(t, func(o *web.Options) { o.PollLimit = 3 })
	event := h.event(t, nil)
	path := "/events/" + string(event.ID) + "/queue"
	hasty, other := h.join(t, event.ID), h.join(t, event.ID)
	for i := range 5 {
		a, want := hasty.ask(t, "GET", path, ""), http.StatusOK
		if i >= 3 {
			want = http.StatusTooManyRequests
		}
		if a.status != want || i >= 3 && (a.code(t) != "rate_limited" || a.header.Get("Retry-After") == "") {
			t.Errorf("poll %d: %d %s", i+1, a.status, a.body)
		}
	}
	if a := other.ask(t, "GET", path, ""); a.status != http.StatusOK {
		t.Errorf("another fan's poll: %d %s", a.status, a.body)
	}
	if a := hasty.ask(t, "DELETE", path, ""); a.status != http.StatusNoContent {
		t.Errorf("giving up: %d %s", a.status, a.body)
	}
}
