package paper

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"

	ics "github.com/arran4/golang-ical"
	"go.uber.org/goleak"

	"github.com/ropeline/ropeline"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func ticket(change func(*Ticket)) Ticket {
	t := Ticket{
		Event: ropeline.Event{ID: "0dq3k5m2p8r7t1v9b4c6f0h0a1", Name: "Žižkov Ωmega: Последний поезд — Ære & Łódź", Description: "One night.\r\nBring, the; ticket.",
			Venue:    ropeline.Venue{Name: "Old Rope Walk", Address: "Seilergasse 5", City: "Wien", TimeZone: "Europe/Vienna"},
			StartsAt: time.Date(2026, 12, 24, 19, 30, 0, 0, time.UTC)},
		ID: "0dq3k5m2p8r7t1v9b4c6f0h0c1", Order: "0dq3k5m2p8r7t1v9b4c6f0h0d1", Name: "Standing", Code: strings.Repeat("ABCDEFGH", 20),
		IssuedAt: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC),
	}
	if change != nil {
		change(&t)
	}
	return t
}

func pdf(t *testing.T, tickets ...Ticket) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := WriteTickets(&out, "Tickets", tickets); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestTicketsOnPaper(t *testing.T) {
	file := pdf(t, ticket(nil), ticket(nil), ticket(nil))
	if !bytes.HasPrefix(file, []byte("%PDF-")) || !bytes.HasSuffix(bytes.TrimSpace(file), []byte("%%EOF")) {
		t.Error("not a PDF")
	}
	if pages := bytes.Count(file, []byte("/Type /Page\n")); pages != 3 {
		t.Errorf("%d pages for 3 tickets", pages)
	}
	if len(file) > 300<<10 {
		t.Errorf("%d bytes", len(file))
	}
	if name := os.Getenv("ROPELINE_PAPER"); name != "" { // to look at
		if err := os.WriteFile(name, file, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := WriteTickets(&bytes.Buffer{}, "", nil); err == nil {
		t.Error("a file without a page")
	}
}

func TestNamesThatNoFontHas(t *testing.T) {
	for _, name := range []string{"", "東京の夜", "🎸🎸", "مرحبا", "a\x00b\u202e\u0301\n\n", "\xff\xfe", strings.Repeat("x", 5000), strings.Repeat("a b ", 2000), "(\\)"} {
		pdf(t, ticket(func(x *Ticket) {
			x.Event.Name, x.Name, x.Event.Venue = name, name, ropeline.Venue{Name: name, Address: name, City: name, TimeZone: name}
		}))
	}
	for given, want := range map[string]string{"Łódź  Ω\nж": "Łódź Ω ж", "東 a🎸": "? a?", "a\u202eb\x00": "ab"} {
		if got := legible(given); got != want {
			t.Errorf("%q is printed as %q, want %q", given, got, want)
		}
	}
}

func TestCalendarFile(t *testing.T) {
	e := ticket(nil).Event
	changed := time.Date(2026, 11, 1, 8, 0, 0, 0, time.FixedZone("", 3600))
	var out bytes.Buffer
	if err := WriteCalendar(&out, e, Change{Sequence: 3, At: changed}, "https://tickets.example/events/"+string(e.ID)); err != nil {
		t.Fatal(err)
	}
	text := out.String()
	for _, want := range []string{
		"BEGIN:VCALENDAR\r\n", "VERSION:2.0\r\n", "UID:" + string(e.ID) + "@ropeline\r\n", "SEQUENCE:3\r\n", "DTSTART:20261224T193000Z\r\n",
		"DTSTAMP:20261101T070000Z\r\n", "STATUS:CONFIRMED\r\n", `DESCRIPTION:One night.\nBring\, the\; ticket.`, "END:VCALENDAR\r\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("lacks %q:\n%s", want, text)
		}
	}
	if strings.Contains(strings.ReplaceAll(text, "\r\n", ""), "\n") {
		t.Error("a line that does not end as RFC 5545 wants")
	}
	for line := range strings.SplitSeq(text, "\r\n") {
		if len(line) > 75 {
			t.Errorf("%d bytes in one line: %s", len(line), line)
		}
	}
	read, err := ics.ParseCalendar(strings.NewReader(text))
	if err != nil || len(read.Events()) != 1 {
		t.Fatalf("%v", err)
	}
	if summary := read.Events()[0].GetProperty(ics.ComponentPropertySummary).Value; summary != e.Name {
		t.Errorf("the summary is %q", summary)
	}
}

// Nothing that an organizer writes becomes a line of its own.
func TestCalendarTextStaysText(t *testing.T) {
	e := ticket(nil).Event
	e.Name = "Night\r\nATTENDEE:mailto:x@example.org\nX:\rY\x00\x0b"
	e.Description, e.Venue.Name, e.Venue.Address, e.Venue.City = e.Name, e.Name, e.Name, e.Name
	var out bytes.Buffer
	if err := WriteCalendar(&out, e, Change{At: time.Unix(0, 0), Canceled: true}, "https://tickets.example/"); err != nil {
		t.Fatal(err)
	}
	for line := range strings.SplitSeq(out.String(), "\r\n") {
		if strings.HasPrefix(line, "ATTENDEE") || strings.HasPrefix(line, "X:") || strings.ContainsAny(line, "\x00\r\n\x0b") {
			t.Errorf("%q", line)
		}
	}
	if !strings.Contains(out.String(), "STATUS:CANCELLED") {
		t.Error("not canceled")
	}
}
