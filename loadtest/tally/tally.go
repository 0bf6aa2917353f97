package tally

import (
	"slices"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/loadtest/record"
)

// Latencies are kept from 1 µs to one minute, to three significant digits.
const slowest = int64(time.Minute / time.Microsecond)

// Tally is a record.Sink that counts: the funnel, the outcomes by behaviour,
// the problems met, and how long answers took.
//
// A latency counts from the moment at which the request was meant to go out,
// so a tester or a server that falls behind cannot hide its own delay; and a
// look that repeats counts, when one took longer than the time between two,
// also for those that could not be made meanwhile (coordinated omission).
type Tally struct {
	Run      record.RunFacts
	Took     time.Duration
	Funnel   Funnel
	Outcomes map[record.Outcome]int
	By       map[string]map[record.Outcome]int // behaviour → outcome → fans
	Tickets  map[string]int                    // behaviour → tickets
	Problems map[Problem]int
	Latency  map[record.Step]*hdrhistogram.Histogram // microseconds, corrected
	Service  map[record.Step]*hdrhistogram.Histogram // microseconds from the sending alone
	Late     *hdrhistogram.Histogram                 // microseconds that requests went out late: the tester's own health
	Waited   *hdrhistogram.Histogram                 // from the first number to admission, milliseconds
	Series   Series

	fans map[int]*progress
}

// Funnel counts the fans who came at least so far, and the tickets they got.
type Funnel struct {
	Arrived  int `json:"arrived"`
	Joined   int `json:"joined"`
	Admitted int `json:"admitted"`
	Entered  int `json:"entered"`
	Held     int `json:"held"`
	Ordered  int `json:"ordered"`
	Paid     int `json:"paid"`
	Tickets  int `json:"tickets"`
}

// Problem is what answers were not good for.
type Problem struct {
	Step record.Step
	Code string
}

type progress struct {
	joinedAt                                         int64
	joined, admitted, entered, held, ordered, bought bool
	inLine, inLobby, inShop                          bool
	tickets                                          int
}

// New returns an empty Tally.
func New() *Tally {
	return &Tally{
		Outcomes: make(map[record.Outcome]int),
		By:       make(map[string]map[record.Outcome]int),
		Tickets:  make(map[string]int),
		Problems: make(map[Problem]int),
		Latency:  make(map[record.Step]*hdrhistogram.Histogram),
		Service:  make(map[record.Step]*hdrhistogram.Histogram),
		Late:     hdrhistogram.New(1, slowest, 3),
		Waited:   hdrhistogram.New(1, int64(24*time.Hour/time.Millisecond), 3),
		Series:   newSeries(),
		fans:     make(map[int]*progress),
	}
}

// Waiting, Shopping and Errors are the state of the moment, for a progress line.
func (t *Tally) Waiting() int { return t.Series.now.Line + t.Series.now.Lobby }

// Errors counts the answers that were not good.
func (t *Tally) Errors() (n int) {
	for p, count := range t.Problems {
		if p.Code == "transport" || len(p.Code) > 5 && p.Code[:6] == "http_5" || p.Code == string(ropeline.CodeUnavailable) {
			n += count
		}
	}
	return n
}

// See counts o.
func (t *Tally) See(o record.Observation) {
	t.Took = max(t.Took, time.Duration(o.T)*time.Microsecond)
	switch {
	case o.Run != nil:
		t.Run = *o.Run
		return
	case o.Step == record.StepFault:
		return // the judge tells what came of it
	case o.Step == record.StepEnd:
		t.end(o)
		return
	}
	t.time(o)
	if o.Fan < 0 {
		return
	}
	bin := t.Series.at(o.T)
	if o.Code != "" && o.Step != record.StepIntrude {
		t.Problems[Problem{o.Step, o.Code}]++
		if o.Status == 0 && o.Step != record.StepClosed || o.Status >= 500 {
			bin.Errors++
		}
	}
	p := t.fans[o.Fan]
	if p == nil {
		p = &progress{}
		t.fans[o.Fan] = p
		t.Funnel.Arrived++
		bin.Arrived++
	}
	t.advance(p, o, bin)
	t.Series.settle(bin)
}

func histogram(of map[record.Step]*hdrhistogram.Histogram, step record.Step) *hdrhistogram.Histogram {
	h := of[step]
	if h == nil {
		h = hdrhistogram.New(1, slowest, 3)
		of[step] = h
	}
	return h
}

