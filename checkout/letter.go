package checkout

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/ropeline/ropeline"
)

// letterKind is what a letter asks of the clerk.
type letterKind string

const (
	letterReserve  letterKind = "reserve"
	letterRelease  letterKind = "release"
	letterChange   letterKind = "change"   // of a held reservation's items
	letterCapacity letterKind = "capacity" // of a ticket type
	// letterDue asks for nothing by itself: it makes the clerk look at what it is
	// owed in Postgres. It has no body that counts.
	letterDue letterKind = "due"
)

// letter is a request in an event's mailbox.
type letter struct {
	Kind        letterKind             `json:"k"`
	Reservation ropeline.ReservationID `json:"r,omitempty"`
	Fan         ropeline.FanID         `json:"f,omitempty"`
	Pass        string                 `json:"p,omitempty"`
	Items       []ropeline.Item        `json:"i,omitempty"`
	Op          string                 `json:"o,omitempty"` // names a change, of a reservation or a capacity
	Type        ropeline.TicketTypeID  `json:"t,omitempty"`
	Capacity    int                    `json:"c,omitempty"`
	By          string                 `json:"b,omitempty"` // the organizer
	hash        requestHash            // of the items; stands before the JSON
}

// requestHash tells two requests under one idempotency key apart.
type requestHash [8]byte

const hashText = 2 * len(requestHash{}) // bytes of a body that push.lua compares

const (
	mostItems    = 20
	mostQuantity = 1000
	mostPass     = 256 // bytes of a pass id
)

// id is the letter's name in the mailbox: the same request, the same name.
func (l letter) id() string {
	switch l.Kind {
	case letterReserve:
		return string(l.Reservation)
	case letterRelease:
		return "release:" + string(l.Reservation)
	case letterChange:
		return "change:" + string(l.Reservation) + ":" + l.Op
	case letterCapacity:
		return "capacity:" + l.Op
	}
	return "due"
}

func (l letter) body() string {
	text, _ := json.Marshal(l) // strings and numbers only: it cannot fail
	return hex.EncodeToString(l.hash[:]) + string(text)
}

// parseLetter reads a letter and checks everything that Postgres would choke
// on, so that one bad letter cannot spoil the batch of the others.
func parseLetter(event ropeline.EventID, id, body string) (letter, error) {
	var l letter
	if id == (letter{Kind: letterDue}).id() {
		return letter{Kind: letterDue}, nil
	}
	if len(body) < hashText {
		return l, fmt.Errorf("letter %q has no body", id)
	}
	if _, err := hex.Decode(l.hash[:], []byte(body[:hashText])); err != nil {
		return l, fmt.Errorf("letter %q: %w", id, err)
	}
	if err := json.Unmarshal([]byte(body[hashText:]), &l); err != nil {
		return l, fmt.Errorf("letter %q: %w", id, err)
	}
	if l.id() != id {
		return l, fmt.Errorf("letter %q calls itself %q", id, l.id())
	}
	return l, l.check(event)
}

// check tells whether Postgres can keep what the letter leads to, and the clerk
// knows its kind.
func (l letter) check(event ropeline.EventID) error {
	switch l.Kind {
	case letterCapacity:
		if l.Capacity < 0 || l.Capacity > MostCapacity || !nameForm(l.Op) || !textForm(l.By) {
			return fmt.Errorf("letter %q is not a capacity's", l.id())
		}
		_, err := ropeline.ParseID[ropeline.TicketTypeID](string(l.Type))
		return err
	case letterChange:
		if !nameForm(l.Op) {
			return fmt.Errorf("letter %q has no name", l.id())
		}
		if err := checkItems(l.Items); err != nil {
			return err
		}
	case letterReserve:
		if err := checkItems(l.Items); err != nil {
			return err
		}
		if err := checkPass(l.Pass); err != nil {
			return err
		}
	case letterRelease:
	case letterDue:
		return nil
	default:
		return fmt.Errorf("letter of the unknown kind %q", l.Kind)
	}
	if _, err := ropeline.ParseReservationID(string(l.Reservation)); err != nil {
		return err
	}
	if l.Reservation.Event() != event {
		return fmt.Errorf("letter %q is for another event", l.id())
	}
	_, err := ropeline.ParseID[ropeline.FanID](string(l.Fan))
	return err
}

// known are the letters that a clerk has put into its mailbox itself, by id.
type known map[string]knownLetter

type knownLetter struct {
	letter letter
	body   string
}

// known makes them of what was put in; p may be nil.
func (p *bundle) known() known {
	if p == nil {
		return nil
	}
	k := make(known, len(p.letters))
	for i, l := range p.letters {
		k[l.id()] = knownLetter{l, p.bodies[i]}
	}
	return k
}

// open is parseLetter, which is spared where the letter lay in the mailbox as it was
// put in.
func (k known) open(event ropeline.EventID, e envelope) (letter, error) {
	if own, ok := k[e.id]; ok && own.body == e.body {
		return own.letter, own.letter.check(event)
	}
	return parseLetter(event, e.id, e.body)
}

// nameForm tells whether s was made by decisionName.
func nameForm(s string) bool {
	_, err := hex.DecodeString(s)
	return len(s) == 32 && err == nil
}

// textForm tells whether s is text that Postgres can keep.
func textForm(s string) bool {
	return len(s) <= 1024 && utf8.ValidString(s) && !strings.ContainsRune(s, 0)
}

// checkItems holds the form of a request; its limits are the clerk's matter.
func checkItems(items []ropeline.Item) error {
	if len(items) == 0 || len(items) > mostItems {
		return ropeline.Errorf(ropeline.CodeInvalidQuantity, "A reservation has 1 to %d kinds of tickets.", mostItems)
	}
	for i, item := range items {
		if item.Quantity <= 0 || item.Quantity > mostQuantity {
			return ropeline.Errorf(ropeline.CodeInvalidQuantity, "A quantity is between 1 and %d.", mostQuantity)
		}
		if _, err := ropeline.ParseID[ropeline.TicketTypeID](string(item.TicketType)); err != nil {
			return err
		}
		for _, other := range items[:i] {
			if other.TicketType == item.TicketType {
				return ropeline.Errorf(ropeline.CodeInvalidQuantity, "Each kind of ticket may be named once.")
			}
		}
	}
	return nil
}

func checkPass(pass string) error {
	if len(pass) > mostPass || strings.ContainsFunc(pass, func(r rune) bool { return r < 0x20 || r > 0x7e }) {
		return ropeline.Errorf(ropeline.CodePassInvalid, "The pass is not one of ours.")
	}
	return nil
}

// hashItems is the same for the same items in the same order.
func hashItems(items []ropeline.Item) requestHash {
	text, _ := json.Marshal(items)
	sum := sha256.Sum256(text)
	return requestHash(sum[:8])
}

// MarshalText writes the hash in hex.
func (h requestHash) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, h[:]), nil }

// UnmarshalText reads what MarshalText wrote.
func (h *requestHash) UnmarshalText(text []byte) error {
	if len(text) != hashText {
		return fmt.Errorf("a request's hash has %d digits, not %d", hashText, len(text))
	}
	_, err := hex.Decode(h[:], text)
	return err
}
