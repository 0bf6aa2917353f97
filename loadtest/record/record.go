package record

import (
	"sync"
	"time"

	"github.com/ropeline/ropeline"
)

// Step names what a fan was doing when it observed something.
type Step string

// The steps, in the order of a fan's way.
const (
	StepRun         Step = "run"         // the head of a record: RunFacts
	StepArrive      Step = "arrive"      // GET /events/{id}
	StepJoin        Step = "join"        // POST /events/{id}/queue
	StepSocket      Step = "socket"      // the WebSocket's handshake
	StepFrame       Step = "frame"       // one frame of the WebSocket
	StepClosed      Step = "closed"      // the server closed the WebSocket; Code is close_<number>
	StepPoll        Step = "poll"        // GET /events/{id}/queue
	StepLeave       Step = "leave"       // DELETE /events/{id}/queue
	StepEnter       Step = "enter"       // POST /events/{id}/enter
	StepReserve     Step = "reserve"     // POST /events/{id}/reserve-tickets
	StepReservation Step = "reservation" // GET /reservations/{id}
	StepRelease     Step = "release"     // DELETE /reservations/{id}
	StepOrder       Step = "order"       // POST /orders
	StepPay         Step = "pay"         // POST /sandbox/intents/{ref}/confirm
	StepOrderLook   Step = "order_look"  // GET /orders/{id}
	StepTickets     Step = "tickets"     // GET /users/me/tickets
	StepIntrude     Step = "intrude"     // a try that must be refused; Trick tells which
	StepStream      Step = "stream"      // the event stream's beginning
	StepLink        Step = "link"        // POST /events/{id}/queue/link and the opening of the link on another device
	StepScan        Step = "scan"        // the gate reads a ticket's code
	StepFault       Step = "fault"       // something befell the house: Code and Note; Fan is -1
	StepEnd         Step = "end"         // the fan went home: Outcome
)

// Observation is one thing that one fan saw. A record is a stream of them, the
// first with Step "run"; docs/loadtest.md has the format on disk. Wall time is
// the run's Started plus T. Fields that do not apply are left out.
type Observation struct {
	Fan     int        `json:"fan"`               // from 0, in the order of arrival; -1: the crowd
	T       int64      `json:"t"`                 // when the answer was read: microseconds of the monotonic clock since the run began
	Took    int64      `json:"took,omitempty"`    // microseconds from the request to T
	Late    int64      `json:"late,omitempty"`    // microseconds that the request went out after the moment at which it was meant to
	Every   int64      `json:"every,omitempty"`   // of looks that repeat: the microseconds meant to lie between two of them
	Step    Step       `json:"step"`              //
	Status  int        `json:"status,omitempty"`  // of HTTP; 0: not HTTP, or no answer
	Code    string     `json:"code,omitempty"`    // the problem's code; "transport": no answer came
	Conn    int64      `json:"conn,omitempty"`    // frames: the connection, unique in the run
	Key     string     `json:"key,omitempty"`     // the Idempotency-Key sent
	Trick   string     `json:"trick,omitempty"`   // of StepIntrude
	Lobby   bool       `json:"lobby,omitempty"`   // of join, frame, poll: the fan stands in the lobby
	Line    *LineFacts `json:"line,omitempty"`    // of join, frame, poll, outside the lobby
	Scan    *ScanFacts `json:"scan,omitempty"`    // of StepScan
	Note    string     `json:"note,omitempty"`    // of StepFault, in words
	Sale    *SaleFacts `json:"sale,omitempty"`    // of reserve and all that follow
	Run     *RunFacts  `json:"run,omitempty"`     // of StepRun
	Outcome Outcome    `json:"outcome,omitempty"` // of StepEnd
	Is      string     `json:"is,omitempty"`      // of StepEnd: the fan's behaviour
}

// Sent is when the request went out, on the scale of T.
func (o Observation) Sent() int64 { return o.T - o.Took }

