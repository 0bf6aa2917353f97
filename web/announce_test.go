package web_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/internal/redisdb"
)

// TestAnnouncement: what the organizer says reaches a socket, a stream, a poll
// and the page without JavaScript in the same words, who comes later too; it
// outlives Redis, and ends when it is taken back or its time is over.
func TestAnnouncement(t *testing.T) {
	t.Parallel()
	h := openHouse(t)
	event := h.event(t, nil)
	session := h.signIn(t)
	desk := "/admin/events/" + string(event.ID)
	const words = `Doors open at 20:00 <b>&</b> “the bar” too.`
	body := func(text, minutes string) string { return `{"text":"` + text + `","minutes":` + minutes + `}` }
	type told struct {
		ID    string     `json:"id"`
		Text  string     `json:"text"`
		Until *time.Time `json:"until"`
	}

	early := h.join(t, event.ID)
	socket := early.dial(t)
	next, _ := early.listen(t, "")
	first := decode[told](t, h.ask(t, "PUT", desk+"/announcement", body("Soon.", "0"), session), http.StatusOK)
	if first.Text != "Soon." || first.Until != nil || first.ID == "" {
		t.Errorf("said: %+v", first)
	}
	second := decode[told](t, h.ask(t, "PUT", desk+"/announcement", body(words, "60"), session), http.StatusOK)
	is := func(s ropeline.Status) bool {
		return s.Announcement != nil && s.Announcement.Text == words && s.Announcement.ID == second.ID
	}
	frame(t, socket, "the words over the socket", is)
	heardStatus(t, "the words in the stream", next, is)
	poll := func(f *fan) ropeline.Status {
		return decode[ropeline.Status](t, f.ask(t, "GET", "/events/"+string(event.ID)+"/queue", ""), http.StatusOK)
	}
	if s := poll(early); !is(s) {
		t.Errorf("a poll: %+v", s.Announcement)
	}
	late := h.join(t, event.ID)
	if !is(late.status) {
		t.Errorf("who joins later hears %+v", late.status.Announcement)
	}
	page := late.ask(t, "GET", "/events/"+string(event.ID)+"/line", "", "Accept: text/html")
	if escaped := strings.NewReplacer("<", "&lt;", ">", "&gt;", "&", "&amp;").Replace(words); !strings.Contains(page.body, escaped) {
		t.Errorf("the page without JavaScript does not say %s:\n%s", escaped, page.body)
	}

	redis, err := redisdb.Open(t.Context(), h.RedisURL)
	if err != nil {
		t.Fatal(err)
	}
	defer redis.Close()
	if keys, err := redis.Write.Keys(t.Context(), "{e:"+string(event.ID)+"}*").Result(); err != nil || redis.Write.Del(t.Context(), keys...).Val() == 0 {
		t.Fatalf("lose the line: %v, %v", keys, err)
	}
	eventually(t, "the words after Redis was lost", func() bool {
		got := late.ask(t, "GET", "/events/"+string(event.ID)+"/queue", "")
		return got.status == http.StatusOK && is(decode[ropeline.Status](t, got, http.StatusOK))
	})

	list := decode[struct {
		Now           *told  `json:"now"`
		Announcements []told `json:"announcements"`
	}](t, h.ask(t, "GET", desk+"/announcements", "", session), http.StatusOK)
	if list.Now == nil || list.Now.ID != second.ID || len(list.Announcements) != 2 {
		t.Errorf("the list: %+v", list)
	}
	for range 2 { // the second takes back nothing
		if got := h.ask(t, "DELETE", desk+"/announcement", "", session); got.status != http.StatusNoContent {
			t.Errorf("take back: %d %s", got.status, got.body)
		}
	}
	eventually(t, "silence after it was taken back", func() bool { return poll(late).Announcement == nil })
	over := decode[told](t, h.ask(t, "PUT", desk+"/announcement", body("Over soon.", "1"), session), http.StatusOK)
	eventually(t, "the new words", func() bool { a := poll(late).Announcement; return a != nil && a.ID == over.ID })
	if _, err := h.Pool.Exec(t.Context(), "update announcements set until = said_at + interval '1 microsecond' where id = $1", over.ID); err != nil {
		t.Fatal(err)
	}
	eventually(t, "silence after its time", func() bool { return poll(late).Announcement == nil })

	var audited int
	if err := h.Pool.QueryRow(t.Context(), "select count(*) from audit_log where object = $1 and action in ('event.announce', 'event.retract')", "event/"+string(event.ID)).Scan(&audited); err != nil || audited != 4 {
		t.Errorf("%d entries in the audit log, %v", audited, err)
	}
	for _, bad := range []string{body("", "0"), body("   ", "0"), body(strings.Repeat("é", 281), "0"), body(`two\nlines`, "0"), body("x", "-1"), body("x", "1441"), body("x", "99999999999"), `{"text":3}`, `{"text":"a\u0000b"}`} {
		if got := h.ask(t, "PUT", desk+"/announcement", bad, session); got.status != http.StatusBadRequest || got.code(t) != "invalid_request" {
			t.Errorf("%s: %d %s", bad, got.status, got.body)
		}
	}
	if got := h.ask(t, "PUT", desk+"/announcement", body(strings.Repeat("é", 280), "0"), session); got.status != http.StatusOK {
		t.Errorf("280 characters: %d %s", got.status, got.body)
	}
}
