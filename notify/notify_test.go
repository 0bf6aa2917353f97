package notify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image/png"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	smtpserver "github.com/emersion/go-smtp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/internal/engines"
)

// house is a Notify with a database and an event.
type house struct {
	*Notify
	t     *testing.T
	pool  *pgxpool.Pool
	event ropeline.Event
	facts func(Notice) (Facts, error) // nil: the usual ones
	log   *bytes.Buffer
}

func newHouse(t *testing.T, o Options) *house {
	t.Helper()
	h := &house{t: t, pool: engines.Test(t).Pool, log: &bytes.Buffer{}}
	h.event = ropeline.Event{
		ID: ropeline.NewID[ropeline.EventID](), Name: "Nächte am Seil & Co",
		Venue:    ropeline.Venue{ID: ropeline.NewID[ropeline.VenueID](), Name: "Old Rope Walk", Address: "1 Hemp Lane", City: "Vienna", TimeZone: "Europe/Vienna"},
		StartsAt: time.Date(2027, 1, 23, 18, 30, 0, 0, time.UTC),
	}
	h.exec("insert into venues values ($1, 'v', 'a', 'c', 'UTC')", h.event.Venue.ID)
	h.exec(`insert into events (id, venue_id, name, starts_at, drop_at, closes_at)
		values ($1, $2, 'e', now() + interval '1 day', now(), now() + interval '1 hour')`, h.event.ID, h.event.Venue.ID)
	o.Facts = func(_ context.Context, n Notice) (Facts, error) {
		if h.facts != nil {
			return h.facts(n)
		}
		return h.usual(), nil
	}
	h.Notify = New(h.pool, slog.New(slog.NewTextHandler(h.log, nil)), o)
	return h
}

func (h *house) usual() Facts {
	return Facts{
		Event: h.event, PublicURL: "https://house.example/", Total: ropeline.Money{Minor: 9000, Currency: "EUR"},
		Items: []Item{{Quantity: 2, Name: "Standing <left>", Unit: ropeline.Money{Minor: 4500, Currency: "EUR"}}},
		Tickets: []Ticket{{ID: "t1aaaaaaaaaaaaaaaaaaaaaaaa", Name: "Standing <left>", Code: "CODE-ONE"},
			{ID: "t2aaaaaaaaaaaaaaaaaaaaaaaa", Name: "Standing <left>", Code: "CODE-TWO"}},
		Money: ropeline.Money{Minor: 4500, Currency: "EUR"}, Wait: 4 * time.Minute,
	}
}

func (h *house) exec(sql string, args ...any) {
	h.t.Helper()
	if _, err := h.pool.Exec(context.Background(), sql, args...); err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) notice(kind Kind, key string) Notice {
	return Notice{Dedupe: key, Kind: kind, Channel: Email, To: "fan@example.com", Event: h.event.ID, Subject: "o1",
		Data: Data{Order: "o1aaaaaaaaaaaaaaaaaaaaaaaa", Ahead: 12, Note: "We move next door.\nSame time.", Fields: []string{"venue"}, URL: "https://house.example/password/secret", Minutes: 30}}
}

func (h *house) post(notices ...Notice) int {
	h.t.Helper()
	n, err := h.Post(h.t.Context(), nil, notices...)
	if err != nil {
		h.t.Fatal(err)
	}
	return n
}

// deliver lets everything due go, whatever the pace, and delivers it.
func (h *house) deliver() []Outcome {
	h.t.Helper()
	h.exec("update notification_pace set free_at = now() - interval '1 minute'")
	released, err := h.Release(h.t.Context(), Email)
	if err != nil {
		h.t.Fatal(err)
	}
	var outcomes []Outcome
	for _, r := range released {
		outcome, err := h.Deliver(h.t.Context(), r)
		if err != nil {
			h.t.Fatal(err)
		}
		outcomes = append(outcomes, outcome)
	}
	return outcomes
}

// again is deliver after every pause has passed.
func (h *house) again() []Outcome {
	h.t.Helper()
	h.exec("update notifications set due_at = now() - interval '1 second' where due_at is not null")
	return h.deliver()
}

