package notify

import (
	"time"

	"github.com/ropeline/ropeline"
)

// Facts are what a message says, as it is when it is sent. Each kind needs its
// part; see words.
type Facts struct {
	Event     ropeline.Event
	PublicURL string // without a slash at the end
	Items     []Item
	Total     ropeline.Money
	Tickets   []Ticket
	Money     ropeline.Money // that goes back
	Ahead     int64          // fans before one in the line
	Wait      time.Duration  // estimated; 0: not known
	Reason    string         // why an order was not filled; "": not known
	From, To  string         // addresses, of a ticket that was given away
}

// Item is a line of an order's bill.
type Item struct {
	Quantity int
	Name     string
	Unit     ropeline.Money
}

// Ticket is one ticket; Code is what its QR code carries.
type Ticket struct {
	ID   ropeline.TicketID
	Name string
	Code string
}
