package web_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/ropeline/ropeline"
)

// The desk's form for a new event, as a browser without JavaScript sends it:
// previewed in the server's words, with more rows, told what is wrong, and
// made once; what was typed is there again each time.
func TestNewEventByForm(t *testing.T) {
	t.Parallel()
	h := openHouse(t)
	session := h.signIn(t)
	local := func(d time.Duration) string {
		vienna, _ := time.LoadLocation("Europe/Vienna")
		return time.Now().Add(d).In(vienna).Format("2006-01-02T15:04")
	}
	typed := url.Values{
		"name": {"The <Tightrope> Sessions"}, "description": {"One night.\r\nNo seats."}, "venue": {"Old Rope Walk"}, "city": {"Vienna"}, "zone": {"Europe/Vienna"},
		"drop": {local(time.Hour)}, "closes": {local(2 * time.Hour)}, "starts": {local(48 * time.Hour)}, "currency": {"eur"},
		"type": {"Standing", "Gallery", ""}, "price": {"45.00", "0", ""}, "capacity": {"4000", "1000", ""}, "most": {"4", "2", "4"},
		"rate": {"300"}, "burst": {"20"}, "oneper": {"account"}, "shoppers": {"10000"}, "fans": {"40000"}, "key": {"form-1"},
	}
	send := func(do string, change ...string) answer {
		t.Helper()
		form := url.Values{"do": {do}}
		for name, values := range typed {
			form[name] = values
		}
		for i := 0; i < len(change); i += 2 {
			form.Set(change[i], change[i+1])
		}
		return h.ask(t, "POST", "/admin/events", form.Encode(), session, browserForm, "Accept: text/html")
	}
	events := func() (n int) {
		if err := h.Pool.QueryRow(t.Context(), "select count(*) from events").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	keeps := func(a answer, status int, words ...string) {
		t.Helper()
		if a.status != status {
			t.Fatalf("status %d, want %d: %.300s", a.status, status, a.body)
		}
		for _, word := range append(words, `value="The &lt;Tightrope&gt; Sessions"`, "One night.\nNo seats.", `value="Gallery"`, `value="`+local(48*time.Hour)+`"`, `value="40000"`, `value="account" selected`) {
			if !strings.Contains(a.body, word) {
				t.Errorf("the form does not say %q", word)
			}
		}
		if n := events(); n != 0 {
			t.Fatalf("%d events", n)
		}
	}
	keeps(send("preview"), http.StatusOK, "At 300 a minute, 40,000 fans and 5,000 tickets: sold out after about ", " fans told by then.")
	keeps(send("preview", "rate", "soon"), http.StatusBadRequest, "Fans let in per minute must be a whole number.")
	keeps(send("preview", "burst", "0"), http.StatusUnprocessableEntity, `role="alert"`)
	if rows := strings.Count(send("row").body, `name="type"`); rows != 4 {
		t.Errorf("%d rows after one more", rows)
	}
	for field, wrong := range map[string]string{"drop": "soon", "zone": "Nowhere/Else", "price": "cheap", "capacity": "-1", "currency": "euro", "closes": local(30 * time.Minute), "starts": "", "most": "x"} {
		if a := send("create", field, wrong); a.status < 400 || a.status > 422 || !strings.Contains(a.body, `role="alert"`) || !strings.Contains(a.body, `value="Old Rope Walk"`) {
			t.Errorf("%s %q: %d", field, wrong, a.status)
		}
	}
	if n := events(); n != 0 {
		t.Fatalf("%d events of forms that were wrong", n)
	}

	made := send("create")
	to := made.header.Get("Location")
	if again := send("create"); made.status != http.StatusSeeOther || !strings.HasPrefix(to, "/admin/events/") || again.header.Get("Location") != to || events() != 1 {
		t.Fatalf("made: %d %q, again %d %q, %d events", made.status, to, again.status, again.header.Get("Location"), events())
	}
	event := decode[struct {
		Name        string    `json:"name"`
		DropAt      time.Time `json:"drop_at"`
		TicketTypes []struct {
			Price ropeline.Money `json:"price"`
			Left  int            `json:"left"`
		} `json:"ticket_types"`
	}](t, h.ask(t, "GET", strings.TrimPrefix(to, "/admin"), ""), http.StatusOK)
	if d := time.Until(event.DropAt); d < 58*time.Minute || d > time.Hour || len(event.TicketTypes) != 2 || event.TicketTypes[0].Price.Minor != 4500 || event.TicketTypes[1].Price.Minor != 0 {
		t.Errorf("the event: %+v", event)
	}
	draft := send("draft", "key", "form-2")
	if a := h.ask(t, "GET", strings.TrimPrefix(draft.header.Get("Location"), "/admin"), ""); draft.status != http.StatusSeeOther || a.status != http.StatusNotFound {
		t.Errorf("the draft: %d, for fans %d", draft.status, a.status)
	}
}

// The preview of an event that is not there yet says what the rules desk says.
func TestPreviewBeforeTheEvent(t *testing.T) {
	t.Parallel()
	h := openHouse(t)
	session := h.signIn(t)
	type preview struct {
		Words   string
		SoldOut bool `json:"sold_out"`
	}
	body := `{"rate_per_minute":300,"burst":20,"max_shoppers":10000,"fans":40000,"tickets":5000}`
	before := decode[preview](t, h.ask(t, "POST", "/admin/events/preview", body, session), http.StatusOK)
	event := h.event(t, nil)
	after := decode[preview](t, h.ask(t, "POST", "/admin/events/"+string(event.ID)+"/rules/preview", strings.Replace(body, "{", `{"stock_gate":true,`, 1), session), http.StatusOK)
	if !before.SoldOut || before != after {
		t.Errorf("before the event %+v, at its desk %+v", before, after)
	}
	for _, bad := range []string{`{}`, `{"fans":1}`, `{"fans":-1,"tickets":1}`, `{"fans":1,"tickets":1,"burst":0}`, `{"fans":1,"tickets":1,"drop_at":"soon"}`} {
		if a := h.ask(t, "POST", "/admin/events/preview", bad, session); a.status < 400 || a.status > 422 {
			t.Errorf("%s: %d %s", bad, a.status, a.body)
		}
	}
}