func (h *house) only(outcomes []Outcome, want State) {
	h.t.Helper()
	if len(outcomes) != 1 || outcomes[0].State != want {
		h.t.Fatalf("%+v, want one that is %s", outcomes, want)
	}
}

func (h *house) resend(id ID) error {
	return pgx.BeginFunc(h.t.Context(), h.pool, func(tx pgx.Tx) error { return h.Resend(h.t.Context(), tx, id) })
}

func viaSMTP(s Sender) Options { return Options{Senders: map[Channel]Sender{Email: s}} }

func messageID(raw string) string {
	for line := range strings.Lines(raw) {
		if id, found := strings.CutPrefix(line, "Message-ID: "); found {
			return strings.TrimSpace(id)
		}
	}
	return ""
}

// A message with tickets arrives whole, over STARTTLS and signed in.
func TestTicketsArriveWhole(t *testing.T) {
	m := newMailServer(t)
	h := newHouse(t, viaSMTP(m.sender(func(o *SMTPOptions) { o.User, o.Password = "house", "secret" })))
	h.post(h.notice(Tickets, "a"))
	h.only(h.deliver(), StateSent)
	got := m.messages()
	if len(got) != 1 || m.logins != 1 || m.tlsConns != 1 {
		t.Fatalf("%d messages, %d logins, %d over TLS", len(got), m.logins, m.tlsConns)
	}
	p := parseMail(t, got[0])
	if want := "Your tickets for Nächte am Seil & Co"; p.subject != want {
		t.Errorf("subject %q", p.subject)
	}
	row, err := h.List(t.Context(), StateSent, 10)
	if err != nil || len(row) != 1 || p.header.Get("Message-ID") != "<"+string(row[0].ID)+"@house.example>" {
		t.Errorf("Message-ID %s of %+v: %v", p.header.Get("Message-ID"), row, err)
	}
	if row[0].To != "f…@example.com" {
		t.Errorf("listed with the address %q", row[0].To)
	}
	if p.header.Get("Auto-Submitted") != "auto-generated" || p.header.Get("From") != `"Box Office" <tickets@house.example>` || p.header.Get("To") != "<fan@example.com>" {
		t.Errorf("%v", p.header)
	}
	if want := []string{"multipart/related", " multipart/alternative", "  text/plain", "  text/html", " image/png", " image/png"}; !slices.Equal(p.kinds, want) {
		t.Errorf("parts %q", p.kinds)
	}
	for _, part := range []string{"CODE-ONE", "CODE-TWO", "Standing <left>", "90.00 EUR", "Saturday, 23 January 2027, 19:30 CET", "https://house.example/orders/o1a"} {
		if !strings.Contains(p.text, part) {
			t.Errorf("the text lacks %q:\n%s", part, p.text)
		}
	}
	for _, part := range []string{"Standing &lt;left&gt;", "Seil &amp; Co", `href="https://house.example/orders/o1a`, `src="cid:ticket-t1a`, `alt="QR code`} {
		if !strings.Contains(p.html, part) {
			t.Errorf("the page lacks %q:\n%s", part, p.html)
		}
	}
	if len(p.pictures) != 2 {
		t.Fatalf("%d pictures", len(p.pictures))
	}
	for id, picture := range p.pictures {
		if _, err := png.Decode(bytes.NewReader(picture)); err != nil || !strings.Contains(p.html, `src="cid:`+id+`"`) {
			t.Errorf("picture %q: %v", id, err)
		}
	}
}

