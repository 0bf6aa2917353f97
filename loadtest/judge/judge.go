package judge

import (
	"fmt"

	"github.com/ropeline/ropeline/loadtest/record"
)

// Verdict is what the fans' observations say about one invariant.
type Verdict struct {
	Invariant string `json:"invariant"` // "I1" … "I11" as in docs/architecture.md, "positions", "draw", "resume" or "flat"
	Claim     string `json:"claim"`     // what must hold, in the words of what fans can see
	OK        bool   `json:"ok"`        // no counterexample was found
	Checked   int    `json:"checked"`   // how many times it could have failed; 0: nothing was seen of it
	// Counterexample is the first one, in full; "" when OK.
	Counterexample string `json:"counterexample,omitempty"`
	Note           string `json:"note,omitempty"` // what could not be judged, and why
}

func (v Verdict) String() string {
	switch {
	case !v.OK:
		return fmt.Sprintf("%s BROKEN: %s", v.Invariant, v.Counterexample)
	case v.Checked == 0:
		return fmt.Sprintf("%s not seen", v.Invariant)
	}
	return fmt.Sprintf("%s holds (%d checked)", v.Invariant, v.Checked)
}

// Broken lists those that found an invariant broken.
func Broken(verdicts []Verdict) (broken []Verdict) {
	for _, v := range verdicts {
		if !v.OK {
			broken = append(broken, v)
		}
	}
	return broken
}

// witness watches one invariant or a few that need the same memory.
type witness interface {
	see(run *record.RunFacts, o record.Observation)
	verdicts(run *record.RunFacts) []Verdict
}

// Judge is a Sink that holds what the fans see against the invariants. It
// keeps a few hundred bytes for each fan and order, not the observations.
type Judge struct {
	run       record.RunFacts
	witnesses []witness
	fairness  *fairness
	lottery   *lottery
	pulse     *pulse
}

// New returns a Judge that has seen nothing.
func New() *Judge {
	j := &Judge{fairness: newFairness(), lottery: newLottery(), pulse: newPulse()}
	j.witnesses = []witness{
		newStock(), newLine(), newEnds(), newPlaces(), newTickets(), newGate(), newHolds(), newEffects(), newDoor(), j.lottery, j.pulse,
	}
	return j
}

// See considers o.
func (j *Judge) See(o record.Observation) {
	if o.Run != nil {
		j.run = *o.Run
		return
	}
	for _, w := range j.witnesses {
		w.see(&j.run, o)
	}
	j.fairness.see(o)
}

// Verdicts judges all that was seen so far.
func (j *Judge) Verdicts() []Verdict {
	var all []Verdict
	for _, w := range j.witnesses {
		all = append(all, w.verdicts(&j.run)...)
	}
	return all
}

// Faults are what befell the house, in the order of time, and how long the sale
// stood still after each.
func (j *Judge) Faults() []Fault { return j.pulse.judged() }

// finding collects one invariant's verdict: how often it was checked, and the
// first counterexample.
type finding struct {
	checked int
	broken  string
}

func (f *finding) breaks(format string, args ...any) {
	if f.broken == "" {
		f.broken = fmt.Sprintf(format, args...)
	}
}

func (f *finding) verdict(invariant, claim string) Verdict {
	return Verdict{Invariant: invariant, Claim: claim, OK: f.broken == "", Checked: f.checked, Counterexample: f.broken}
}

// at writes a moment on the scale of Observation.T.
func at(t int64) string { return fmt.Sprintf("t=%.3fs", float64(t)/1e6) }
