package tally

import (
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/loadtest/record"
)

// Latencies are kept from 1 µs to one minute, to three significant digits.
const slowest = int64(time.Minute / time.Microsecond)

// Tally is a Sink that counts: the funnel, the outcomes by behaviour, the
// problems met, and the latency of each step.
type Tally struct {
	Run      record.RunFacts
	Took     time.Duration
	Funnel   Funnel
	Outcomes map[record.Outcome]int
	By       map[string]map[record.Outcome]int // behaviour → outcome → fans
	Problems map[Problem]int
	Latency  map[record.Step]*hdrhistogram.Histogram // microseconds
	Waited   *hdrhistogram.Histogram                 // from the first number to admission, milliseconds

	fans map[int]*progress
}

// Funnel counts the fans who came at least so far, and the tickets they got.
type Funnel struct{ Arrived, Joined, Admitted, Entered, Held, Ordered, Paid, Tickets int }

// Problem is what answers were not good for.
type Problem struct {
	Step record.Step
	Code string
}

type progress struct {
	joinedAt                                         int64
	joined, admitted, entered, held, ordered, bought bool
}

// New returns an empty Tally.
func New() *Tally {
	return &Tally{
		Outcomes: make(map[record.Outcome]int),
		By:       make(map[string]map[record.Outcome]int),
		Problems: make(map[Problem]int),
		Latency:  make(map[record.Step]*hdrhistogram.Histogram),
		Waited:   hdrhistogram.New(1, int64(24*time.Hour/time.Millisecond), 3),
		fans:     make(map[int]*progress),
	}
}

// See counts o.
func (t *Tally) See(o record.Observation) {
	t.Took = max(t.Took, time.Duration(o.T)*time.Microsecond)
	switch {
	case o.Run != nil:
		t.Run = *o.Run
		return
	case o.Step == record.StepEnd:
		t.end(o)
		return
	case o.Took > 0 && o.Status > 0:
		if t.Latency[o.Step] == nil {
			t.Latency[o.Step] = hdrhistogram.New(1, slowest, 3)
		}
		t.Latency[o.Step].RecordValue(min(o.Took, slowest))
	}
	if o.Code != "" && o.Step != record.StepIntrude {
		t.Problems[Problem{o.Step, o.Code}]++
	}
	p := t.fans[o.Fan]
	if p == nil {
		p = &progress{}
		t.fans[o.Fan] = p
		t.Funnel.Arrived++
	}
	t.advance(p, o)
}

// advance moves a fan down the funnel.
func (t *Tally) advance(p *progress, o record.Observation) {
	pass := func(gate *bool, count *int, open bool) bool {
		if *gate || !open {
			return false
		}
		*gate = true
		*count++
		return true
	}
	if o.Line != nil {
		if pass(&p.joined, &t.Funnel.Joined, true) {
			p.joinedAt = o.T
		}
		if pass(&p.admitted, &t.Funnel.Admitted, o.Line.Standing == ropeline.StandingAdmitted) {
			t.Waited.RecordValue(max(1, (o.T-p.joinedAt)/1000))
		}
	}
	ok := o.Status >= 200 && o.Status < 300
	pass(&p.entered, &t.Funnel.Entered, ok && o.Step == record.StepEnter)
	if s := o.Sale; s != nil {
		pass(&p.held, &t.Funnel.Held, s.Order == "" && s.State == "held")
		pass(&p.ordered, &t.Funnel.Ordered, o.Step == record.StepOrder)
		if pass(&p.bought, &t.Funnel.Paid, s.Order != "" && s.State == "paid") {
			t.Funnel.Tickets += len(s.Tickets)
		}
	}
}

func (t *Tally) end(o record.Observation) {
	delete(t.fans, o.Fan) // nothing follows: what is kept is bounded by the fans at once
	t.Outcomes[o.Outcome]++
	if t.By[o.Is] == nil {
		t.By[o.Is] = make(map[record.Outcome]int)
	}
	t.By[o.Is][o.Outcome]++
}
