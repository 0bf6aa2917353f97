package paper

import (
	"io"
	"strings"
	"time"

	ics "github.com/arran4/golang-ical"

	"github.com/ropeline/ropeline"
)

// Change is how often an event was changed, and when last: what tells a
// calendar which of two files is the newer one.
type Change struct {
	Sequence int
	At       time.Time
	Canceled bool
}

// WriteCalendar writes an event as an iCalendar file. Its UID is made of the
// event's id and stays what it is, so a newer file replaces an older one. The
// house does not know when an event ends, and says nothing of it.
func WriteCalendar(w io.Writer, e ropeline.Event, change Change, url string) error {
	calendar := ics.NewCalendarFor("ropeline")
	calendar.SetMethod(ics.MethodPublish)
	entry := calendar.AddEvent(string(e.ID) + "@ropeline")
	entry.SetSummary(plainText(e.Name))
	entry.SetDtStampTime(change.At)
	entry.SetLastModifiedAt(change.At)
	entry.SetSequence(change.Sequence)
	entry.SetStartAt(e.StartsAt)
	entry.SetLocation(plainText(place(e.Venue)))
	if e.Description != "" {
		entry.SetDescription(plainText(e.Description))
	}
	entry.SetURL(url)
	entry.SetStatus(ics.ObjectStatusConfirmed)
	if change.Canceled {
		entry.SetStatus(ics.ObjectStatusCancelled)
	}
	return calendar.SerializeTo(w, ics.WithNewLineWindows)
}

// plainText drops what no calendar file may have: control characters but the
// line feed, which is written as \n.
func plainText(text string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 && r != '\n' || r == 0x7f {
			return -1
		}
		return r
	}, strings.ReplaceAll(text, "\r\n", "\n"))
}
