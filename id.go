package ropeline

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/binary"
	"strings"
	"time"
)

// Identifiers are 26 lower-case characters of base32hex (RFC 4648, section 7,
// without padding): 48 bits of Unix milliseconds, then 80 random bits. They
// sort by their time of birth, as ULIDs do.
type (
	EventID        string
	VenueID        string
	TicketTypeID   string
	FanID          string
	AccountID      string
	OrganizationID string
	OrderID        string
	PaymentID      string
	RefundID       string
	DisputeID      string
	TicketID       string
	ReservationID  string // see NewReservationID: it names its event
)

// HouseOrganization is the house's own organization, which every house has.
const HouseOrganization OrganizationID = "00000000000000000000000000"

const idLength = 26

var idEncoding = base32.NewEncoding("0123456789abcdefghijklmnopqrstuv").WithPadding(base32.NoPadding)

// NewID mints an identifier of any of the kinds above.
func NewID[T ~string]() T {
	var raw [16]byte
	binary.BigEndian.PutUint64(raw[:8], uint64(time.Now().UnixMilli())<<16)
	rand.Read(raw[6:])
	var text [32]byte
	return T(idEncoding.AppendEncode(text[:0], raw[:]))
}

// ParseID checks the form of an identifier that came from outside.
func ParseID[T ~string](s string) (T, error) {
	if !validID(s) {
		return "", Errorf(CodeInvalidID, "%q is not an identifier.", shorten(s))
	}
	return T(s), nil
}

// NewReservationID names a reservation request by its event and by 16 bytes
// that the caller derives from the fan and the idempotency key, so that the
// same request always has the same id and the id tells which event's mailbox
// holds it: "<event>-<request>".
func NewReservationID(event EventID, request [16]byte) ReservationID {
	return ReservationID(string(event) + "-" + idEncoding.EncodeToString(request[:]))
}

// ParseReservationID checks the form of a reservation id from outside.
func ParseReservationID(s string) (ReservationID, error) {
	event, request, found := strings.Cut(s, "-")
	if !found || !validID(event) || !validID(request) {
		return "", Errorf(CodeInvalidID, "%q is not a reservation's identifier.", shorten(s))
	}
	return ReservationID(s), nil
}

// Event is the event that the reservation belongs to.
func (id ReservationID) Event() EventID {
	event, _, _ := strings.Cut(string(id), "-")
	return EventID(event)
}

func validID(s string) bool {
	if len(s) != idLength {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'v') {
			return false
		}
	}
	return true
}

func shorten(s string) string {
	if len(s) > 64 {
		return s[:64] + "…"
	}
	return s
}
