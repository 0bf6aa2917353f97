package catalog

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/currency"

	"github.com/ropeline/ropeline"
)

// Bounds of an event, generous for people and tight for mistakes.
const (
	mostTypes    = 50
	mostCapacity = 10_000_000
	mostPrice    = 100_000_000_00
	mostLimit    = 1_000
)

func validate(e ropeline.Event) error {
	invalid := func(format string, args ...any) error {
		return ropeline.Errorf(ropeline.CodeInvalidRequest, format, args...)
	}
	if err := validateDetails(Details{Name: e.Name, Description: e.Description, StartsAt: e.StartsAt, Venue: e.Venue}); err != nil {
		return err
	}
	switch {
	case e.DropAt.IsZero() || e.ClosesAt.IsZero():
		return invalid("drop_at and closes_at are required.")
	case e.LobbyAt != nil && !e.LobbyAt.Before(e.DropAt):
		return invalid("lobby_at must come before drop_at.")
	case !e.ClosesAt.After(e.DropAt):
		return invalid("closes_at must come after drop_at.")
	case !tellable(e.DropAt) || !tellable(e.ClosesAt) || e.LobbyAt != nil && !tellable(*e.LobbyAt):
		return invalid("A date lies too far away.")
	case e.OnePer != "" && e.OnePer != ropeline.OnePerFan && e.OnePer != ropeline.OnePerAccount:
		return invalid("one_per must be \"fan\" or \"account\".")
	case !e.LimitAcross.Known():
		return invalid("limit_across must be none, address, card or both.")
	case len(e.TicketTypes) == 0 || len(e.TicketTypes) > mostTypes:
		return invalid("The event needs 1 to %d ticket types.", mostTypes)
	}
	for _, t := range e.TicketTypes {
		switch {
		case !line(t.Name, 1, 100):
			return invalid("A ticket type needs a name of 1 to 100 characters, on one line.")
		case t.Price.Minor < 0 || t.Price.Minor > mostPrice:
			return invalid("The price of %q is out of range.", t.Name)
		case !isCurrency(t.Price.Currency):
			return invalid("The currency of %q must be an ISO 4217 code such as EUR.", t.Name)
		case t.Price.Currency != e.TicketTypes[0].Price.Currency:
			return invalid("All ticket types of an event must have one currency.")
		case t.Capacity < 0 || t.Capacity > mostCapacity:
			return invalid("The capacity of %q must be 0 to %d.", t.Name, mostCapacity)
		case t.SaleFrom != nil && t.SaleUntil != nil && !t.SaleUntil.After(*t.SaleFrom):
			return invalid("The sale of %q must end after it begins.", t.Name)
		case t.SaleFrom != nil && !tellable(*t.SaleFrom) || t.SaleUntil != nil && !tellable(*t.SaleUntil):
			return invalid("A date of %q lies too far away.", t.Name)
		case t.MaxPerOrder < 1 || t.MaxPerOrder > mostLimit || t.MaxPerFan < 1 || t.MaxPerFan > mostLimit:
			return invalid("The limits of %q must be 1 to %d.", t.Name, mostLimit)
		}
	}
	return nil
}

// isCurrency tells a code of ISO 4217, in capitals, from other letters and from its
// codes for no currency and for tests.
func isCurrency(code string) bool {
	unit, err := currency.ParseISO(code)
	return err == nil && unit.String() == code && unit != currency.XXX && unit != currency.XTS
}

// validateDetails holds to its bounds what may change of a published event.
func validateDetails(d Details) error {
	invalid := func(words string) error { return ropeline.Errorf(ropeline.CodeInvalidRequest, "%s", words) }
	switch {
	case !line(d.Name, 1, 200):
		return invalid("The event needs a name of 1 to 200 characters, on one line.")
	case !text(d.Description, 0, 10_000):
		return invalid("The description must be text of at most 10,000 characters.")
	case !line(d.Venue.Name, 1, 200):
		return invalid("The venue needs a name of 1 to 200 characters, on one line.")
	case !line(d.Venue.Address, 0, 500) || !line(d.Venue.City, 0, 200):
		return invalid("The venue's address and city must be one line each, of at most 500 and 200 characters.")
	case d.StartsAt.IsZero():
		return invalid("starts_at is required.")
	case !tellable(d.StartsAt):
		return invalid("A date lies too far away.")
	}
	if _, err := time.LoadLocation(d.Venue.TimeZone); err != nil || d.Venue.TimeZone == "" {
		return invalid("The venue's time_zone must be an IANA name such as Europe/Vienna.")
	}
	return nil
}

// tellable tells whether JSON can carry a moment, by whatever clock: a year of
// 9999 in one zone is 10000 in UTC, which is what Postgres gives back.
func tellable(t time.Time) bool { y := t.UTC().Year(); return y >= 1 && y < 9999 }

// line tells whether s is text of the length without a line break or another
// control character: names go into subjects, calendars and tables.
func line(s string, least, most int) bool {
	breaks := func(r rune) bool { return unicode.In(r, unicode.Cc, unicode.Zl, unicode.Zp) }
	return text(s, least, most) && !strings.ContainsFunc(s, breaks)
}

// text tells whether s has the length and is text that Postgres can keep.
func text(s string, least, most int) bool {
	n := utf8.RuneCountInString(s)
	return n >= least && n <= most && utf8.ValidString(s) && !strings.ContainsRune(s, 0) && (least == 0 || strings.TrimSpace(s) != "")
}
