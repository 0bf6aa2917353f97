package web_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/admission"
	"github.com/ropeline/ropeline/internal/engines"
	"github.com/ropeline/ropeline/internal/redisdb"
)

// Wherever a person may end up, the page says what has happened and where to go
// on.
func TestDeadEnds(t *testing.T) {
	t.Parallel()
	h := openHouse(t)
	event := h.event(t, nil)
	brief := h.event(t, func(_ *ropeline.Event, r *admission.Rules) { r.ShowUp = 5 * time.Second })
	over := h.event(t, func(e *ropeline.Event, _ *admission.Rules) {
		e.DropAt, e.ClosesAt = time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour)
	})
	canceled := h.event(t, nil)
	order, ids := h.paid(t, event, "ann@example.org", 1)
	stranger := h.join(t, event.ID)
	for _, ticket := range ids {
		if got := h.ask(t, "POST", "/tickets/"+ticket+"/transfer", `{"email":"bob@example.org"}`, "Authorization: Bearer "+h.fanOf(t, order)); got.status != http.StatusCreated {
			t.Fatalf("%d %s", got.status, got.body)
		}
	}
	if got := h.ask(t, "POST", "/admin/events/"+string(canceled.ID)+"/cancel", `{"reason":"The singer is ill."}`, h.organizer(t)); got.status != http.StatusAccepted {
		t.Fatalf("%d %s", got.status, got.body)
	}
	eventually(t, "the event is canceled for every reader", func() bool {
		return strings.Contains(h.ask(t, "GET", "/events/"+string(canceled.ID), "").body, "canceled_at")
	})

	late := h.join(t, brief.ID)
	if _, err := h.admission.Tick(t.Context(), brief.ID); err != nil {
		t.Fatal(err)
	}
	door := "/events/" + string(brief.ID)
	eventually(t, "a pass", func() bool {
		status := decode[ropeline.Status](t, late.ask(t, "GET", door+"/queue", ""), http.StatusOK)
		status.Place, late.status = late.status.Place, status
		return late.status.Pass != ""
	})
	quick := h.join(t, event.ID).enter(t)
	path, login := "/events/"+string(event.ID), `href="/login?next=`
	const nobody = ""
	eventually(t, "the pass runs out", func() bool { return time.Now().After(*late.status.PassUntil) })
	for _, row := range []struct {
		what, who, method, path, form string
		status                        int
		says, leads                   string
	}{
		{"my tickets in another browser", nobody, "GET", "/users/me/tickets", "", 200, "Log in with the address that the mail came to", `href="/login?next=/users/me/tickets"`},
		{"an order from a mail, on another device", nobody, "GET", "/orders/" + string(order), "", 401, "after you log in with the address that their mail came to", login + url.QueryEscape("/orders/"+string(order))},
		{"an order of somebody else", stranger.token, "GET", "/orders/" + string(order), "", 404, "in the one in which they were bought", login},
		{"a ticket of somebody else", stranger.token, "GET", "/tickets/" + ids[0] + "/transfer", "", 404, "in the one in which they were bought", login},
		{"a ticket that was given away", h.fanOf(t, order), "GET", "/tickets/" + ids[0] + "/transfer", "", 409, "This ticket was used, given away or ended", `href="/users/me/tickets"`},
		{"an order whose tickets were given away", h.fanOf(t, order), "GET", "/orders/" + string(order), "", 200, "Given to bob@example.org", `href="/users/me/tickets"`},
		{"an event that is not", nobody, "GET", "/events/0000000000000000000000000g", "", 404, "There is nothing here", `href="/"`},
		{"the shop without a pass", stranger.token, "GET", path + "/shop", "", 303, "", path + "/line"},
		{"the shop for nobody", nobody, "GET", path + "/shop", "", 303, "", path + "/line"},
		{"a pass that is none", stranger.token, "POST", path + "/enter", "pass=x", 403, "This door opens from the line", `href="` + path + `/line"`},
		{"a pass used twice by its fan", quick.token, "POST", path + "/enter", "pass=" + url.QueryEscape(quick.status.Pass), 303, "", path + "/shop"},
		{"a pass of somebody else", stranger.token, "POST", path + "/enter", "pass=" + url.QueryEscape(quick.status.Pass), 403, "This door opens from the line", `href="` + path + `/line"`},
		{"the line of an event that has ended", stranger.token, "POST", "/events/" + string(over.ID) + "/line", "", 409, "The sale has ended", `href="/events/` + string(over.ID) + `"`},
		{"an event whose sale has ended", nobody, "GET", "/events/" + string(over.ID), "", 200, "The sale for this event has ended", `href="/"`},
		{"an event that is canceled", nobody, "GET", "/events/" + string(canceled.ID), "", 200, "This event is canceled: it will not take place", `href="/users/me/tickets"`},
		{"the line of an event that is canceled", nobody, "GET", "/events/" + string(canceled.ID) + "/line", "", 200, "The event is canceled", `href="/"`},
		{"joining an event that is canceled", stranger.token, "POST", "/events/" + string(canceled.ID) + "/line", "", 409, "The sale has ended", `href="/events/` + string(canceled.ID) + `"`},
		{"giving up a place that is none", nobody, "POST", path + "/leave", "sure=yes", 401, "This browser has no place in the line", `href="` + path + `"`},
		{"a pass that ran out", late.token, "POST", door + "/enter", "pass=" + url.QueryEscape(late.status.Pass), 403, "Your turn has passed", `href="` + door + `/line"`},
	} {
		t.Run(row.what, func(t *testing.T) {
			headers := []string{browser}
			if row.who != nobody {
				headers = append(headers, "Cookie: ropeline_fan="+row.who)
			}
			if row.method == "POST" {
				headers = append(headers, browserForm)
			}
			got := h.ask(t, row.method, row.path, row.form, headers...)
			if got.status != row.status || !strings.Contains(got.body, row.says) || !strings.Contains(got.body+got.header.Get("Location"), row.leads) {
				t.Errorf("%d %s%s, want %d, %q and a way to %s", got.status, got.header.Get("Location"), got.body, row.status, row.says, row.leads)
			}
		})
	}
}

