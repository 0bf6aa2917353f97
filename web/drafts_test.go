package web_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/admission"
)

// A draft is as good as not there for everybody but its organizers, until it
// is published; and an event is made again with its times moved.
func TestDrafts(t *testing.T) {
	t.Parallel()
	h := openHouse(t)
	vienna, err := time.LoadLocation("Europe/Vienna")
	if err != nil {
		t.Fatal(err)
	}
	from := time.Now().Add(-2 * time.Second)
	event := h.event(t, func(e *ropeline.Event, r *admission.Rules) {
		e.Draft, e.TicketTypes[0].SaleFrom = true, &from
		e.DropAt = e.DropAt.Truncate(time.Second)
		e.StartsAt = e.DropAt.Add(50 * time.Hour)
		r.Schedule = []admission.Step{{From: e.DropAt.Add(time.Minute), RatePerMinute: 77}}
	})
	path, session := "/events/"+string(event.ID), h.organizer(t)
	nothing := "/events/" + string(ropeline.NewID[ropeline.EventID]())
	for _, route := range []string{"GET ", "GET /queue", "POST /queue", "GET /line", "GET /shop", "GET /fairness", "GET /pace", "GET /calendar.ics", "GET /gate/keys", "POST /reserve-tickets", "GET /work"} {
		method, end, _ := strings.Cut(route, " ")
		draft, none := h.ask(t, method, path+end, "{}", "Authorization: Bearer x"), h.ask(t, method, nothing+end, "{}", "Authorization: Bearer x")
		if draft.status != http.StatusNotFound || draft.body != none.body {
			t.Errorf("%s of a draft: %d %s, of nothing: %d %s", route, draft.status, draft.body, none.status, none.body)
		}
	}
	if got := h.ask(t, "GET", "/events", ""); strings.Contains(got.body, string(event.ID)) {
		t.Error("a draft is in the list")
	}
	if got := h.ask(t, "GET", "/admin"+path, "", session, browser); got.status != http.StatusOK || !strings.Contains(got.body, "Publish it") {
		t.Errorf("%d", got.status)
	}
	if got := h.ask(t, "GET", "/admin", "", session, browser); !strings.Contains(got.body, "Draft") {
		t.Errorf("the desk does not say that it is a draft")
	}
	for range 2 {
		if got := h.post(t, session, "/admin"+path+"/publish"); got.status != http.StatusSeeOther {
			t.Fatalf("%d %s", got.status, got.body)
		}
	}
	eventually(t, "the event", func() bool { return h.ask(t, "GET", path, "").status == http.StatusOK })
	if got := h.ask(t, "GET", "/events", ""); !strings.Contains(got.body, string(event.ID)) {
		t.Error("a published event is not in the list")
	}

	drop := event.DropAt.In(vienna).AddDate(0, 7, 0) // over a change of the clock
	body := `{"drop_at":"` + drop.Format(time.RFC3339) + `","name":"Test Night II"}`
	var made struct {
		ropeline.Event
		TicketTypes []ropeline.TicketType `json:"ticket_types"`
	}
	for range 2 {
		made.ID = ""
		got := h.ask(t, "POST", "/admin"+path+"/duplicate", body, session, "Idempotency-Key: k")
		made = decode[struct {
			ropeline.Event
			TicketTypes []ropeline.TicketType `json:"ticket_types"`
		}](t, got, http.StatusCreated)
	}
	clock := func(t time.Time) string { return t.In(vienna).Format("15:04:05") }
	if !made.Draft || made.Name != "Test Night II" || !made.DropAt.Equal(drop) || made.ID == event.ID || len(made.TicketTypes) != 1 || made.TicketTypes[0].Capacity != 10 ||
		clock(made.StartsAt) != clock(event.StartsAt) || clock(drop) != clock(event.DropAt) || made.TicketTypes[0].SaleFrom == nil || made.TicketTypes[0].SaleFrom.After(made.DropAt) {
		t.Errorf("%+v", made)
	}
	rules, err := h.admission.Rules(t.Context(), made.ID)
	if err != nil || rules.RatePerMinute != 600 || len(rules.Schedule) != 1 || rules.Schedule[0].From.Sub(drop).Round(time.Second) != time.Minute {
		t.Errorf("%+v %v", rules, err)
	}
	for _, body := range []string{`{}`, `{"drop_at":"2020-01-01T00:00:00Z"}`, `{"drop_at":"soon"}`} {
		if got := h.ask(t, "POST", "/admin"+path+"/duplicate", body, session); got.status != http.StatusBadRequest {
			t.Errorf("%s: %d", body, got.status)
		}
	}
	var drafts int
	if err := h.Pool.QueryRow(t.Context(), "select count(*) from events where published_at is null").Scan(&drafts); err != nil || drafts != 1 {
		t.Errorf("%d drafts, %v", drafts, err)
	}
}

// The list is filtered by what fans look for, on the page as in the API.
func TestEventList(t *testing.T) {
	t.Parallel()
	h := openHouse(t)
	now := time.Now()
	event := func(name, city string, drop, closes, starts time.Duration) ropeline.Event {
		return h.event(t, func(e *ropeline.Event, _ *admission.Rules) {
			e.Name, e.Venue.City, e.DropAt, e.ClosesAt, e.StartsAt = name, city, now.Add(drop), now.Add(closes), now.Add(starts)
		})
	}
	const day = 24 * time.Hour
	selling := event("Lanterns", "Vienna", -time.Hour, day, 10*day)
	upcoming := event("Tightrope 100%", "Graz", day, 2*day, 20*day)
	past := event("Yesterday", "Vienna", -2*day, -day, -day)
	sold := event("Full House", "Linz", -time.Hour, day, 30*day)
	h.tx(t, func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), "update stock set sold = capacity where event_id = $1", sold.ID)
		return err
	})
	all := map[ropeline.EventID]string{selling.ID: "selling", upcoming.ID: "upcoming", past.ID: "past", sold.ID: "sold"}
	date := func(in time.Duration) string { return now.Add(in).UTC().Format(time.DateOnly) }
	for query, want := range map[string]string{
		"": "selling upcoming past sold", "when=on_sale": "selling", "when=upcoming": "upcoming", "when=past": "past", "when=sold_out": "sold",
		"place=vienna": "selling past", "place=hall": "selling upcoming past sold", "q=LANTERN": "selling", "q=100%25": "upcoming", "q=%25": "upcoming", "q=_": "",
		"from=" + date(15*day): "upcoming sold", "to=" + date(15*day): "selling past", "from=" + date(15*day) + "&to=" + date(25*day): "upcoming", "when=on_sale&place=Graz": "",
	} {
		for path, headers := range map[string][]string{"/events?" + query: nil, "/?" + query: {browser}} {
			got := h.ask(t, "GET", path, "", headers...)
			if got.status != http.StatusOK || got.header.Get("Cache-Control") != "public, max-age=2" {
				t.Errorf("%s: %d %v", path, got.status, got.header)
			}
			for id, name := range all {
				if has := strings.Contains(got.body, string(id)); has != strings.Contains(want, name) {
					t.Errorf("%s lists %s: %v", path, name, has)
				}
			}
		}
	}
	for _, query := range []string{"when=soon", "from=x", "to=2026-13-01", "from=2026-02-01&to=2026-01-01", "q=" + strings.Repeat("x", 101), "place=" + url.QueryEscape(strings.Repeat("ü", 101)), "after=x"} {
		if got := h.ask(t, "GET", "/events?"+query, ""); got.status != http.StatusBadRequest || got.code(t) != "invalid_request" {
			t.Errorf("%s: %d %s", query, got.status, got.body)
		}
	}
}
