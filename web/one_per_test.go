package web_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/admission"
	"github.com/ropeline/ropeline/internal/engines"
)

// joinAs joins with the session of an account.
func (h *house) joinAs(t *testing.T, event ropeline.EventID, session string) *fan {
	t.Helper()
	status := decode[ropeline.Status](t, h.ask(t, "POST", "/events/"+string(event)+"/queue", "", "Authorization: Bearer "+session), http.StatusCreated)
	if status.FanToken != "" {
		t.Error("an account is given an anonymous identity")
	}
	return &fan{h: h, event: event, token: session, status: status}
}

func (h *house) logIn(t *testing.T, email string) string {
	t.Helper()
	return decode[struct{ Token string }](t, h.ask(t, "POST", "/sessions", `{"email":"`+email+`","password":"`+goodPassword+`"}`), http.StatusCreated).Token
}

// Where one number is for an account, two devices of it stand on one number,
// and both live: through the line, the pass, the shop and the order.
func TestOneNumberPerAccount(t *testing.T) {
	t.Parallel()
	h := openHouse(t)
	event := h.event(t, accountEvent)
	path := "/events/" + string(event.ID)
	anonymous := h.join(t, h.event(t, nil).ID) // has an identity, and no account
	for _, headers := range [][]string{nil, {"Authorization: Bearer " + anonymous.token}, {"Cookie: ropeline_fan=" + anonymous.token}} {
		if got := h.ask(t, "POST", path+"/queue", "", headers...); got.status != http.StatusUnauthorized || got.code(t) != "account_required" || got.header.Get("Set-Cookie") != "" {
			t.Errorf("join without an account: %d %s %v", got.status, got.body, got.header)
		}
	}
	if got := h.ask(t, "POST", path+"/line", "", browserForm, "Accept: text/html"); got.status != http.StatusSeeOther || got.header.Get("Location") != "/login?next=%2Fevents%2F"+string(event.ID) {
		t.Errorf("join by a form: %d %v", got.status, got.header)
	}
	if got := h.ask(t, "GET", path+"/line", "", "Accept: text/html"); got.status != http.StatusOK {
		t.Errorf("the waiting page without an account: %d", got.status)
	}

	phone := h.account(t, "fan@example.org")
	laptop := h.logIn(t, "fan@example.org")
	var devices [2]*fan
	var joining sync.WaitGroup
	for i, session := range []string{phone, laptop} {
		joining.Go(func() {
			for range 5 {
				devices[i] = h.joinAs(t, event.ID, session)
			}
		})
	}
	joining.Wait()
	if devices[0].status.Number != devices[1].status.Number || devices[0].status.Waiting > 1 {
		t.Fatalf("%+v and %+v", devices[0].status, devices[1].status)
	}
	if other := h.joinAs(t, event.ID, h.account(t, "other@example.org")); other.status.Number != devices[0].status.Number+1 {
		t.Errorf("the next account has number %d", other.status.Number)
	}
	if got := devices[0].ask(t, "POST", path+"/queue/link", ""); got.status != http.StatusUnauthorized || got.code(t) != "account_required" {
		t.Errorf("a link to another device: %d %s", got.status, got.body)
	}

	devices[0].enter(t)
	devices[1].shopper = devices[0].shopper // the other device enters with the same pass and gets the same answer
	entered := decode[struct{ Shopper string }](t, devices[1].ask(t, "POST", path+"/enter", `{"pass":"`+devices[0].status.Pass+`"}`), http.StatusOK)
	devices[1].shopper = entered.Shopper
	order := devices[1].buy(t, event, "gift@example.org")
	for _, device := range devices {
		if got := device.ask(t, "GET", "/orders/"+order, ""); got.status != http.StatusOK {
			t.Errorf("the order: %d %s", got.status, got.body)
		}
	}

	// A session that was ended still shows where its fan stands, and does nothing.
	if got := devices[0].ask(t, "DELETE", "/sessions", ""); got.status != http.StatusNoContent {
		t.Fatal(got.status)
	}
	for _, c := range [][2]string{{"POST", path + "/queue"}, {"DELETE", path + "/queue"}, {"POST", path + "/enter"}, {"POST", path + "/reserve-tickets"}} {
		if got := devices[1].ask(t, c[0], c[1], `{}`); got.status != http.StatusUnauthorized || got.code(t) != "account_required" {
			t.Errorf("%s with an ended session: %d %s", c, got.status, got.body)
		}
	}
	if got := devices[1].ask(t, "GET", "/orders/"+order, ""); got.status != http.StatusUnauthorized && got.status != http.StatusNotFound {
		t.Errorf("an order with an ended session: %d", got.status)
	}
}

