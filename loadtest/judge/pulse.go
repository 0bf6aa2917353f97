package judge

import (
	"slices"
	"strings"
	"time"

	"github.com/ropeline/ropeline/loadtest/record"
)

// pulse judges how soon the sale goes on after something befell the house. Its
// beats are the reservations that fans heard to be held.
//
// A process that was killed may cost a silence of five seconds from that moment,
// an engine one of fifteen from when it is back. What counts is not the next
// reservation, which may have been decided before, but the longest silence within
// 20 s of the moment, and before the next fault: that one answers for what
// follows. Faults before the first reservation, or when nearly all had been made,
// are not judged: nobody asked for one.
type pulse struct {
	known  map[string]bool // reservations
	beats  []int64         // T of each, rising
	faults []Fault
}

// Fault is something that befell the house during the run.
type Fault struct {
	At         time.Duration
	Kind, Note string
	Limit      time.Duration // how long the sale may stand still after it; 0: there is none
	Silence    time.Duration // how long it stood still after it; negative: not judged
}

const (
	processLimit = 5 * time.Second
	engineLimit  = 15 * time.Second
	pulseWindow  = 20 * time.Second
	pulseShare   = 0.95 // of all reservations; what follows are stragglers
)

func newPulse() *pulse { return &pulse{known: make(map[string]bool)} }

func (p *pulse) see(_ *record.RunFacts, o record.Observation) {
	if o.Step == record.StepFault {
		p.faults = append(p.faults, Fault{At: time.Duration(o.T) * time.Microsecond, Kind: o.Code, Note: o.Note, Limit: limitOf(o.Code, o.Note)})
		return
	}
	if s := o.Sale; s != nil && s.Order == "" && s.State == "held" && !p.known[s.Reservation] {
		p.known[s.Reservation] = true
		p.beats = append(p.beats, o.T)
	}
}

// limitOf is the silence that a fault may cost.
func limitOf(kind, note string) time.Duration {
	switch what, target, _ := strings.Cut(note, " "); {
	case kind == "kill" && !isEngine(note):
		return processLimit
	case kind == "over" && (what == "kill" || what == "wipe") && isEngine(target):
		return engineLimit
	}
	return 0
}

// disturbs tells whether a fault may silence the sale by itself; what befalls
// webhooks only delays what was reserved before.
func (f Fault) disturbs() bool { return f.Kind != "over" && f.Note != "webhooks" }

// judged are the faults with the silence after each.
func (p *pulse) judged() []Fault {
	slices.Sort(p.beats)
	faults := slices.Clone(p.faults)
	slices.SortStableFunc(faults, func(a, b Fault) int { return int(a.At - b.At) })
	for i := range faults {
		f := &faults[i]
		until := f.At + pulseWindow
		for _, next := range faults[i+1:] {
			if next.disturbs() {
				until = min(until, next.At)
				break
			}
		}
		f.Silence = p.silence(f.At.Microseconds(), until.Microseconds())
	}
	return faults
}

// silence is the longest time without a beat that begins in [from, until), as far
// as it lies before the end; negative when there was nothing to be heard.
func (p *pulse) silence(from, until int64) time.Duration {
	if len(p.beats) == 0 || from < p.beats[0] {
		return -1
	}
	last := p.beats[int(float64(len(p.beats)-1)*pulseShare)]
	if until = min(until, last); from >= until {
		return -1
	}
	next, _ := slices.BinarySearch(p.beats, from+1)
	longest, since := int64(0), from
	for ; since < until; next++ {
		beat := min(p.beats[next], until)
		longest, since = max(longest, beat-since), beat
	}
	return time.Duration(longest) * time.Microsecond
}

func (p *pulse) verdicts(*record.RunFacts) []Verdict {
	var f finding
	for _, one := range p.judged() {
		if one.Limit == 0 || one.Silence < 0 {
			continue
		}
		f.checked++
		if one.Silence > one.Limit {
			f.breaks("after %q %s at %s the sale stood still for %.2f s; %v are permitted",
				one.Kind, one.Note, at(one.At.Microseconds()), one.Silence.Seconds(), one.Limit)
		}
	}
	return []Verdict{f.verdict("resume", "the sale goes on within 5 s of a process's death, and within 15 s of Redis or Postgres being back")}
}
