package notify

import (
	"bytes"
	"image/png"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/ropeline/ropeline"
)

// house is a Notify with a database and an event.
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
	free := h.usual()
	free.Total, free.Money = ropeline.Money{Currency: "EUR"}, ropeline.Money{Currency: "EUR"}
	for _, kind := range []Kind{PaymentRefused, OrderCanceled, EventCanceled} {
		m, err := Write(h.notice(kind, "k"), free)
		if err != nil || strings.Contains(m.Text+m.HTML, "oney") || strings.Contains(m.Text+m.HTML, "paid") || strings.Contains(m.Text+m.HTML, "Your payment") {
			t.Errorf("%s tells of money where there was none: %v\n%s\n%s", kind, err, m.Text, m.HTML)
		}
	}
	evil := h.usual()
	evil.Event.Name = "Night\r\nBcc: everybody@example.com"
	if m, err := Write(h.notice(Refunded, "k"), evil); err != nil || strings.ContainsAny(m.Subject, "\r\n") {
		t.Errorf("%q %v", m.Subject, err)
	}
}

// Who paid nothing reads nothing of money.
func TestFreeOrdersAreNotPaid(t *testing.T) {
	h := newHouse(t, Options{})
	for _, kind := range []Kind{Tickets, PaymentRefused, EventCanceled} {
		for _, minor := range []int64{0, 9000} {
			facts := h.usual()
			facts.Total.Minor, facts.Money.Minor = minor, minor
			m, err := Write(h.notice(kind, "k"), facts)
			if err != nil {
				t.Fatal(err)
			}
			for _, text := range []string{m.Text, m.HTML} {
				var found []string
				for _, word := range []string{", paid", "payment", "you paid", "money", "banks"} {
					if strings.Contains(text, word) {
						found = append(found, word)
					}
				}
				if (minor == 0) != (found == nil) {
					t.Errorf("%s of %d: %q in\n%s", kind, minor, found, text)
				}
			}
		}
	}
}

// A word of the organizer's alone does not say that anything has changed.
func TestAWordAloneIsNoChange(t *testing.T) {
	h := newHouse(t, Options{})
	n := h.notice(EventChanged, "k")
	for _, fields := range [][]string{nil, {"starts_at"}} {
		n.Data.Fields, n.Data.Note = fields, "Bring a coat."
		m, err := Write(n, h.usual())
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{m.Subject + m.Text, m.HTML} {
			changed := strings.Contains(text, "has changed") && strings.Contains(text, "It is now")
			if changed != (fields != nil) || strings.Contains(text, "word ") == changed || !strings.Contains(text, "Bring a coat.") {
				t.Errorf("%v: %s", fields, text)
			}
		}
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

// Of several that wait to be sent to one person about the same, the newest says
// it all; one that is being sent is left alone.
func TestNewestIsSentInstead(t *testing.T) {
	m := newMailServer(t)
	h := newHouse(t, viaSMTP(m.sender()))
	change := func(key, to, note string, fields ...string) Notice {
		n := h.notice(EventChanged, key+to)
		n.To, n.Subject, n.Bulk, n.Data = to, "order of "+strings.ToLower(to), true, Data{Order: "o1", Fields: fields, Note: note}
		return n
	}
	post := func(notices ...Notice) {
		t.Helper()
		if err := h.PostInstead(t.Context(), notices...); err != nil {
			t.Fatal(err)
		}
	}
	const ann, bob = "ann@example.com", "bob@example.com"
	first := []Notice{change("1", ann, "Bring a lamp.", "name"), change("1", bob, "Bring a lamp.", "name")}
	post(first...)
	m.set(func() { m.atRcpt = []error{notNow, notNow} })
	h.deliver() // both are to be tried again
	post(change("2", ann, "", "starts_at", "name"), change("2", bob, "", "starts_at", "name"))
	post(first...) // heard again, and older than what waits
	h.exec("update notifications set state = 'sending', lease = 99 where state = 'queued' and recipient = $1", bob)
	post(change("3", strings.ToUpper(ann[:1])+ann[1:], "And a coat.", "venue"), change("3", bob, "And a coat.", "venue"))
	h.again()
	texts := map[string][]string{}
	for _, raw := range m.messages() {
		p := parseMail(t, raw)
		to := strings.ToLower(strings.Trim(p.header.Get("To"), "<>"))
		texts[to] = append(texts[to], p.text)
	}
	if len(texts[ann]) != 1 || len(texts[bob]) != 2 {
		t.Fatalf("%q", texts)
	}
	for _, part := range []string{"What changed: its name, when it begins, where it takes place.", "Bring a lamp.", "And a coat."} {
		if !strings.Contains(texts[ann][0], part) {
			t.Errorf("%q is not told: %s", part, texts[ann][0])
		}
	}
}

func TestMask(t *testing.T) {
	for address, want := range map[string]string{"fan@example.com": "f…@example.com", "ü@x.example": "ü…@x.example", "+436641234567": "+43…67", "": "…", "+1": "…"} {
		if got := Mask(address); got != want {
			t.Errorf("%q: %q", address, got)
		}
	}
}
