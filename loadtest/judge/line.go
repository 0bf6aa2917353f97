package judge

import (
	"cmp"
	"slices"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/loadtest/record"
)

// line judges I2, the order of admission, and I3, its pace.
//
// When a fan was let in is known from the server: the end of its pass. All
// passes of a run live equally long, so their ends differ as the moments of
// admission do, to the clock that admitted. (A rule that changes the life of
// passes during a run shifts them; an inversion therefore counts only when the
// fans also heard of it in that order.)
//
// I2. Within an epoch, number b waits from the moment it is given, so it was
// in the line when a higher number a was let in, and must not be let in later.
// Two ways to see a breach:
//   - both were let in, b's pass ends after a's, and b heard of it after a;
//   - b was never let in, and was told "waiting" more than the slack after a
//     heard of its admission.
//
// A fan who brought its number from an earlier epoch, or from the draw without
// having heard of it there, is waiting only since its return: then a must have been told "waiting" by an answer that was asked for
// after b was told to be back.
//
// I3. For any two admissions i ≤ j in order of time, j−i+1 ≤ rate·(tj−ti) +
// burst. That covers every window, because the fullest ones begin and end with
// an admission. Fans unknown to the run only make it look slower. Times by the
// server's clock cannot show that this clock runs fast, so the admissions are
// counted by the tester's clock too, as far as they certainly fell into a
// window: after the fan was told to wait (less the slack), and before it heard.
type line struct {
	stays map[stayKey]*stay
	first map[fanNumber]int64 // the epoch in which a fan had a number first
	drawn map[int]bool        // fans of the lobby: their numbers are the draw's, heard or not
	begun int64               // the earliest epoch; 0: none was seen
}

type stayKey struct {
	fan           int
	epoch, number int64
}

type fanNumber struct {
	fan    int
	number int64
}

// stay is one fan's standing in the line with one number in one epoch.
type stay struct {
	stayKey
	returned    bool  // the number is from an earlier epoch
	told        int64 // T of the first word
	stillSent   int64 // a was certainly waiting when it sent this; -1: unknown
	lastWaiting int64 // the latest moment a word "waiting" speaks of
	stillOut    int64 // the latest moment at which the fan was certainly not let in yet; -1: unknown
	letIn       int64 // T of the word "admitted"; -1: none
	passUntil   int64
}

// passTolerance covers the rounding of times on their way, in microseconds.
const passTolerance = 2000

func newLine() *line {
	return &line{stays: make(map[stayKey]*stay), first: make(map[fanNumber]int64), drawn: make(map[int]bool)}
}

func (l *line) see(run *record.RunFacts, o record.Observation) {
	if o.Lobby {
		l.drawn[o.Fan] = true
	}
	if o.Line == nil {
		return
	}
	if l.begun == 0 {
		l.begun = o.Line.Epoch
	}
	key := stayKey{o.Fan, o.Line.Epoch, o.Line.Number}
	s := l.stays[key]
	if s == nil {
		who := fanNumber{o.Fan, o.Line.Number}
		epoch, known := l.first[who]
		if !known {
			l.first[who] = o.Line.Epoch
		}
		s = &stay{stayKey: key, told: o.T, stillSent: -1, stillOut: -1, letIn: -1, returned: known && epoch != o.Line.Epoch || l.drawn[o.Fan] && o.Line.Epoch > l.begun}
		l.stays[key] = s
	}
	switch o.Line.Standing {
	case ropeline.StandingWaiting:
		s.lastWaiting = max(s.lastWaiting, o.Sent()) // a frame's Sent is its T
		s.stillOut = max(s.stillOut, o.Sent()-run.Grace())
		switch o.Step {
		case record.StepJoin:
			s.stillSent = max(s.stillSent, o.Sent())
		case record.StepPoll: // a poll may be answered from a snapshot
			s.stillSent = max(s.stillSent, o.Sent()-run.Grace())
		}
	case ropeline.StandingAdmitted:
		if s.letIn < 0 {
			s.letIn, s.passUntil = o.T, o.Line.PassUntil
		}
	}
}

func (l *line) verdicts(run *record.RunFacts) []Verdict {
	stays := make([]*stay, 0, len(l.stays))
	for _, s := range l.stays {
		stays = append(stays, s)
	}
	order := l.order(run, stays)
	pace := l.pace(run, stays)
	i3 := pace.verdict("I3", "admissions in any window ≤ rate·t + burst")
	if run.Rule == nil {
		i3.Note = "not judged: the run was not told the rule"
	}
	return []Verdict{order.verdict("I2", "no number is let in after a higher one that waited at the same time"), i3}
}

