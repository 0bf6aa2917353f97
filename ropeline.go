// Package ropeline is the vocabulary of the waiting room and box office: the
// words that every room uses, and nothing else. It imports the standard
// library only and holds no state, so any room, and any outside tool, may
// import it.
//
// The way of a fan through the words: a fan joins the line of an event and
// gets a number; admission gives the fan a pass; with the pass the fan enters
// and is a shopper; a shopper reserves, orders and pays; a paid order has
// tickets.
package ropeline

import (
	"fmt"
	"time"
)

// Phase is where an event stands on its way from announcement to close.
type Phase string

// The phases of an event, in order. An event that is sold out may go back to
// PhaseOnSale when held stock returns.
const (
	PhaseAnnounced Phase = "announced" // published, the lobby or the drop is still to come
	PhaseLobby     Phase = "lobby"     // fans enter the lobby; nobody has a number
	PhaseDrop      Phase = "drop"      // the lobby has closed, and its draw runs
	PhaseOnSale    Phase = "on_sale"   // the line is open, fans are admitted
	PhaseSoldOut   Phase = "sold_out"  // every ticket is sold
	PhaseClosed    Phase = "closed"    // the sale has ended
)

// Money is an amount in minor units (cents) of an ISO 4217 currency.
type Money struct {
	Minor    int64  `json:"minor"`
	Currency string `json:"currency"`
}

// String writes the amount in the major unit, as "12.50 EUR".
func (m Money) String() string {
	sign, minor := "", m.Minor
	if minor < 0 {
		sign, minor = "-", -minor
	}
	digits := currencyDigits(m.Currency)
	if digits == 0 {
		return fmt.Sprintf("%s%d %s", sign, minor, m.Currency)
	}
	unit := int64(1)
	for range digits {
		unit *= 10
	}
	return fmt.Sprintf("%s%d.%0*d %s", sign, minor/unit, digits, minor%unit, m.Currency)
}

// Times returns m multiplied by a quantity.
func (m Money) Times(quantity int) Money {
	return Money{Minor: m.Minor * int64(quantity), Currency: m.Currency}
}

// Digits is the number of decimal digits of the currency's minor unit.
func (m Money) Digits() int { return currencyDigits(m.Currency) }

// currencyDigits is the number of minor-unit digits, after ISO 4217 table A.1.
func currencyDigits(currency string) int {
	switch currency {
	case "JPY", "KRW", "CLP", "ISK", "VND", "XAF", "XOF", "XPF", "PYG", "UGX", "RWF", "KMF", "GNF", "DJF", "BIF", "VUV":
		return 0
	case "BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND":
		return 3
	}
	return 2
}

// Venue is where an event takes place.
type Venue struct {
	ID       VenueID `json:"id"`
	Name     string  `json:"name"`
	Address  string  `json:"address"`
	City     string  `json:"city"`
	TimeZone string  `json:"time_zone"` // IANA name, e.g. Europe/Vienna
}

// Event is something that tickets are sold for.
type Event struct {
	ID           EventID        `json:"id"`
	Name         string         `json:"name"`
	Description  string         `json:"description"`
	Venue        Venue          `json:"venue"`
	StartsAt     time.Time      `json:"starts_at"`
	LobbyAt      *time.Time     `json:"lobby_at,omitempty"`    // the lobby opens; nil: no lobby, no draw
	DropAt       time.Time      `json:"drop_at"`               // the lobby closes, the line opens and admission begins
	DrawnAt      *time.Time     `json:"drawn_at,omitempty"`    // the draw was done
	ClosesAt     time.Time      `json:"closes_at"`             // the sale ends
	OnePer       OnePer         `json:"one_per"`               // whom one number is for
	Organization OrganizationID `json:"organization"`          // whose event it is
	CanceledAt   *time.Time     `json:"canceled_at,omitempty"` // it does not take place
	LimitAcross  Across         `json:"limit_across"`          // which identities count as one fan for the limits
	Draft        bool           `json:"draft,omitempty"`       // not published: nobody sees it but its organizers
	Picture      *Picture       `json:"picture,omitempty"`     // nil: it has none
	TicketTypes  []TicketType   `json:"ticket_types"`
}

// Picture is an event's picture in several widths.
type Picture struct {
	Hash  string        `json:"hash"`  // of its content: another picture has another
	Alt   string        `json:"alt"`   // what it shows, in words
	Sizes []PictureSize `json:"sizes"` // the narrowest first; at least one
}

// PictureSize is one rendition, in pixels; it is a JPEG at URL.
type PictureSize struct {
	Width  int    `json:"width"`
	Height int    `json:"height"`
	URL    string `json:"url"`
}

// OnePer is whom one number in the line of an event is for.
type OnePer string

// A browser is a fan without any account; an event may ask for one, and then
// all devices of an account stand on one number.
const (
	OnePerFan     OnePer = "fan"
	OnePerAccount OnePer = "account"
)

// PhaseAt is the phase of the event at a moment, by its schedule, by whether
// its draw is done, and by whether its stock is sold.
func (e Event) PhaseAt(now time.Time, soldOut bool) Phase {
	switch {
	case !now.Before(e.ClosesAt), e.CanceledAt != nil:
		return PhaseClosed
	case now.Before(e.DropAt):
		if e.LobbyAt != nil && !now.Before(*e.LobbyAt) {
			return PhaseLobby
		}
		return PhaseAnnounced
	case e.LobbyAt != nil && e.DrawnAt == nil:
		return PhaseDrop
	case soldOut:
		return PhaseSoldOut
	}
	return PhaseOnSale
}

// TicketType is one kind of ticket of an event.
type TicketType struct {
	ID          TicketTypeID `json:"id"`
	Name        string       `json:"name"`
	Price       Money        `json:"price"`
	Capacity    int          `json:"capacity"`
	MaxPerOrder int          `json:"max_per_order"`        // tickets in one reservation
	MaxPerFan   int          `json:"max_per_fan"`          // over a fan's holds and orders together
	SaleFrom    *time.Time   `json:"sale_from,omitempty"`  // nil: from the drop on
	SaleUntil   *time.Time   `json:"sale_until,omitempty"` // nil: until the event's sale ends
}

// Item is a quantity of one ticket type.
type Item struct {
	TicketType TicketTypeID `json:"ticket_type"`
	Quantity   int          `json:"quantity"`
}
