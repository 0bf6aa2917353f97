// Package paper writes what fans keep outside of the site: tickets as PDF, one
// page each, and an event as a calendar file (iCalendar, RFC 5545).
//
// It knows no engine and keeps nothing. The fonts are Go's own
// (golang.org/x/image/font/gofont, BSD licence), built in; they have Latin,
// Greek and Cyrillic letters. A letter that they lack is
// printed as a question mark: the ticket's code, which counts at the gate, has
// only letters that are there.
package paper
