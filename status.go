package ropeline

import "time"

// Standing is what a fan is to the line of one event.
type Standing string

// The standings. Lobby leads to Waiting, by the draw; Waiting to Admitted;
// Admitted to Shopping (the pass was redeemed) or Gone (it was not, in time); Shopping to Gone when the time
// to shop ends. A fan who is Gone or who left may join again, at the end.
const (
	StandingLobby    Standing = "lobby"
	StandingWaiting  Standing = "waiting"
	StandingAdmitted Standing = "admitted"
	StandingShopping Standing = "shopping"
	StandingGone     Standing = "gone"
)

// ReasonLineRebuilt is why a position may rise: Redis lost the line or its last
// moments, and fans ahead come back to their own numbers.
const ReasonLineRebuilt = "line_rebuilt"

// Status is what a fan is told about the line: the answer to a join, to a
// poll and every frame of a WebSocket or an event stream; docs/protocol.md
// tells when each field is there. Fields that do not apply are left out.
// Position counts the fans ahead: 0 is the head of the line. In the lobby
// nobody has a number: Number and Position are -1 until the draw, and Waiting
// counts the fans in the lobby. AppendJSON must know every field; a test holds
// it to the tags.
type Status struct {
	Event    EventID  `json:"event"`
	Phase    Phase    `json:"phase"`
	Standing Standing `json:"standing"`
	Paused   bool     `json:"paused,omitempty"`
	Epoch    int64    `json:"epoch"`            // rises when the line was rebuilt after a loss
	Offset   string   `json:"offset,omitempty"` // feed position, to resume from
	Number   int64    `json:"number"`
	Position int64    `json:"position"`
	Waiting  int64    `json:"waiting"`          // fans in the line, all together
	Reason   string   `json:"reason,omitempty"` // why the position may be higher than it was
	// Wait is a range of seconds until admission; absent when not known.
	Wait *Range `json:"wait,omitempty"`
	// Place proves the number; the fan keeps it and shows it again.
	Place string `json:"place,omitempty"`
	// Pass is given with StandingAdmitted and is good until PassUntil.
	Pass      string     `json:"pass,omitempty"`
	PassUntil *time.Time `json:"pass_until,omitempty"`
	// ShopUntil is given with StandingShopping.
	ShopUntil *time.Time `json:"shop_until,omitempty"`
	// DropAt is given with StandingLobby: when the lobby closes and the draw begins.
	DropAt *time.Time `json:"drop_at,omitempty"`
	// Stock is given with StandingShopping: what is left now.
	Stock []Left `json:"stock,omitempty"`
	// Announcement is what the organizer tells everybody now.
	Announcement *Announcement `json:"announcement,omitempty"`
	// NextMS asks the fan not to poll again sooner than this many milliseconds.
	NextMS int64 `json:"next_ms,omitempty"`
	// FanToken is given once, to a fan who came without an identity.
	FanToken string `json:"fan_token,omitempty"`
}

// Announcement is one line from the organizer to everybody who waits or
// shops, until it is taken back, replaced or over.
type Announcement struct {
	ID   string    `json:"id"`
	Text string    `json:"text"`
	At   time.Time `json:"at"`
}

// Left is what nobody holds or owns of one ticket type.
type Left struct {
	TicketType TicketTypeID `json:"id"`
	Available  int64        `json:"available"`
}

// Range is a low and a high estimate in seconds.
type Range struct {
	Low  int64 `json:"low"`
	High int64 `json:"high"`
}
