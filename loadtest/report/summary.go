package report

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/loadtest/judge"
	"github.com/ropeline/ropeline/loadtest/record"
	"github.com/ropeline/ropeline/loadtest/tally"
)

// Summary is a run in numbers: report.json is one, and the page is drawn from
// it. Times are seconds since the run began, latencies milliseconds, corrected
// for coordinated omission.
type Summary struct {
	Format   int                               `json:"ropeline_report"` // 1
	Scenario string                            `json:"scenario"`
	Event    string                            `json:"event"`
	Seed     uint64                            `json:"seed"`
	Fans     int                               `json:"fans"`
	Started  time.Time                         `json:"started"`
	Seconds  float64                           `json:"seconds"`
	Drop     float64                           `json:"drop"`
	Rule     *record.Rule                      `json:"rule,omitempty"`
	Capacity map[ropeline.TicketTypeID]int64   `json:"capacity,omitempty"`
	SoldOut  float64                           `json:"sold_out"` // when 99.9 % of what was sold was paid
	Funnel   tally.Funnel                      `json:"funnel"`
	By       map[string]map[record.Outcome]int `json:"outcomes_by_behaviour"`
	Tickets  map[string]int                    `json:"tickets_by_behaviour"`
	Problems []Problem                         `json:"problems"`
	Latency  []Latency                         `json:"latency"`
	Late     Latency                           `json:"late"`   // how late requests went out: the tester's own health
	Waited   Latency                           `json:"waited"` // from the first number to admission
	Series   Series                            `json:"series"`
	Faults   []Fault                           `json:"faults"`
	Verdicts []judge.Verdict                   `json:"verdicts"`
	Fairness judge.Fairness                    `json:"fairness"`
	Notes    []string                          `json:"notes,omitempty"`
}

// Problem is a kind of answer that was not good.
type Problem struct {
	Step  string `json:"step"`
	Code  string `json:"code"`
	Count int    `json:"count"`
}

// Latency are quantiles in milliseconds.
type Latency struct {
	Step    string  `json:"step"`
	Count   int64   `json:"count"`
	P50     float64 `json:"p50"`
	P90     float64 `json:"p90"`
	P99     float64 `json:"p99"`
	P999    float64 `json:"p999"`
	Max     float64 `json:"max"`
	Service float64 `json:"p99_uncorrected,omitempty"` // p99 from the sending alone
}

// Series are values by time; entry i is of the stretch that ends at (i+1)·Width.
type Series struct {
	Width    float64              `json:"width"`
	Arrived  []float64            `json:"arrived"`
	Admitted []float64            `json:"admitted"`
	Held     []float64            `json:"held"`
	Tickets  []float64            `json:"tickets"`
	Errors   []float64            `json:"errors"`
	Line     []float64            `json:"line"`
	Lobby    []float64            `json:"lobby"`
	Shop     []float64            `json:"shop"`
	P50      []float64            `json:"p50"`
	P99      []float64            `json:"p99"`
	Steps    map[string][]float64 `json:"p99_by_step"`
}

// Fault is something that befell the house, and how long the sale stood still.
type Fault struct {
	At      float64 `json:"at"`
	Kind    string  `json:"kind"`
	Note    string  `json:"note"`
	Limit   float64 `json:"limit,omitempty"` // seconds that the sale may stand still after it; 0: none
	Silence float64 `json:"silence"`         // the longest time without a new reservation within 20 s of it and before the next fault; negative: not judged
}

// New sums up a run.
func New(judged *judge.Judge, t *tally.Tally) *Summary {
	s := &Summary{
		Format: 1, Scenario: t.Run.Scenario, Event: string(t.Run.Event), Seed: t.Run.Seed, Fans: t.Run.Fans, Started: t.Run.Started,
		Seconds: t.Took.Seconds(), Rule: t.Run.Rule, Capacity: t.Run.Capacity, SoldOut: t.SoldOutAt().Seconds(),
		Funnel: t.Funnel, By: t.By, Tickets: t.Tickets, Verdicts: judged.Verdicts(), Fairness: judged.Fairness(),
		Late: latency("late", t.Late, 1e3), Waited: latency("in the line", t.Waited, 1),
	}
	if !t.Run.DropAt.IsZero() {
		s.Drop = max(0, t.Run.DropAt.Sub(t.Run.Started).Seconds())
	}
	for _, p := range slices.SortedFunc(maps.Keys(t.Problems), func(a, b tally.Problem) int {
		return cmp.Or(cmp.Compare(a.Step, b.Step), cmp.Compare(a.Code, b.Code))
	}) {
		s.Problems = append(s.Problems, Problem{string(p.Step), p.Code, t.Problems[p]})
	}
	for _, step := range t.Steps() {
		l := latency(string(step), t.Latency[step], 1e3)
		if h := t.Service[step]; h != nil {
			l.Service = float64(h.ValueAtQuantile(99)) / 1e3
		}
		s.Latency = append(s.Latency, l)
	}
	for _, f := range judged.Faults() {
		s.Faults = append(s.Faults, Fault{At: f.At.Seconds(), Kind: f.Kind, Note: f.Note, Limit: f.Limit.Seconds(), Silence: f.Silence.Seconds()})
	}
	s.series(&t.Series)
	return s
}

func latency(name string, h *hdrhistogram.Histogram, perMilli float64) Latency {
	if h == nil || h.TotalCount() == 0 {
		return Latency{Step: name}
	}
	at := func(q float64) float64 { return float64(h.ValueAtQuantile(q)) / perMilli }
	return Latency{Step: name, Count: h.TotalCount(), P50: at(50), P90: at(90), P99: at(99), P999: at(99.9), Max: float64(h.Max()) / perMilli}
}

func (s *Summary) series(of *tally.Series) {
	out := &s.Series
	out.Width, out.Steps = of.Width.Seconds(), make(map[string][]float64)
	seen := make(map[record.Step]bool)
	for _, bin := range of.Bins {
		for step := range bin.Step {
			seen[step] = true
		}
	}
	for _, bin := range of.Bins {
		for _, v := range []struct {
			into  *[]float64
			value int
		}{
			{&out.Arrived, bin.Arrived}, {&out.Admitted, bin.Admitted}, {&out.Held, bin.Held}, {&out.Tickets, bin.Tickets},
			{&out.Errors, bin.Errors}, {&out.Line, bin.Line}, {&out.Lobby, bin.Lobby}, {&out.Shop, bin.Shop},
		} {
			*v.into = append(*v.into, float64(v.value))
		}
		var p50, p99 float64
		if bin.All != nil {
			p50, p99 = float64(bin.All.ValueAtQuantile(50))/1e3, float64(bin.All.ValueAtQuantile(99))/1e3
		}
		out.P50, out.P99 = append(out.P50, p50), append(out.P99, p99)
		for step := range seen {
			value := 0.0
			if h := bin.Step[step]; h != nil {
				value = float64(h.ValueAtQuantile(99)) / 1e3
			}
			out.Steps[string(step)] = append(out.Steps[string(step)], value)
		}
	}
}

// Broken lists the invariants found broken, for one line.
func (s *Summary) Broken() string {
	var names []string
	for _, v := range judge.Broken(s.Verdicts) {
		names = append(names, v.Invariant)
	}
	return strings.Join(names, ", ")
}
