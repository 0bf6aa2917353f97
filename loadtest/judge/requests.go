package judge

import (
	"fmt"
	"net/http"

	"github.com/ropeline/ropeline/loadtest/record"
)

// holds judges I9: a reservation that ran out is not held any more 5 s after
// its deadline, or after an engine that was away then is back. The client's clock
// asks, so the slack is granted on top.
type holds struct {
	finding
	outages Outages
}

func newHolds() *holds { return &holds{} }

func (h *holds) see(run *record.RunFacts, o record.Observation) {
	h.outages.See(o)
	s := o.Sale
	if s == nil || s.Deadline == 0 || s.Order != "" || s.Reservation == "" || run.Wall(o.Sent()) < s.Deadline {
		return
	}
	if s.State != "held" {
		h.checked++
		return
	}
	due := s.Deadline - run.Wall(0)
	if o.Sent()-h.outages.after(due, record.HoldMayOutlast+run.Slack) > record.HoldMayOutlast.Microseconds()+run.Grace() {
		h.checked++
		h.breaks("reservation %s of fan %d was still held %.1f s after its deadline", s.Reservation, o.Fan, float64(o.Sent()-due)/1e6)
	}
}

func (h *holds) verdicts(*record.RunFacts) []Verdict {
	return []Verdict{h.verdict("I9", "a reservation ends within 5 s of its deadline")}
}

// effects judges I10: all good answers to requests with one key name the same
// thing, and a key is not taken for another body. (That a repeated join gives
// one number is I5; that nothing else was made, I7 sees in the fan's tickets.)
type effects struct {
	finding
	made map[effect]string
}

type effect struct {
	fan  int
	step record.Step
	key  string
}

func newEffects() *effects { return &effects{made: make(map[effect]string)} }

func (e *effects) see(_ *record.RunFacts, o record.Observation) {
	if o.Trick == record.TrickOtherBody {
		if o.OK() && o.Status != http.StatusAccepted { // "accepted" is no effect: the clerk decides later, and refuses
			e.breaks("at %s fan %d used the key %s for another request, and got %d", at(o.T), o.Fan, o.Key, o.Status)
		}
		if saysNo(o.Status) {
			e.checked++
		}
		return
	}
	if o.Key == "" || !o.OK() || o.Sale == nil {
		return
	}
	id := o.Sale.Reservation
	if o.Step == record.StepOrder {
		id = o.Sale.Order
	}
	key := effect{o.Fan, o.Step, o.Key}
	first, known := e.made[key]
	if !known {
		e.made[key] = id
		return
	}
	e.checked++
	if first != id {
		e.breaks("fan %d sent %s twice with the key %s and was told %s and, at %s, %s", o.Fan, o.Step, o.Key, first, at(o.T), id)
	}
}

func (e *effects) verdicts(*record.RunFacts) []Verdict {
	return []Verdict{e.verdict("I10", "a request repeated with its key has one effect")}
}

// door judges I11: every trick is refused, and no fan has a reservation who
// was not let in.
//
// A fan's own pass, shown again after the visit, is refused as long as Redis
// remembers that it was used. After a loss the house takes it once more by
// design (see package admission), so in a run with two epochs that counts for
// nothing.
type door struct {
	finding
	inside      map[int]bool
	first, last int64 // epochs that were seen
	replayed    string
}

func newDoor() *door { return &door{inside: make(map[int]bool)} }

func (d *door) see(_ *record.RunFacts, o record.Observation) {
	if o.Line != nil {
		if d.first == 0 {
			d.first = o.Line.Epoch
		}
		d.first, d.last = min(d.first, o.Line.Epoch), max(d.last, o.Line.Epoch)
	}
	switch {
	case o.Trick == record.TrickReplayedPass && o.OK():
		if d.replayed == "" {
			d.replayed = fmt.Sprintf("at %s fan %d entered with its pass again, after the visit was over, and got %d", at(o.T), o.Fan, o.Status)
		}
	case o.Step == record.StepEnter && o.OK():
		d.inside[o.Fan] = true
	case o.Step == record.StepIntrude && o.Trick != record.TrickOtherBody:
		if saysNo(o.Status) {
			d.checked++
		} else if o.Status >= 200 && o.Status < 400 {
			d.checked++
			d.breaks("at %s fan %d, who was not let in, tried %q and got %d", at(o.T), o.Fan, o.Trick, o.Status)
		}
	case o.Step == record.StepReserve && o.OK() && !d.inside[o.Fan]:
		d.breaks("at %s fan %d reserved (%s) and had not entered", at(o.T), o.Fan, o.Sale.Reservation)
	case o.Step == record.StepEnd:
		delete(d.inside, o.Fan)
	}
}

func (d *door) verdicts(*record.RunFacts) []Verdict {
	found := d.finding
	if d.replayed != "" && d.first == d.last {
		found.breaks("%s", d.replayed)
	}
	return []Verdict{found.verdict("I11", "nobody reserves without a pass that admission gave")}
}

// saysNo: an answer that says no. One that says "later" proves nothing.
func saysNo(status int) bool {
	return status >= 400 && status < 500 && status != http.StatusTooManyRequests
}
