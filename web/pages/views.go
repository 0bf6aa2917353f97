package pages

import (
	"net/http"
	"time"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/queue/draw"
)

// Frame is what every view carries.
type Frame struct {
	Now       time.Time // the server's clock, which the page's countdowns follow; zero: time.Now()
	Organizer string    // e-mail address of the organizer who is signed in, "" for nobody
}

func (f *Frame) settle() {
	if f.Now.IsZero() {
		f.Now = time.Now()
	}
}

// Offer is an event as it stands now.
type Offer struct {
	ropeline.Event
	Phase ropeline.Phase
	// Available is the tickets left by type; a type that is missing is not
	// known, and the page says nothing about it.
	Available map[ropeline.TicketTypeID]int
}

// EventsView is the list of events.
type EventsView struct {
	Frame
	Events                       []Offer
	Next                         string // address of the next page of the list; "" at the end
	Query, When, Place, From, To string // the filter, as asked
	Filtered                     bool
}

// EventView is one event before a fan joins its line.
type EventView struct {
	Frame
	Offer
	InLine   bool   // the fan has a place: the page offers the way back to it
	Shopping bool   // the fan is a shopper now
	Problem  string // why joining did not work, in words; "" for no trouble
}

// LineView is the waiting page. The address shows every standing; a fan who is
// not in the line has Status.Standing "".
type LineView struct {
	Frame
	Offer
	Status ropeline.Status
	// Start is the fan's position when joining, for the progress bar; when it
	// is 0 the browser remembers its own.
	Start   int64
	ShowUp  time.Duration // how long a pass is good; 0: not told
	Problem string        // e.g. why entering did not work
	Tell    bool          // a message may be asked for
	TellSMS bool          // also a text message
	Alert   string        // where it goes to, masked; "": nobody asked
}

// ShopView is the shop of an admitted fan.
type ShopView struct {
	Frame
	Offer
	ShopUntil time.Time
	Announced string // what the organizer tells everybody; "" for nothing
	// Reservation is what the fan holds already, if the handler knows of one.
	Reservation *Reservation
}

// Reservation is stock held for a shopper.
type Reservation struct {
	ID       ropeline.ReservationID
	Items    []Item
	Total    ropeline.Money
	Deadline time.Time
}

// Item is one line of a bill.
type Item struct {
	Name     string
	Quantity int
	Unit     ropeline.Money
}

// OrderView is an order with its payment and tickets.
type OrderView struct {
	Frame
	Event     ropeline.Event
	ID        ropeline.OrderID
	State     string // pending | paid | expired | canceled
	Email     string
	Items     []Item
	Total     ropeline.Money
	CreatedAt time.Time
	Deadline  time.Time // of the hold
	Payment   Payment
	Tickets   []Ticket
	Review    string // waiting: a person looks at it first; rejected
	Refunds   []Refund
	Message   string // why it was canceled, when somebody said so
	Resend    bool   // the tickets can be sent again
}

// Refund is money that goes back.
type Refund struct {
	Amount ropeline.Money
	Words  string // where it is
}

// Payment is the state of the money of an order.
type Payment struct {
	State string // created | pending | authorized | confirmed | failed | canceled
	Page  string // where the fan pays, while that is possible
	// Dispute is how a complaint of the payer at the bank stands, in the
	// gateway's words; empty: there is none.
	Dispute string
}

// Ticket is one ticket. The page shows /tickets/{id}/qr.png beside it.
type Ticket struct {
	ID    ropeline.TicketID
	Name  string // of its type
	Code  string
	State string // issued | checked_in | transferred | revoked
	To    string // address that a transferred one was given to
}

// TicketsView is every ticket of a fan.
type TicketsView struct {
	Frame
	Groups []TicketGroup
}

// TicketGroup is the tickets of one order.
type TicketGroup struct {
	Event   ropeline.Event
	Order   ropeline.OrderID // "" for tickets that somebody else bought
	Tickets []Ticket
}

// SandboxView is the payment page of the sandbox gateway.
type SandboxView struct {
	Frame
	Ref          string
	ClientSecret string
	Order        ropeline.OrderID
	EventName    string
	Items        []Item
	Total        ropeline.Money
	State        string // of the payment, as in Payment
	Deadline     time.Time
	Cards        []SandboxCard // test cards to choose from, the usual one first
}

// StripeView is the payment page with Stripe's card form.
type StripeView struct {
	Frame
	Key          string // publishable
	ClientSecret string
	Order        ropeline.OrderID
	EventName    string
	Items        []Item
	Total        ropeline.Money
	Failure      string // why the last attempt was declined
	Deadline     time.Time
}

// SandboxCard is a test card of the sandbox gateway.
type SandboxCard struct {
	Number  string
	Country string
	Risk    string // normal | elevated | highest
}

// LinkView shows a recovery link.
type LinkView struct {
	Frame
	URL  string
	QR   string // data: URL of a PNG
	Life time.Duration
	Line string // address of the waiting page
}

// ConfirmView asks before something is done that cannot be undone.
type ConfirmView struct {
	Frame
	Title  string
	Detail string
	Action string // where the answer yes is posted, with sure=yes
	Yes    string
	No     Link
	Danger bool    // the answer yes takes something away
	Hidden []Field // what the question was about, posted with the answer
}

