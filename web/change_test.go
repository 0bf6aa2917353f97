package web_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
)

// An organizer changes a published event: pages and calendar show it, it is
// told and written down once, and what changes nothing is neither.
func TestEventIsChanged(t *testing.T) {
	t.Parallel()
	h := openHouse(t)
	session := h.signIn(t)
	event := h.event(t, nil)
	desk, path := "/admin/events/"+string(event.ID), "/events/"+string(event.ID)
	told := func() (n int) {
		t.Helper()
		if err := h.Pool.QueryRow(t.Context(), "select count(*) from outbox where kind = 'EventChanged' and event_id = $1", event.ID).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	starts := time.Now().Add(30 * 24 * time.Hour).UTC().Truncate(time.Second)
	body := `{"name":"Another Name","starts_at":"` + starts.Format(time.RFC3339) + `","venue":{"name":"The Other Hall"},"note":"Sorry."}`
	type answer struct {
		Name    string
		Changed []string
	}
	if got := decode[answer](t, h.ask(t, "PATCH", desk, body, session), http.StatusOK); got.Name != "Another Name" || strings.Join(got.Changed, " ") != "name starts_at venue" {
		t.Errorf("%+v", got)
	}
	if got := decode[answer](t, h.ask(t, "PATCH", desk, body, session), http.StatusOK); len(got.Changed) != 0 || told() != 1 {
		t.Errorf("the same again: %+v, told %d times", got, told())
	}
	if got := decode[ropeline.Event](t, h.ask(t, "GET", path, ""), http.StatusOK); got.Name != "Another Name" || !got.StartsAt.Equal(starts) || got.Venue.Name != "The Other Hall" || got.Venue.City != event.Venue.City {
		t.Errorf("%+v", got)
	}
	calendar := h.ask(t, "GET", path+"/calendar.ics", "").body
	for _, line := range []string{"SUMMARY:Another Name", "SEQUENCE:2", "STATUS:CONFIRMED", "DTSTART:" + starts.Format("20060102T150405Z")} {
		if !strings.Contains(calendar, line+"\r\n") {
			t.Errorf("no %s in\n%s", line, calendar)
		}
	}

	for _, c := range []struct {
		body string
		code ropeline.Code
	}{
		{`{}`, ropeline.CodeInvalidRequest}, {`null`, ropeline.CodeInvalidRequest}, {`[]`, ropeline.CodeInvalidRequest}, {`{"venue":{}}`, ropeline.CodeInvalidRequest},
		{`{"name":" "}`, ropeline.CodeInvalidRequest}, {`{"name":"a\u0000"}`, ropeline.CodeInvalidRequest}, {`{"name":"Evil\r\nBcc: a@b.example"}`, ropeline.CodeInvalidRequest}, {`{"venue":{"name":"a\nb"}}`, ropeline.CodeInvalidRequest}, {`{"name":5}`, ropeline.CodeInvalidRequest},
		{`{"name":"x","drop_at":"2030-01-01T00:00:00Z"}`, ropeline.CodeInvalidRequest}, {`{"venue":{"name":"x","id":"y"}}`, ropeline.CodeInvalidRequest},
		{`{"venue":{"time_zone":"Nowhere"}}`, ropeline.CodeInvalidRequest}, {`{"starts_at":"0001-01-01T00:00:00Z"}`, ropeline.CodeInvalidRequest},
		{`{"description":"` + strings.Repeat("x", 10_001) + `"}`, ropeline.CodeInvalidRequest}, {`{"name":"x","note":"` + strings.Repeat("x", 2001) + `"}`, ropeline.CodeInvalidRequest},
		{`{"name":"x","sequence":0}`, ropeline.CodeEventConflict},
	} {
		got := h.ask(t, "PATCH", desk, c.body, session)
		if got.status < 400 || got.status >= 500 || got.code(t) != string(c.code) {
			t.Errorf("%.80s: %d %s", c.body, got.status, got.body)
		}
	}
	if got := h.ask(t, "PATCH", desk, body); got.status != http.StatusUnauthorized {
		t.Errorf("without a sign-in: %d", got.status)
	}

	// The page's form, as a browser without scripts sends it.
	const browser, form = "Accept: text/html", "Content-Type: application/x-www-form-urlencoded"
	page := h.ask(t, "GET", desk, "", session, browser).body
	vienna, err := time.LoadLocation(event.Venue.TimeZone)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(page, `name="sequence" value="2"`) || !strings.Contains(page, `value="`+starts.In(vienna).Format("2006-01-02T15:04:05")+`"`) {
		t.Error("the page has no form")
	}
	fields := url.Values{"sequence": {"2"}, "name": {"Another Name"}, "description": {event.Description}, "starts": {starts.In(vienna).Format("2006-01-02T15:04:05")},
		"time_zone": {event.Venue.TimeZone}, "venue": {"The Other Hall"}, "address": {event.Venue.Address}, "city": {event.Venue.City}}
	fields.Set("note", " ")
	if got := h.ask(t, "POST", desk, fields.Encode(), session, browser, form); got.status != http.StatusSeeOther || told() != 1 {
		t.Errorf("a form as it was: %d %s, told %d times", got.status, got.body, told())
	}
	fields.Set("starts", "2031-07-01T20:00")
	fields.Set("description", "First.\r\nSecond.")
	if got := h.ask(t, "POST", desk, fields.Encode(), session, browser, form); got.status != http.StatusSeeOther || told() != 2 {
		t.Errorf("a form: %d %s, told %d times", got.status, got.body, told())
	}
	if got := decode[ropeline.Event](t, h.ask(t, "GET", path, ""), http.StatusOK); got.Description != "First.\nSecond." || got.StartsAt.In(vienna).Format(time.DateTime) != "2031-07-01 20:00:00" {
		t.Errorf("%+v", got)
	}
	fields.Set("name", "Too late")
	if got := h.ask(t, "POST", desk, fields.Encode(), session, browser, form); got.status != http.StatusConflict {
		t.Errorf("a form of before: %d", got.status)
	}
	entries, err := h.accounts.Audit(t.Context(), identityFilter(event.ID), 10)
	if err != nil || len(entries) != 2 || entries[1].Action != "event.change" || !strings.Contains(string(entries[1].Before), event.Name) || !strings.Contains(string(entries[1].After), "Another Name") {
		t.Errorf("%+v %v", entries, err)
	}

	if _, err := h.Pool.Exec(t.Context(), "update events set canceled_at = now() where id = $1", event.ID); err != nil {
		t.Fatal(err)
	}
	calendar = h.ask(t, "GET", path+"/calendar.ics", "").body
	if !strings.Contains(calendar, "STATUS:CANCELLED\r\n") || !strings.Contains(calendar, "SEQUENCE:4\r\n") {
		t.Errorf("canceled:\n%s", calendar)
	}
	if got := h.ask(t, "PATCH", desk, `{"name":"x"}`, session); got.code(t) != string(ropeline.CodePhaseConflict) {
		t.Error(got.body)
	}
}

// A word alone is told and written down, once, and changes nothing.
func TestAWordToThoseWhoAreTold(t *testing.T) {
	t.Parallel()
	h := openHouse(t)
	session, event := h.signIn(t), h.event(t, nil)
	desk := "/admin/events/" + string(event.ID)
	notes := func() (notes []string) {
		t.Helper()
		rows, err := h.Pool.Query(t.Context(), "select payload->>'note' from outbox where kind = 'EventChanged' and event_id = $1 and not payload ? 'fields' order by seq", event.ID)
		if err != nil {
			t.Fatal(err)
		}
		if notes, err = pgx.CollectRows(rows, pgx.RowTo[string]); err != nil {
			t.Fatal(err)
		}
		return notes
	}
	type answer struct {
		Name    string
		Changed []string
	}
	for _, body := range []string{`{"note":"Bring a coat."}`, `{"note":"And a hat.","venue":{}}`} {
		if got := decode[answer](t, h.ask(t, "PATCH", desk, body, session), http.StatusOK); got.Name != event.Name || strings.Join(got.Changed, " ") != "note" {
			t.Errorf("%+v", got)
		}
	}
	for body, want := range map[string]string{`{"note":" "}`: "Give name", `{"note":"a\u0000b"}`: "must be text"} {
		if got := h.ask(t, "PATCH", desk, body, session); got.code(t) != string(ropeline.CodeInvalidRequest) || !strings.Contains(got.body, want) {
			t.Error(got.body)
		}
	}
	vienna, err := time.LoadLocation(event.Venue.TimeZone)
	if err != nil {
		t.Fatal(err)
	}
	fields := url.Values{"sequence": {"2"}, "name": {event.Name}, "description": {event.Description}, "starts": {event.StartsAt.In(vienna).Format("2006-01-02T15:04:05")},
		"time_zone": {event.Venue.TimeZone}, "venue": {event.Venue.Name}, "address": {event.Venue.Address}, "city": {event.Venue.City}, "note": {"The doors open\r\nat six."}}
	const browser, form = "Accept: text/html", "Content-Type: application/x-www-form-urlencoded"
	if got := h.ask(t, "POST", desk, fields.Encode(), session, browser, form); got.status != http.StatusSeeOther || got.header.Get("Location") != desk+"?changed=1#h-change" {
		t.Errorf("%d %s", got.status, got.body)
	}
	if got := h.ask(t, "POST", desk, fields.Encode(), session, browser, form); got.status != http.StatusConflict {
		t.Errorf("the same form again: %d", got.status)
	}
	if got := strings.Join(notes(), "|"); got != "Bring a coat.|And a hat.|The doors open\nat six." {
		t.Error(got)
	}
	entries, err := h.accounts.Audit(t.Context(), identityFilter(event.ID), 10)
	if err != nil || len(entries) != 3 || entries[0].Action != "event.note" || !strings.Contains(string(entries[0].After), "at six.") {
		t.Errorf("%+v %v", entries, err)
	}
}