// Every kind can be written for every channel, without a remote picture, a
// script, or what the organizer wrote being taken for markup.
func TestEveryKindIsWritten(t *testing.T) {
	h := newHouse(t, Options{})
	for _, kind := range Kinds() {
		for _, channel := range []Channel{Email, SMS} {
			n := h.notice(kind, "k")
			n.Channel, n.Data.Note = channel, "<script>alert(1)</script>"
			m, err := Write(n, h.usual())
			if err != nil {
				t.Errorf("%s by %s: %v", kind, channel, err)
				continue
			}
			if channel == SMS {
				if m.HTML != "" || len([]rune(m.Text)) > 320 || strings.ContainsAny(m.Text, "\n") || !strings.Contains(m.Text, "https://house.example/") {
					t.Errorf("%s: %q", kind, m.Text)
				}
				continue
			}
			for _, bad := range []string{"<script", `src="http`, "url(", "<no value>", "%!", "ZgotmplZ"} {
				if strings.Contains(m.HTML, bad) || bad != "<script" && strings.Contains(m.Text, bad) {
					t.Errorf("%s has %q:\n%s\n%s", kind, bad, m.HTML, m.Text)
				}
			}
			if m.Subject == "" || !strings.Contains(m.HTML, string(h.event.ID)) && !strings.Contains(m.HTML, "/orders/o1a") && !strings.Contains(m.HTML, "/password/secret") {
				t.Errorf("%s leads nowhere:\n%s", kind, m.HTML)
			}
		}
	}
	evil := h.usual()
	evil.Event.Name = "Night\r\nBcc: everybody@example.com"
	if m, err := Write(h.notice(Refunded, "k"), evil); err != nil || strings.ContainsAny(m.Subject, "\r\n") {
		t.Errorf("%q %v", m.Subject, err)
	}
}

// What is told to somebody is told once, however often it is heard.
func TestPostIsOnce(t *testing.T) {
	h := newHouse(t, Options{})
	if n := h.post(h.notice(Tickets, "a"), h.notice(Tickets, "a"), h.notice(Refunded, "b")); n != 2 {
		t.Errorf("%d posted", n)
	}
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() { h.post(h.notice(Tickets, "a")) })
	}
	all.Wait()
	if counts, err := h.Counts(t.Context()); err != nil || counts[StateQueued] != 2 {
		t.Errorf("%v %v", counts, err)
	}
	if _, err := h.Post(t.Context(), nil, h.notice("gossip", "c")); err == nil {
		t.Error("a kind that is none was posted")
	}
}

// Not now: tried again. No: dead at once, to be seen, and sent again on demand.
func TestRefusals(t *testing.T) {
	m := newMailServer(t)
	h := newHouse(t, viaSMTP(m.sender()))
	h.post(h.notice(Tickets, "a"))
	m.set(func() { m.atRcpt, m.atData = []error{notNow}, []error{notNow} })
	h.only(h.deliver(), StateFailed)
	if early := h.deliver(); len(early) != 0 {
		t.Fatalf("tried again without a pause: %v", early)
	}
	h.only(h.again(), StateFailed) // after the message
	h.only(h.again(), StateSent)

	h.post(h.notice(Tickets, "b"))
	m.set(func() { m.atData = []error{never} })
	h.only(h.deliver(), StateDead)
	if more := h.again(); len(more) != 0 {
		t.Fatalf("a dead one was tried: %v", more)
	}
	dead, err := h.List(t.Context(), StateDead, 10)
	if err != nil || len(dead) != 1 || !strings.Contains(dead[0].LastError, "no such mailbox") || dead[0].Attempts != 1 || dead[0].NextAt != nil {
		t.Fatalf("%+v %v", dead, err)
	}
	if err := h.resend(dead[0].ID); err != nil {
		t.Fatal(err)
	}
	if err := h.resend(dead[0].ID); ropeline.CodeOf(err) != ropeline.CodeNotificationNotDead {
		t.Errorf("twice: %v", err)
	}
	if err := h.resend("no such"); ropeline.CodeOf(err) != ropeline.CodeNotificationNotFound {
		t.Errorf("nothing: %v", err)
	}
	h.only(h.deliver(), StateSent)
	if strings.Contains(h.log.String(), "fan@") || !strings.Contains(h.log.String(), "f…@example.com") {
		t.Errorf("the log: %s", h.log)
	}
}

// Nobody knows whether it arrived: it is sent again under the same Message-ID.
func TestUnknownOutcomeIsRepeatedRecognizably(t *testing.T) {
	m := newMailServer(t)
	h := newHouse(t, viaSMTP(m.sender(func(o *SMTPOptions) { o.Timeout = 2 * time.Second })))
	h.post(h.notice(Tickets, "a"))
	m.set(func() { m.cut = 1 })
	h.only(h.deliver(), StateFailed)
	m.set(func() { m.atData = []error{errStalled} }) // a server too slow to be waited for
	h.only(h.again(), StateFailed)
	h.only(h.again(), StateSent)
	got := m.messages()
	if len(got) != 3 || messageID(got[0]) == "" || messageID(got[0]) != messageID(got[1]) || messageID(got[1]) != messageID(got[2]) {
		t.Errorf("%d messages: %s", len(got), got)
	}
}