func (l *line) order(run *record.RunFacts, stays []*stay) (f finding) {
	// From the head of the newest epoch to the end of the line, backwards.
	slices.SortFunc(stays, func(a, b *stay) int {
		return cmp.Or(cmp.Compare(b.epoch, a.epoch), cmp.Compare(b.number, a.number), cmp.Compare(a.fan, b.fan))
	})
	for from := 0; from < len(stays); {
		to := from
		for to < len(stays) && stays[to].epoch == stays[from].epoch {
			to++
		}
		l.orderOfEpoch(run, stays[from:to], &f)
		from = to
	}
	return f
}

// orderOfEpoch walks from the highest number down and remembers the earliest
// admission among the higher ones; only a suspicion looks at all of them.
func (l *line) orderOfEpoch(run *record.RunFacts, stays []*stay, f *finding) {
	var earliestPass, earliestWord *stay
	for i, b := range stays {
		if b.letIn >= 0 {
			f.checked++
		}
		suspicious := earliestPass != nil && b.letIn >= 0 && b.passUntil > earliestPass.passUntil+passTolerance ||
			earliestWord != nil && b.letIn < 0 && b.lastWaiting > earliestWord.letIn+run.Grace()
		if suspicious && f.broken == "" {
			for _, a := range stays[:i] {
				if a.number > b.number && a.letIn >= 0 && inverted(run, a, b) {
					describeInversion(f, a, b)
					break
				}
			}
		}
		if b.letIn >= 0 && b.passUntil > 0 && (earliestPass == nil || b.passUntil < earliestPass.passUntil) {
			earliestPass = b
		}
		if b.letIn >= 0 && (earliestWord == nil || b.letIn < earliestWord.letIn) {
			earliestWord = b
		}
	}
}

func inverted(run *record.RunFacts, a, b *stay) bool {
	if b.returned && (a.stillSent < 0 || b.told > a.stillSent) {
		return false
	}
	if b.letIn < 0 {
		return b.lastWaiting > a.letIn+run.Grace()
	}
	return a.passUntil > 0 && b.passUntil > a.passUntil+passTolerance && b.letIn > a.letIn
}

func describeInversion(f *finding, a, b *stay) {
	if b.letIn < 0 {
		f.breaks("epoch %d: fan %d with number %d was still told to wait at %s, after fan %d with number %d had heard of its admission at %s",
			b.epoch, b.fan, b.number, at(b.lastWaiting), a.fan, a.number, at(a.letIn))
		return
	}
	f.breaks("epoch %d: fan %d with number %d (in the line since %s at the latest) was let in %.3f s after fan %d with number %d; they heard at %s and %s",
		b.epoch, b.fan, b.number, at(b.told), float64(b.passUntil-a.passUntil)/1e6, a.fan, a.number, at(b.letIn), at(a.letIn))
}

func (l *line) pace(run *record.RunFacts, stays []*stay) (f finding) {
	if run.Rule == nil {
		return f
	}
	var in []*stay
	type pass struct {
		fanNumber
		until int64
	}
	counted := make(map[pass]bool) // a pass outlives its epoch, and is told again in the next
	for _, s := range stays {
		one := pass{fanNumber{s.fan, s.number}, s.passUntil}
		if s.passUntil > 0 && !counted[one] {
			counted[one] = true
			in = append(in, s)
		}
	}
	slices.SortFunc(in, func(a, b *stay) int { return cmp.Compare(a.passUntil, b.passUntil) })
	f.checked = len(in)
	if len(in) == 0 {
		return f
	}
	paceHeard(run, stays, &f)
	perMicro := float64(run.Rule.RatePerMinute) / 60e6
	allowed := float64(run.Rule.Burst) + perMicro*passTolerance + 1e-6
	// lag(i) = i − rate·ti is least where the fullest window begins.
	start := 0
	lag := func(i int) float64 { return float64(i) - perMicro*float64(in[i].passUntil-in[0].passUntil) }
	for j := range in {
		if lag(j) < lag(start) {
			start = j
		}
		if lag(j)-lag(start)+1 > allowed {
			f.breaks("%d fans were let in within %.3f s, from fan %d (number %d) to fan %d (number %d); the rule of %d per minute with a burst of %d allows %.1f",
				j-start+1, float64(in[j].passUntil-in[start].passUntil)/1e6, in[start].fan, in[start].number, in[j].fan, in[j].number,
				run.Rule.RatePerMinute, run.Rule.Burst, float64(run.Rule.Burst)+perMicro*float64(in[j].passUntil-in[start].passUntil))
			break
		}
	}
	return f
}