// After Redis was lost, both devices of an account come back to its one number,
// in whatever order, also one that never had the place.
func TestAccountsNumberOutlivesRedis(t *testing.T) {
	t.Parallel()
	pair, redis := engines.Test(t), engines.TestRedis(t)
	pair.RedisURL = redis.URL()
	h := openHouseOn(t, pair)
	event := h.event(t, accountEvent)
	for range 3 {
		h.joinAs(t, event.ID, h.account(t, strings.ToLower(string(ropeline.NewID[ropeline.AccountID]()))+"@example.org"))
	}
	phone := h.joinAs(t, event.ID, h.account(t, "fan@example.org"))
	laptop := h.joinAs(t, event.ID, h.logIn(t, "fan@example.org"))
	fresh := h.logIn(t, "fan@example.org")
	number := phone.status.Number

	redis.Lose()
	third := &fan{h: h, event: event.ID, token: fresh} // shows no place, and comes first
	eventually(t, "the line after the loss", func() bool {
		return third.ask(t, "POST", "/events/"+string(event.ID)+"/queue", "").status == http.StatusCreated
	})
	for _, device := range []*fan{phone, laptop, third} { // what a node knows may be a second old
		eventually(t, "the account's number in the new epoch", func() bool {
			status := decode[ropeline.Status](t, device.ask(t, "GET", "/events/"+string(event.ID)+"/queue", ""), http.StatusOK)
			return status.Number == number && status.Epoch >= 2
		})
	}
}

// In a lobby an account is one entrant, and gets one number from the draw.
func TestOneEntrantPerAccount(t *testing.T) {
	t.Parallel()
	h := openHouse(t)
	event := h.event(t, func(e *ropeline.Event, r *admission.Rules) {
		accountEvent(e, r)
		lobby := time.Now().Add(-time.Second)
		e.LobbyAt, e.DropAt, r.Paused = &lobby, time.Now().Add(1500*time.Millisecond), true
	})
	phone := h.joinAs(t, event.ID, h.account(t, "fan@example.org"))
	laptop := h.joinAs(t, event.ID, h.logIn(t, "fan@example.org"))
	if phone.status.Standing != ropeline.StandingLobby || laptop.status.Waiting > 1 {
		t.Fatalf("%+v", laptop.status)
	}
	h.run(h.line.RunDraws)
	for _, device := range []*fan{phone, laptop} {
		eventually(t, "the number of the draw", func() bool {
			status := decode[ropeline.Status](t, device.ask(t, "GET", "/events/"+string(event.ID)+"/queue", ""), http.StatusOK)
			return status.Standing == ropeline.StandingWaiting && status.Number == 0
		})
	}
	eventually(t, "the end of the draw", func() bool {
		d, err := h.line.Draw(t.Context(), event.ID)
		return err == nil && d.DoneAt != nil && d.Entrants == 1
	})
}

// A pass opens one visit: shown again it leads back into it while it lasts, and
// nowhere once the fan has gone home.
func TestPassOpensOneVisit(t *testing.T) {
	t.Parallel()
	h := openHouse(t)
	event := h.event(t, nil)
	fan := h.join(t, event.ID).enter(t)
	path, pass := "/events/"+string(event.ID), `{"pass":"`+fan.status.Pass+`"}`
	if got := fan.ask(t, "POST", path+"/enter", pass); got.status != http.StatusOK {
		t.Errorf("entered again: %d %s", got.status, got.body)
	}
	if got := fan.ask(t, "DELETE", path+"/queue", ""); got.status != http.StatusNoContent {
		t.Errorf("went home: %d %s", got.status, got.body)
	}
	if got := fan.ask(t, "POST", path+"/enter", pass); got.status != http.StatusForbidden || got.code(t) != string(ropeline.CodePassUsed) {
		t.Errorf("entered after the visit: %d %s", got.status, got.body)
	}
}
