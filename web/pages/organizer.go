package pages

import (
	"net/http"
	"time"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/queue/draw"
)

// LoginView is the organizer's sign-in.
type LoginView struct {
	Frame
	Email   string // as typed before, to correct it
	Problem string // why signing in did not work; the response is then a 401
	Next    string // where to go afterwards; a path of ours
}

// OrganizerView is the organizer's list of events.
type OrganizerView struct {
	Frame
	Events []OrganizerRow
	// Owner: messages and background work are shown to the owner.
	Owner      bool
	MailLogged bool   // no mail server is configured
	Places     []Link // organizations, and what else there is
	New        NewEvent
}

// NewEvent is the form of a new event, as it was typed. Times are as a form
// field has them, by the venue's clock.
type NewEvent struct {
	Name, Description, Venue, City, Address, Zone string
	Lobby, Drop, Closes, Starts                   string
	Types                                         []NewType
	Currency, Rate, Burst, OnePer, Shoppers       string
	Fans                                          string // expected, for the preview alone
	Key                                           string // names what the form does, so that it is done once
	Preview                                       string // what the numbers lead to, in words
	Problem                                       string // what was wrong with it
	Status                                        int    // of the answer; 0: 200
}

// NewType is a row of it.
type NewType struct{ Name, Price, Capacity, Most string }

// FreshEvent is the form before anything was typed.
func FreshEvent() NewEvent {
	return NewEvent{Types: []NewType{{Most: "4"}}, Currency: "EUR", Rate: "300", Burst: "20", OnePer: "fan", Shoppers: "200", Fans: "10000"}
}

// OrganizerRow is one event in numbers.
type OrganizerRow struct {
	Event    ropeline.Event
	Phase    ropeline.Phase
	Waiting  int64
	Shoppers int64
	Sold     int
	Capacity int
	Revenue  ropeline.Money
}

// Rules are admission rules as the organizer sees them.
type Rules struct {
	Version       int64
	RatePerMinute int
	Burst         int
	MaxShoppers   int
	Batch         int
	Paused        bool
	StockGate     bool
	ShowUpSeconds int
	ShopSeconds   int
	ChangedBy     string
	ChangedAt     time.Time

	Schedule          string // "5:600, 10:900": minutes after the drop, and the rate from then on
	CompensatePercent int
	Work              int // what joining costs a browser; 0: nothing

	Changes string // what this version changed, in words; "" for the first
}

// OrganizerEventView is the desk for one event. The numbers come alive in the
// browser from GET /admin/events/{id}/live.
type OrganizerEventView struct {
	Frame
	Offer
	Rules   Rules
	History []Rules      // newest first
	Draw    *draw.Record // nil: no lobby, no draw
	// Sequence is how often the event was changed; Starts when it begins, as a
	// form field has it, by the venue's clock. Changed: it was, just now.
	Sequence int
	Starts   string
	Changed  bool
	Key      string // names what the page's form for the same again does

	Thresholds        *Thresholds // nil: orders are not scored
	ThresholdsChanged bool        // just now
}

// Thresholds are what an event does with the scores of its orders.
type Thresholds struct {
	Version            int64 // 0: the defaults
	Enabled            bool
	ReviewAt, RejectAt string // per cent
	ReviewHours        int
	AtDeadline         string // approve | reject
	ChangedBy          string
	ChangedAt          time.Time
}

// TakesValue tells whether the draw may still be given its promised value.
func (v OrganizerEventView) TakesValue() bool {
	return v.Draw != nil && v.Draw.Source != draw.None && v.Draw.MixedFrom == ""
}

// Login writes the sign-in page.
func (r *Renderer) Login(w http.ResponseWriter, v LoginView) error {
	v.settle()
	status := http.StatusOK
	if v.Problem != "" {
		status = http.StatusUnauthorized
	}
	return r.draw(w, status, "login", &v)
}

// Organizer writes the list of events with the form for a new one.
func (r *Renderer) Organizer(w http.ResponseWriter, v OrganizerView) error {
	v.settle()
	return r.draw(w, max(v.New.Status, http.StatusOK), "organizer", &v)
}

// OrganizerEvent writes the desk for one event.
func (r *Renderer) OrganizerEvent(w http.ResponseWriter, v OrganizerEventView) error {
	v.settle()
	return r.draw(w, http.StatusOK, "organizer_event", &v)
}

// ReviewsView is the queue of an event's orders that wait for a person.
type ReviewsView struct {
	Frame
	Events  []ropeline.Event // to choose from
	Event   ropeline.Event
	Reviews []Review
	Next    string // address of the next page; "" at the end
}

// Review is one of them.
type Review struct {
	Order      ropeline.OrderID
	Email      string
	Total      ropeline.Money
	Placed     time.Time
	Percent    int // probability of fraud
	Reasons    []string
	Deadline   time.Time
	AtDeadline string // approve | reject: what happens then by itself
}

// Reviews writes the review queue.
func (r *Renderer) Reviews(w http.ResponseWriter, v ReviewsView) error {
	v.settle()
	return r.draw(w, http.StatusOK, "reviews", &v)
}