// Meant is when the request was meant to go out.
func (o Observation) Meant() int64 { return o.T - o.Took - o.Late }

// LineFacts is what a fan was told about the line.
type LineFacts struct {
	Standing  ropeline.Standing `json:"standing"`
	Phase     ropeline.Phase    `json:"phase"`
	Epoch     int64             `json:"epoch"`
	Number    int64             `json:"number"`
	Position  int64             `json:"position"`
	Offset    string            `json:"offset,omitempty"`
	PassUntil int64             `json:"pass_until,omitempty"` // Unix microseconds, with standing "admitted"
}

// SaleFacts is what a fan was told about a reservation, an order or tickets.
type SaleFacts struct {
	Reservation string          `json:"reservation,omitempty"`
	Order       string          `json:"order,omitempty"`
	State       string          `json:"state,omitempty"`
	Payment     string          `json:"payment,omitempty"`  // the payment's state
	Deadline    int64           `json:"deadline,omitempty"` // Unix microseconds
	Items       []ropeline.Item `json:"items,omitempty"`
	Tickets     []TicketFacts   `json:"tickets,omitempty"`
}

// TicketFacts is one ticket as the fan holds it.
type TicketFacts struct {
	ID   string `json:"id"`
	Type string `json:"type"`
	Code string `json:"code"`
}

// ScanFacts is what the gate was told about one code.
type ScanFacts struct {
	Ticket string `json:"ticket"`
	First  bool   `json:"first"` // the gate let the holder in
}

// RunFacts is what the run was started with, and what the event announced.
type RunFacts struct {
	Event    ropeline.EventID                `json:"event"`
	Fans     int                             `json:"fans"`
	Seed     uint64                          `json:"seed"`
	Started  time.Time                       `json:"started"`
	Slack    time.Duration                   `json:"slack"` // nanoseconds
	Rule     *Rule                           `json:"rule,omitempty"`
	ShowUp   time.Duration                   `json:"show_up,omitempty"` // nanoseconds that a pass waits to be used; 0: not known
	Capacity map[ropeline.TicketTypeID]int64 `json:"capacity,omitempty"`
	DropAt   time.Time                       `json:"drop_at,omitzero"`
	Scenario string                          `json:"scenario,omitempty"` // its name
	Bots     []string                        `json:"bots,omitempty"`     // behaviours that are bots
	First    int                             `json:"first,omitempty"`    // index of the first fan, in a part of a run
}

// Sink takes observations, one at a time. A run calls its sinks from one
// goroutine at a time and in the order of reading, but for the few
// microseconds between reading an answer and handing it over.
type Sink interface{ See(Observation) }

// Memory keeps every observation; for tests.
type Memory struct {
	mu   sync.Mutex
	seen []Observation
}

// See keeps o.
func (m *Memory) See(o Observation) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.seen = append(m.seen, o)
}

// Seen is a copy of what was kept.
func (m *Memory) Seen() []Observation {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]Observation(nil), m.seen...)
}

// Rule is the pace that the organizer set and kept during the run.
type Rule struct {
	RatePerMinute int `json:"rate_per_minute"`
	Burst         int `json:"burst"`
}

// OK tells whether an observation is an answer of success.
func (o Observation) OK() bool { return o.Status >= 200 && o.Status < 300 }

// Wall is a moment of the run in Unix microseconds.
func (r *RunFacts) Wall(t int64) int64 { return r.Started.UnixMicro() + t }

// Unheard tells whether a fan, whose last word of the house speaks of the moment
// since, may have been called and have missed its turn by t without ever hearing
// of it: it had no answer for as long as a pass waits.
func (r *RunFacts) Unheard(since, t int64) bool {
	return r.ShowUp > 0 && t-since > r.ShowUp.Microseconds()
}

// Grace is the run's slack in microseconds.
func (r *RunFacts) Grace() int64 { return r.Slack.Microseconds() }

// HoldMayOutlast is what I9 grants a reservation beyond its deadline.
const HoldMayOutlast = 5 * time.Second
