package notify

import (
	"slices"
	"strings"
	"time"

	"github.com/ropeline/ropeline"
)

// ID names a message. It never changes, however often the message is sent.
type ID string

// Channel is how a message travels.
type Channel string

// The channels.
const (
	Email Channel = "email"
	SMS   Channel = "sms"
)

// Kind is what a message tells.
type Kind string

// The kinds; each has templates of its name.
const (
	Tickets        Kind = "tickets"         // the order is confirmed, here are the tickets
	PaymentFailed  Kind = "payment_failed"  // no money was taken, the order has ended
	PaymentRefused Kind = "payment_refused" // the money came, and no tickets could be given for it
	OrderCanceled  Kind = "order_canceled"  // an organizer has ended the order
	Refunded       Kind = "refunded"        // money went back; Note says why when that is the end of an order
	TurnNear       Kind = "turn_near"       // come back to the line, it is near
	TicketGiven    Kind = "ticket_given"    // somebody gave you a ticket, here it is
	TicketPassed   Kind = "ticket_passed"   // you gave a ticket away, its code is void
	TicketVoid     Kind = "ticket_void"     // a ticket that you were given lets nobody in any more
	EventChanged   Kind = "event_changed"
	EventCanceled  Kind = "event_canceled"
	Verify         Kind = "verify" // a new account's address
	Reset          Kind = "reset"  // a forgotten password
	Invite         Kind = "invite" // into an organization; Note says by whom and as what
)

// Kinds lists all kinds.
func Kinds() []Kind {
	return []Kind{Tickets, PaymentFailed, PaymentRefused, OrderCanceled, Refunded, TicketGiven, TicketPassed, TicketVoid, TurnNear, EventChanged, EventCanceled, Verify, Reset, Invite}
}

// Notice is a message to be sent: to whom, and about what. What it says is
// looked up when it is sent.
type Notice struct {
	ID      ID
	Dedupe  string // of two notices with the same key, one is sent
	Kind    Kind
	Channel Channel
	To      string // an address of the channel, checked by the caller
	Event   ropeline.EventID
	Subject string // the id of the order, refund or fan that it is about
	Data    Data
	Bulk    bool      // one of many alike: waits behind the others
	Posted  time.Time // told to Options.Facts
}

// Data is the part of a notice that cannot be looked up later.
type Data struct {
	Fan    ropeline.FanID    `json:"fan,omitempty"`
	Order  ropeline.OrderID  `json:"order,omitempty"`
	Ticket ropeline.TicketID `json:"ticket,omitempty"` // that was given away, or to them
	Money  *ropeline.Money   `json:"money,omitempty"`
	Ahead  int64             `json:"ahead,omitempty"` // fans before this one, when it was posted
	Fields []string          `json:"fields,omitempty"`
	Note   string            `json:"note,omitempty"`
	// URL is a link that lets whoever has it in; it is forgotten when the
	// message is sent.
	URL     string `json:"url,omitempty"`
	Minutes int    `json:"minutes,omitempty"` // that the link works
}

// after is what tells also of what was to be told before.
func (d Data) after(before Data) Data {
	fields := slices.Clone(before.Fields)
	for _, field := range d.Fields {
		if !slices.Contains(fields, field) {
			fields = append(fields, field)
		}
	}
	d.Fields = fields
	if before.Note != "" && before.Note != d.Note {
		d.Note = strings.TrimSpace(before.Note + "\n\n" + d.Note)
	}
	return d
}

// Message is a notice written out, for a Sender.
type Message struct {
	ID      ID
	To      string
	Subject string // not for SMS
	Text    string
	HTML    string // not for SMS
	Inline  []Inline
}

// Inline is a picture that the HTML part shows as cid:<CID>.
type Inline struct {
	CID  string
	Name string
	PNG  []byte
}

// Mask hides most of an address, for the log and for pages: f…@example.com,
// +43…89.
func Mask(address string) string {
	if local, domain, mail := strings.Cut(address, "@"); mail {
		first := ""
		for _, r := range local {
			first = string(r)
			break
		}
		return first + "…@" + domain
	}
	if len(address) > 6 {
		return address[:3] + "…" + address[len(address)-2:]
	}
	return "…"
}