// Without Redis, what a fan has is still there to see, and the rest says that
// it is a matter of moments.
func TestDeadEndsWithoutRedis(t *testing.T) {
	t.Parallel()
	pair, redis := engines.Test(t), engines.TestRedis(t)
	pair.RedisURL = redis.URL()
	h := openHouseOn(t, pair)
	event := h.event(t, nil)
	shopper := h.join(t, event.ID).enter(t)
	order, _ := h.paid(t, event, "ann@example.org", 1)
	path := "/events/" + string(event.ID)
	watch, err := redisdb.Open(t.Context(), redis.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer watch.Close()
	eventually(t, "the clerk has gone home", func() bool {
		leases, err := watch.Read.Keys(t.Context(), "*mailbox:lease*").Result()
		return err == nil && len(leases) == 0
	})
	redis.Kill()
	cookies := "Cookie: ropeline_fan=" + shopper.token + "; ropeline_shopper_" + string(event.ID) + "=" + shopper.shopper
	if got := h.ask(t, "GET", path+"/shop", "", browser, cookies); got.status != http.StatusOK || !strings.Contains(got.body, "How many would you like?") {
		t.Errorf("the shop: %d %s", got.status, got.body)
	}
	if got := h.ask(t, "GET", "/orders/"+string(order), "", browser, "Cookie: ropeline_fan="+h.fanOf(t, order)); got.status != http.StatusOK || !strings.Contains(got.body, "You’re going") {
		t.Errorf("an order: %d %s", got.status, got.body)
	}
	got := h.ask(t, "POST", path+"/reserve-tickets", `{"items":[{"ticket_type":"`+string(event.TicketTypes[0].ID)+`","quantity":1}]}`, cookies)
	if got.status != http.StatusServiceUnavailable || got.header.Get("Retry-After") == "" {
		t.Errorf("reserving: %d %s", got.status, got.body)
	}
	if got := h.ask(t, "POST", path+"/line", "", browser, browserForm); got.status != http.StatusServiceUnavailable || !strings.Contains(got.body, "We are catching our breath") || !strings.Contains(got.body, `href="`+path) {
		t.Errorf("joining: %d %s", got.status, got.body)
	}
}