// time records how long an answer took.
func (t *Tally) time(o record.Observation) {
	if o.Took <= 0 || o.Status == 0 && o.Code != "transport" {
		return
	}
	took := min(o.Took+o.Late, slowest)
	histogram(t.Service, o.Step).RecordValue(min(o.Took, slowest))
	if o.Every > 0 {
		histogram(t.Latency, o.Step).RecordCorrectedValue(took, o.Every)
	} else {
		histogram(t.Latency, o.Step).RecordValue(took)
	}
	t.Late.RecordValue(min(max(o.Late, 1), slowest))
	t.Series.time(o.T, o.Step, took)
}

// advance moves a fan down the funnel.
func (t *Tally) advance(p *progress, o record.Observation, bin *Bin) {
	pass := func(gate *bool, count, also *int, open bool) bool {
		if *gate || !open {
			return false
		}
		*gate = true
		*count++
		if also != nil {
			*also++
		}
		return true
	}
	now := &t.Series.now
	move := func(gate *bool, count *int, in bool) {
		if *gate != in {
			*gate = in
			if in {
				*count++
			} else {
				*count--
			}
		}
	}
	if o.Lobby {
		pass(&p.joined, &t.Funnel.Joined, &bin.Joined, true)
		move(&p.inLobby, &now.Lobby, true)
	}
	if o.Line != nil {
		move(&p.inLobby, &now.Lobby, false)
		move(&p.inLine, &now.Line, o.Line.Standing == ropeline.StandingWaiting)
		pass(&p.joined, &t.Funnel.Joined, &bin.Joined, true)
		if p.joinedAt == 0 {
			p.joinedAt = max(o.T, 1)
		}
		if pass(&p.admitted, &t.Funnel.Admitted, &bin.Admitted, o.Line.Standing == ropeline.StandingAdmitted) {
			t.Waited.RecordValue(max(1, (o.T-p.joinedAt)/1000))
		}
	}
	if o.Step == record.StepLeave && o.OK() {
		move(&p.inLine, &now.Line, false)
		move(&p.inLobby, &now.Lobby, false)
		move(&p.inShop, &now.Shop, false)
	}
	if pass(&p.entered, &t.Funnel.Entered, nil, o.OK() && o.Step == record.StepEnter) {
		move(&p.inShop, &now.Shop, true)
	}
	if s := o.Sale; s != nil {
		pass(&p.held, &t.Funnel.Held, &bin.Held, s.Order == "" && s.State == "held")
		pass(&p.ordered, &t.Funnel.Ordered, nil, o.Step == record.StepOrder)
		if pass(&p.bought, &t.Funnel.Paid, &bin.Paid, s.Order != "" && s.State == "paid") {
			t.Funnel.Tickets += len(s.Tickets)
			bin.Tickets += len(s.Tickets)
			p.tickets = len(s.Tickets)
			move(&p.inShop, &now.Shop, false)
		}
	}
}

func (t *Tally) end(o record.Observation) {
	bin := t.Series.at(o.T)
	if p := t.fans[o.Fan]; p != nil {
		t.Tickets[o.Is] += p.tickets
		now := &t.Series.now
		for _, in := range []struct {
			is    bool
			count *int
		}{{p.inLine && o.Outcome != record.Waiting, &now.Line}, {p.inLobby && o.Outcome != record.Waiting, &now.Lobby}, {p.inShop, &now.Shop}} {
			if in.is {
				*in.count--
			}
		}
	}
	t.Series.settle(bin)
	delete(t.fans, o.Fan) // nothing follows: what is kept is bounded by the fans at once
	t.Outcomes[o.Outcome]++
	if t.By[o.Is] == nil {
		t.By[o.Is] = make(map[record.Outcome]int)
	}
	t.By[o.Is][o.Outcome]++
}

// SoldOutAt is when 99.9 % of the tickets that were sold had been paid, which
// is how a drop looks sold out to fans; 0 when none was.
func (t *Tally) SoldOutAt() time.Duration {
	sum, want := 0, (t.Funnel.Tickets*999+999)/1000
	for i, bin := range t.Series.Bins {
		if sum += bin.Tickets; sum >= want && want > 0 {
			return time.Duration(i+1) * t.Series.Width
		}
	}
	return 0
}

// Steps are those that were timed, in the order of a fan's way.
func (t *Tally) Steps() (steps []record.Step) {
	order := []record.Step{
		record.StepArrive, record.StepJoin, record.StepSocket, record.StepStream, record.StepPoll, record.StepLink, record.StepLeave, record.StepEnter,
		record.StepReserve, record.StepReservation, record.StepRelease, record.StepOrder, record.StepPay, record.StepOrderLook,
		record.StepTickets, record.StepScan, record.StepIntrude,
	}
	return slices.DeleteFunc(order, func(s record.Step) bool { h := t.Latency[s]; return h == nil || h.TotalCount() == 0 })
}
