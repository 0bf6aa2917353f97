package judge

import (
	"cmp"
	"slices"
	"time"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/loadtest/record"
)

// Fairness measures what the invariants do not decide: how the order of
// arrival and the order of admission go together, what bots got, and how
// closely admission kept to the rule.
type Fairness struct {
	Admitted   int     `json:"admitted"`
	Inversions int     `json:"inversions"` // pairs let in against the order of their numbers; returns after a loss count too
	TauLate    float64 `json:"tau_late"`   // Kendall's tau of arrival against admission, of those who came after the draw or without one: 1 is first come, first served
	TauLobby   float64 `json:"tau_lobby"`  // the same of those who met in the lobby: near 0, arrival decides nothing
	Late       int     `json:"late"`       // fans that TauLate is of
	Lobby      int     `json:"lobby"`      // fans that TauLobby is of

	Bots     Share    `json:"bots"`
	Windows  []Window `json:"windows"`   // the fullest of each length
	RateMean float64  `json:"rate_mean"` // admissions a minute, from the first to the last
}

// Share is a part of all.
type Share struct {
	Fans     float64 `json:"fans"`     // of those who joined
	Admitted float64 `json:"admitted"` // of those let in
	Tickets  float64 `json:"tickets"`  // of the tickets paid
}

// Window is the fullest window of a length.
type Window struct {
	Length  time.Duration `json:"length"`
	Most    int           `json:"most"`
	Allowed float64       `json:"allowed"` // rate·t + burst; 0: the rule is not known
}

type fairness struct{ fans map[int]*entry }

type entry struct {
	came, letIn   int64 // T of the first word, the pass's end; letIn 0: never
	epoch, number int64
	lobby         bool
	tickets       int
	is            string
}

func newFairness() *fairness { return &fairness{fans: make(map[int]*entry)} }

func (w *fairness) see(o record.Observation) {
	if o.Fan < 0 {
		return
	}
	e := w.fans[o.Fan]
	if e == nil {
		if o.Line == nil && !o.Lobby {
			return
		}
		e = &entry{came: o.Meant(), number: -1}
		w.fans[o.Fan] = e
	}
	e.lobby = e.lobby || o.Lobby
	if o.Line != nil && o.Line.Standing == ropeline.StandingAdmitted && e.letIn == 0 {
		e.letIn, e.epoch, e.number = max(o.Line.PassUntil, 1), o.Line.Epoch, o.Line.Number
	}
	if s := o.Sale; s != nil && s.Order != "" && s.State == "paid" {
		e.tickets = max(e.tickets, len(s.Tickets))
	}
	if o.Step == record.StepEnd {
		e.is = o.Is
	}
}

// Fairness measures all that was seen so far.
func (j *Judge) Fairness() Fairness {
	var in, late, lobby []*entry
	var f Fairness
	var fans, bots, botsIn, tickets, botTickets int
	for _, e := range j.fairness.fans {
		fans++
		tickets += e.tickets
		bot := slices.Contains(j.run.Bots, e.is)
		if bot {
			bots++
			botTickets += e.tickets
		}
		if e.letIn == 0 {
			continue
		}
		if bot {
			botsIn++
		}
		in = append(in, e)
		if e.lobby {
			lobby = append(lobby, e)
		} else {
			late = append(late, e)
		}
	}
	f.Admitted = len(in)
	f.Bots = Share{ratio(bots, fans), ratio(botsIn, len(in)), ratio(botTickets, tickets)}
	slices.SortFunc(in, func(a, b *entry) int { return cmp.Or(cmp.Compare(a.letIn, b.letIn), cmp.Compare(a.number, b.number)) })
	f.Inversions = inversions(in, func(e *entry) int64 { return e.number })
	f.TauLate, f.Late = tau(late), len(late)
	f.TauLobby, f.Lobby = tau(lobby), len(lobby)
	f.windows(&j.run, in)
	return f
}

func ratio(part, of int) float64 {
	if of == 0 {
		return 0
	}
	return float64(part) / float64(of)
}

// tau is Kendall's: 1 − 4·discordant/(n·(n−1)), ties in admission broken by
// number, as admission does.
func tau(fans []*entry) float64 {
	n := len(fans)
	if n < 2 {
		return 0
	}
	slices.SortFunc(fans, func(a, b *entry) int { return cmp.Or(cmp.Compare(a.letIn, b.letIn), cmp.Compare(a.number, b.number)) })
	return 1 - 4*float64(inversions(fans, func(e *entry) int64 { return e.came }))/(float64(n)*float64(n-1))
}

// inversions counts the pairs out of order by key, by merging.
func inversions(fans []*entry, key func(*entry) int64) int {
	keys := make([]int64, len(fans))
	for i, e := range fans {
		keys[i] = key(e)
	}
	return mergeCount(keys, make([]int64, len(keys)))
}

func mergeCount(keys, spare []int64) (n int) {
	if len(keys) < 2 {
		return 0
	}
	half := len(keys) / 2
	n = mergeCount(keys[:half], spare[:half]) + mergeCount(keys[half:], spare[half:])
	copy(spare, keys)
	a, b := spare[:half], spare[half:len(keys)]
	for i := range keys {
		if len(b) == 0 || len(a) > 0 && a[0] <= b[0] {
			keys[i], a = a[0], a[1:]
		} else {
			n += len(a)
			keys[i], b = b[0], b[1:]
		}
	}
	return n
}

// windows finds the fullest window of several lengths, all windows looked at.
func (f *Fairness) windows(run *record.RunFacts, in []*entry) {
	if len(in) < 2 {
		return
	}
	whole := time.Duration(in[len(in)-1].letIn-in[0].letIn) * time.Microsecond
	if whole > 0 {
		f.RateMean = float64(len(in)-1) / whole.Minutes()
	}
	for _, length := range []time.Duration{time.Second, 10 * time.Second, time.Minute, whole} {
		if length > whole || length == 0 {
			continue
		}
		w := Window{Length: length.Round(time.Millisecond)}
		from := 0
		for to := range in {
			for time.Duration(in[to].letIn-in[from].letIn)*time.Microsecond > length {
				from++
			}
			w.Most = max(w.Most, to-from+1)
		}
		if run.Rule != nil {
			w.Allowed = float64(run.Rule.RatePerMinute)*length.Minutes() + float64(run.Rule.Burst)
		}
		f.Windows = append(f.Windows, w)
	}
}