// A worker dies while it sends: after the grip another one may.
func TestLostTryIsMadeGood(t *testing.T) {
	m := newMailServer(t)
	h := newHouse(t, viaSMTP(m.sender()))
	h.post(h.notice(Tickets, "a"))
	first, err := h.Release(t.Context(), Email)
	if err != nil || len(first) != 1 {
		t.Fatal(first, err)
	}
	if _, _, found, err := h.begin(t.Context(), first[0]); !found || err != nil { // and here the worker dies
		t.Fatal(found, err)
	}
	h.exec("update notifications set due_at = now() - interval '1 second'")
	h.exec("update notification_pace set free_at = now() - interval '1 minute'")
	second, err := h.Release(t.Context(), Email)
	if err != nil || len(second) != 1 || second[0].Lease <= first[0].Lease {
		t.Fatal(second, err)
	}
	if late, err := h.Deliver(t.Context(), first[0]); err != nil || late.State != "" {
		t.Fatalf("the old lease delivers: %+v %v", late, err)
	}
	done, err := h.Deliver(t.Context(), second[0])
	if err != nil || done.State != StateSent || done.Attempts != 2 || len(m.messages()) != 1 {
		t.Errorf("%+v %v", done, err)
	}
	if twice, err := h.Deliver(t.Context(), second[0]); err != nil || twice.State != "" {
		t.Errorf("delivered twice: %+v %v", twice, err)
	}
}