// FairnessView is the page that checks the draw of an event.
type FairnessView struct {
	Frame
	Event  ropeline.Event
	Record draw.Record
}

// Entrants is how many fans were in the lobby when it closed.
func (v FairnessView) Entrants() int64 {
	if v.Record.Entrants == nil {
		return 0
	}
	return *v.Record.Entrants
}

// Link is a way on.
type Link struct{ Text, Href string }

// ProblemView is an error in words: what happened and what to do.
type ProblemView struct {
	Frame
	Status int // of the response
	Code   ropeline.Code
	Title  string // "" takes the words for the code
	Detail string
	Next   Link // the zero Link leads to the events
}

// Events writes the list of events.
func (r *Renderer) Events(w http.ResponseWriter, v EventsView) error {
	v.settle()
	return r.draw(w, http.StatusOK, "events", &v)
}

// Event writes the page of one event.
func (r *Renderer) Event(w http.ResponseWriter, v EventView) error {
	v.settle()
	return r.draw(w, http.StatusOK, "event", &v)
}

// Line writes the waiting page.
func (r *Renderer) Line(w http.ResponseWriter, v LineView) error {
	v.settle()
	return r.draw(w, http.StatusOK, "line", &v)
}

// Shop writes the shop.
func (r *Renderer) Shop(w http.ResponseWriter, v ShopView) error {
	v.settle()
	return r.draw(w, http.StatusOK, "shop", &v)
}

// Fairness writes the page that checks a draw.
func (r *Renderer) Fairness(w http.ResponseWriter, v FairnessView) error {
	v.settle()
	return r.draw(w, http.StatusOK, "fairness", &v)
}

// Order writes an order.
func (r *Renderer) Order(w http.ResponseWriter, v OrderView) error {
	v.settle()
	return r.draw(w, http.StatusOK, "order", &v)
}

// StripePay writes the payment page with Stripe's card form.
func (r *Renderer) StripePay(w http.ResponseWriter, v StripeView) error {
	v.settle()
	w.Header().Set("Content-Security-Policy", StripePolicy)
	return r.draw(w, http.StatusOK, "stripe_pay", &v)
}

// SandboxPay writes the sandbox's payment page.
func (r *Renderer) SandboxPay(w http.ResponseWriter, v SandboxView) error {
	v.settle()
	return r.draw(w, http.StatusOK, "sandbox_pay", &v)
}

// Tickets writes the tickets of a fan.
func (r *Renderer) Tickets(w http.ResponseWriter, v TicketsView) error {
	v.settle()
	return r.draw(w, http.StatusOK, "tickets", &v)
}

// Link writes a recovery link.
func (r *Renderer) Link(w http.ResponseWriter, v LinkView) error {
	v.settle()
	return r.draw(w, http.StatusOK, "link", &v)
}

// Confirm writes a question.
func (r *Renderer) Confirm(w http.ResponseWriter, v ConfirmView) error {
	v.settle()
	return r.draw(w, http.StatusOK, "confirm", &v)
}

// Problem writes an error page with the view's status; 500 when it has none.
func (r *Renderer) Problem(w http.ResponseWriter, v ProblemView) error {
	v.settle()
	if v.Status == 0 {
		v.Status = http.StatusInternalServerError
	}
	if v.Title == "" {
		v.Title = problemTitle(v.Code)
	}
	if v.Next == (Link{}) {
		v.Next = Link{Text: "See all events", Href: "/"}
	}
	return r.draw(w, v.Status, "problem", &v)
}

// Scene is which of the waiting page's scenes a fan sees; static/js/line.js
// decides the same way for every later status.
func (v LineView) Scene() string {
	s := v.Status
	switch {
	case s.Standing == ropeline.StandingAdmitted:
		return "turn"
	case s.Standing == ropeline.StandingShopping:
		return "shopping"
	case v.Phase == ropeline.PhaseClosed:
		return "closed"
	case s.Standing == ropeline.StandingGone:
		return "gone"
	case s.Standing == "":
		return "absent"
	case s.Standing == ropeline.StandingLobby:
		return "lobby"
	case v.Phase == ropeline.PhaseSoldOut:
		return "soldout"
	}
	return "waiting"
}

// Refresh is the seconds after which the page asks again without JavaScript;
// 0 when nothing more can change by waiting.
func (v LineView) Refresh() int {
	switch v.Scene() {
	case "waiting":
		return 5
	case "lobby":
		return 10
	case "turn", "soldout":
		return 20
	}
	return 0
}

// Open tells whether joining the line makes sense now.
func (o Offer) Open() bool {
	switch o.Phase {
	case ropeline.PhaseLobby, ropeline.PhaseDrop, ropeline.PhaseOnSale, ropeline.PhaseSoldOut:
		return true
	}
	return false
}

// OpensAt is when fans may come: into the lobby if there is one, else into the
// line.
func (o Offer) OpensAt() time.Time {
	if o.LobbyAt != nil {
		return *o.LobbyAt
	}
	return o.DropAt
}
