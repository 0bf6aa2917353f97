package record

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
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
	StepEnd         Step = "end"         // the fan went home: Outcome
)

// Observation is one thing that one fan saw; a record is one JSON object of
// this form a line, the first of them with Step "run". Wall time is the run's
// Started plus T. Fields that do not apply are left out.
type Observation struct {
	Fan     int        `json:"fan"`               // from 0, in the order of arrival; -1: the crowd
	T       int64      `json:"t"`                 // when the answer was read: microseconds of the monotonic clock since the run began
	Took    int64      `json:"took,omitempty"`    // microseconds from the request to T
	Step    Step       `json:"step"`              //
	Status  int        `json:"status,omitempty"`  // of HTTP; 0: not HTTP, or no answer
	Code    string     `json:"code,omitempty"`    // the problem's code; "transport": no answer came
	Conn    int64      `json:"conn,omitempty"`    // frames: the connection, unique in the run
	Key     string     `json:"key,omitempty"`     // the Idempotency-Key sent
	Trick   string     `json:"trick,omitempty"`   // of StepIntrude
	Line    *LineFacts `json:"line,omitempty"`    // of join, frame, poll
	Sale    *SaleFacts `json:"sale,omitempty"`    // of reserve and all that follow
	Run     *RunFacts  `json:"run,omitempty"`     // of StepRun
	Outcome Outcome    `json:"outcome,omitempty"` // of StepEnd
	Is      string     `json:"is,omitempty"`      // of StepEnd: the fan's behaviour
}

// Sent is when the request went out, on the scale of T.
func (o Observation) Sent() int64 { return o.T - o.Took }

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

// RunFacts is what the run was started with, and what the event announced.
type RunFacts struct {
	Event    ropeline.EventID                `json:"event"`
	Fans     int                             `json:"fans"`
	Seed     uint64                          `json:"seed"`
	Started  time.Time                       `json:"started"`
	Slack    time.Duration                   `json:"slack"` // nanoseconds
	Rule     *Rule                           `json:"rule,omitempty"`
	Capacity map[ropeline.TicketTypeID]int64 `json:"capacity,omitempty"`
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

// Writer streams observations as NDJSON. The first failure to write stops
// the stream and is told by Flush; the run goes on without a record.
type Writer struct {
	buf *bufio.Writer
	enc *json.Encoder
	err error
}

// NewWriter returns a Writer to w; Flush must be called at the end.
func NewWriter(w io.Writer) *Writer {
	buf := bufio.NewWriterSize(w, 64<<10)
	return &Writer{buf: buf, enc: json.NewEncoder(buf)}
}

// See writes o as one line.
func (w *Writer) See(o Observation) {
	if w.err == nil {
		w.err = w.enc.Encode(o)
	}
}

// Flush writes what is buffered and returns the stream's first failure.
func (w *Writer) Flush() error {
	if w.err != nil {
		return w.err
	}
	return w.buf.Flush()
}

// Replay reads a record and hands every observation to the sinks, in
// constant memory. It fails on the first line that is not an observation.
func Replay(r io.Reader, sinks ...Sink) error {
	dec := json.NewDecoder(bufio.NewReaderSize(r, 64<<10))
	for line := 1; ; line++ {
		var o Observation
		if err := dec.Decode(&o); err == io.EOF {
			return nil
		} else if err != nil {
			return fmt.Errorf("record, observation %d: %w", line, err)
		}
		if line == 1 && o.Step != StepRun {
			return fmt.Errorf("record: the first observation is %q, not the run's head", o.Step)
		}
		for _, s := range sinks {
			s.See(o)
		}
	}
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

// Grace is the run's slack in microseconds.
func (r *RunFacts) Grace() int64 { return r.Slack.Microseconds() }

// HoldMayOutlast is what I9 grants a reservation beyond its deadline.
const HoldMayOutlast = 5 * time.Second