func TestGivesUp(t *testing.T) {
	o := viaSMTP(NewLog(slog.New(slog.DiscardHandler)))
	o.Tries = 3
	h := newHouse(t, o)
	h.facts = func(Notice) (Facts, error) { return Facts{}, errors.New("the engine is away; fan@example.com") }
	h.post(h.notice(Tickets, "a"))
	h.only(h.deliver(), StateFailed)
	h.only(h.again(), StateFailed)
	h.only(h.again(), StateDead)
	if dead, _ := h.List(t.Context(), StateDead, 1); len(dead) != 1 || strings.Contains(dead[0].LastError, "fan@") {
		t.Errorf("%+v", dead)
	}
	h.facts = func(Notice) (Facts, error) { return Facts{}, ErrMoot }
	h.post(h.notice(TurnNear, "b"))
	h.only(h.deliver(), StateDead)
	err := pgx.BeginFunc(t.Context(), h.pool, func(tx pgx.Tx) error {
		n, err := h.ResendDead(t.Context(), tx)
		if n != 2 {
			t.Errorf("%d sent again", n)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	if _, err := h.List(t.Context(), "odd", 1); ropeline.CodeOf(err) != ropeline.CodeInvalidRequest {
		t.Error(err)
	}
}

// Several processes together keep the pace, and one who waits for tickets goes
// before a crowd.
func TestPace(t *testing.T) {
	o := viaSMTP(NewLog(slog.New(slog.DiscardHandler)))
	o.Rate, o.InFlight = 20, 1000
	h := newHouse(t, o)
	var crowd []Notice
	for i := range 300 {
		n := h.notice(EventCanceled, fmt.Sprint("c", i))
		n.Bulk = true
		crowd = append(crowd, n)
	}
	h.post(crowd...)
	h.post(h.notice(Tickets, "t"))
	h.exec("update notification_pace set free_at = now() - interval '1 hour'")
	begun := time.Now()
	var mu sync.Mutex
	var released []Released
	var all sync.WaitGroup
	ctx, stop := context.WithTimeout(t.Context(), 1500*time.Millisecond)
	defer stop()
	for range 3 {
		all.Go(func() {
			for ctx.Err() == nil {
				some, err := h.Release(t.Context(), Email)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				if len(released) == 0 && len(some) > 0 {
					var kind Kind
					if err := h.pool.QueryRow(t.Context(), "select kind from notifications where dedupe = 't' and lease is not null").Scan(&kind); err != nil {
						t.Errorf("the tickets wait behind the crowd: %v", err)
					}
				}
				released = append(released, some...)
				mu.Unlock()
			}
		})
	}
	all.Wait()
	most := 20*time.Since(begun).Seconds() + 20 + 1
	if n := float64(len(released)); n > most || n < 20 {
		t.Errorf("%v let go, most %v", n, most)
	}
	seen := map[ID]bool{}
	for _, r := range released {
		if seen[r.ID] {
			t.Errorf("%s was let go twice", r.ID)
		}
		seen[r.ID] = true
	}
}

// A slow server is not given more than it can be at.
func TestInFlightIsBounded(t *testing.T) {
	o := viaSMTP(NewLog(slog.New(slog.DiscardHandler)))
	o.Rate, o.InFlight = 5, 7
	h := newHouse(t, o)
	for i := range 20 {
		h.post(h.notice(Tickets, fmt.Sprint(i)))
	}
	flying := 0
	for range 5 {
		h.exec("update notification_pace set free_at = now() - interval '1 minute'")
		released, err := h.Release(t.Context(), Email)
		if err != nil {
			t.Fatal(err)
		}
		flying += len(released)
	}
	if flying != 7 {
		t.Errorf("%d in flight", flying)
	}
}

// Passwords do not travel in the clear, and TLS that was asked for is not
// done without.
func TestSMTPIsSecured(t *testing.T) {
	plain := newMailServer(t, func(s *smtpserver.Server) { s.TLSConfig = nil; s.AllowInsecureAuth = true })
	mandatory := plain.sender()
	if err := mandatory.Send(t.Context(), letter("fan@example.com")); err == nil || Permanent(err) {
		t.Errorf("without TLS: %v", err)
	}
	login := plain.sender(func(o *SMTPOptions) { o.TLS, o.User, o.Password = TLSNone, "house", "secret" })
	if err := login.Send(t.Context(), letter("fan@example.com")); err == nil || Permanent(err) || plain.logins != 0 {
		t.Errorf("signed in without TLS: %v", err)
	}
	for _, way := range []TLS{TLSNone, TLSOpportunistic} {
		s := plain.sender(func(o *SMTPOptions) { o.TLS = way })
		if err := s.Send(t.Context(), letter("fan@example.com")); err != nil {
			t.Errorf("%s: %v", way, err)
		}
	}
	secure := newMailServer(t)
	wrong := secure.sender(func(o *SMTPOptions) { o.User, o.Password = "house", "wrong" })
	if err := wrong.Send(t.Context(), letter("fan@example.com")); err == nil || Permanent(err) {
		t.Errorf("a wrong password must not end a message for good: %v", err)
	}
	stranger := secure.sender(func(o *SMTPOptions) { o.TLSConfig = nil })
	if err := stranger.Send(t.Context(), letter("fan@example.com")); err == nil || Permanent(err) {
		t.Errorf("an unknown certificate: %v", err)
	}
	for _, bad := range []SMTPOptions{{}, {Host: "h"}, {From: "a@b.example"}, {Host: "h", From: "a@b.example", TLS: "some"}} {
		if _, err := NewSMTP(bad); err == nil {
			t.Errorf("%+v: taken", bad)
		}
	}
}

// Connections are used again, and one that the server has closed meanwhile is
// not the message's trouble.
func TestSMTPConnectionsAreKept(t *testing.T) {
	m := newMailServer(t)
	s := m.sender(func(o *SMTPOptions) { o.TLS = TLSNone })
	for range 3 {
		if err := s.Send(t.Context(), letter("fan@example.com")); err != nil {
			t.Fatal(err)
		}
	}
	if m.conns != 1 {
		t.Errorf("%d connections", m.conns)
	}
	m.last.Conn().Close()
	idle := <-s.idle
	io.Copy(io.Discard, idle.conn) // until that has come here
	s.idle <- idle
	if err := s.Send(t.Context(), letter("fan@example.com")); err != nil || m.conns != 2 {
		t.Errorf("%d connections: %v", m.conns, err)
	}
}

func TestMask(t *testing.T) {
	for address, want := range map[string]string{"fan@example.com": "f…@example.com", "ü@x.example": "ü…@x.example", "+436641234567": "+43…67", "": "…", "+1": "…"} {
		if got := Mask(address); got != want {
			t.Errorf("%q: %q", address, got)
		}
	}
}
