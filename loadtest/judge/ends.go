package judge

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/loadtest/record"
)

// ends judges I4: a fan who joined and kept its place was let in, was told
// that it is over (sold out, closed), or is still waiting by the last word.
// A fan who left did not keep its place. A fan is lost when the server said
// that it does not know the place and no later word took that back, or gave
// it another number within the epoch.
//
// Fans who could not ask any more at the end are counted in the note, and so are
// those who had no answer for as long as a pass waits to be used: they may have
// been called in that time, and nobody who was not heard can say that they were
// not.
type ends struct {
	fans map[int]*fate
}

type fate struct {
	number, epoch int64
	settled       bool   // let in, told, or left
	lost, moved   string // the counterexample; moved cannot be taken back
	asked         bool
	heard         int64 // the latest moment that a word about the place speaks of
	missed        bool  // was unheard for so long that its turn may be over
	outcome       record.Outcome
}

func newEnds() *ends { return &ends{fans: make(map[int]*fate)} }

func (e *ends) see(run *record.RunFacts, o record.Observation) {
	f := e.fans[o.Fan]
	if o.Line != nil || o.Lobby {
		if f == nil {
			f = &fate{number: -1}
			e.fans[o.Fan] = f
		}
		if o.Lobby {
			f.asked, f.lost = true, ""
		} else {
			e.hear(run, f, o)
		}
		f.heard = max(f.heard, o.Sent())
		return
	}
	if f == nil {
		return // never had a place
	}
	switch o.Step {
	case record.StepJoin, record.StepPoll, record.StepSocket:
		f.asked = o.Status != 0 && o.Status < 500
		switch ropeline.Code(o.Code) {
		case ropeline.CodeNotInLine:
			if run.Unheard(f.heard, o.T) && !f.settled {
				f.settled, f.missed = true, true
			}
			f.lost = fmt.Sprintf("fan %d with number %d was told %q at %s", o.Fan, f.number, o.Code, at(o.T))
		case ropeline.CodeSoldOut, ropeline.CodeSaleClosed:
			f.settled = true
		}
	case record.StepLeave:
		f.settled = f.settled || o.OK()
	case record.StepEnd:
		f.outcome = o.Outcome
		if o.Outcome == record.Lost && f.lost == "" {
			f.lost = fmt.Sprintf("fan %d with number %d lost its place before %s", o.Fan, f.number, at(o.T))
		}
	}
}

func (e *ends) hear(run *record.RunFacts, f *fate, o record.Observation) {
	f.asked = true
	standing, kept := o.Line.Standing, f.number < 0 || f.number == o.Line.Number || f.epoch < o.Line.Epoch
	switch {
	case standing == ropeline.StandingAdmitted, standing == ropeline.StandingShopping,
		o.Line.Phase == ropeline.PhaseSoldOut, o.Line.Phase == ropeline.PhaseClosed:
		f.settled = true
	case standing == ropeline.StandingGone && !f.settled && run.Unheard(f.heard, o.T):
		f.settled, f.missed = true, true
	case standing == ropeline.StandingGone:
		f.lost = fmt.Sprintf("fan %d with number %d was told that it is gone at %s, and had never been told to come in", o.Fan, f.number, at(o.T))
	case f.number >= 0 && !kept && !f.settled && run.Unheard(f.heard, o.T):
		f.settled, f.missed = true, true
	case f.number >= 0 && !kept && !f.settled:
		f.moved = fmt.Sprintf("fan %d with number %d was told number %d instead at %s", o.Fan, f.number, o.Line.Number, at(o.T))
	case kept:
		f.lost = "" // back in its place
	}
	f.number, f.epoch = o.Line.Number, o.Line.Epoch
}

func (e *ends) verdicts(*record.RunFacts) []Verdict {
	var found finding
	unheard, missed := 0, 0
	lostFan := -1
	for index, f := range e.fans {
		switch {
		case f.missed:
			missed++
		case f.settled:
			found.checked++
		case f.moved != "", f.lost != "" && f.outcome != "":
			found.checked++
			if lostFan < 0 || index < lostFan { // the same one at every judgement
				lostFan, found.broken = index, cmp.Or(f.moved, f.lost)
			}
		case !f.asked:
			unheard++
		default:
			found.checked++
		}
	}
	v := found.verdict("I4", "whoever keeps a place is let in, told that it is over, or still waiting")
	if unheard > 0 {
		v.Note = fmt.Sprintf("%d fans got no answer at the end", unheard)
	}
	if missed > 0 {
		v.Note = strings.TrimPrefix(fmt.Sprintf("%s; %d fans had no answer for so long that their turn may have come and gone", v.Note, missed), "; ")
	}
	return []Verdict{v}
}
