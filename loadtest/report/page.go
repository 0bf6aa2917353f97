package report

import (
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/ropeline/ropeline/loadtest/judge"
	"github.com/ropeline/ropeline/loadtest/record"
)

//go:embed *.html
var pages embed.FS

var pageTemplate = pageNamed("page.html")

// pageNamed is one of the pages, with the style that all of them share inside
// it: a page stands by itself.
func pageNamed(name string) *template.Template {
	return template.Must(template.ParseFS(pages, name, "style.html"))
}

// view is what the page shows.
type view struct {
	*Summary
	Title    string
	Word     string
	Plots    []template.HTML
	Stages   []stage
	Columns  []string
	Rows     []row
	Verdicts []judged
}

type stage struct {
	Name    string
	Count   int
	Percent float64
}

type row struct {
	Name  string
	Cells []int
}

type judged struct {
	judge.Verdict
	Word, Class string
}

// JSON writes the summary for machines.
func (s *Summary) JSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", " ")
	return enc.Encode(s)
}

// Page writes the summary as one HTML file that needs nothing else.
func (s *Summary) Page(w io.Writer) error {
	return pageTemplate.Execute(w, s.view())
}

func (s *Summary) view() view {
	v := view{Summary: s, Title: s.Scenario, Word: "every invariant holds, as far as it was seen"}
	if v.Title == "" {
		v.Title = "a run"
	}
	if broken := s.Broken(); broken != "" {
		v.Word = "BROKEN: " + broken
	}
	v.Plots = s.plots()
	for _, f := range []stage{
		{"arrived", s.Funnel.Arrived, 0}, {"joined", s.Funnel.Joined, 0}, {"let in", s.Funnel.Admitted, 0}, {"entered", s.Funnel.Entered, 0},
		{"held", s.Funnel.Held, 0}, {"ordered", s.Funnel.Ordered, 0}, {"paid", s.Funnel.Paid, 0},
	} {
		if s.Funnel.Arrived > 0 {
			f.Percent = 100 * float64(f.Count) / float64(s.Funnel.Arrived)
		}
		v.Stages = append(v.Stages, f)
	}
	outcomes := make(map[record.Outcome]bool)
	for _, by := range s.By {
		for outcome := range by {
			outcomes[outcome] = true
		}
	}
	for _, outcome := range slices.Sorted(maps.Keys(outcomes)) {
		v.Columns = append(v.Columns, strings.ReplaceAll(string(outcome), "_", " "))
	}
	for _, name := range slices.Sorted(maps.Keys(s.By)) {
		r := row{Name: name}
		for _, outcome := range slices.Sorted(maps.Keys(outcomes)) {
			r.Cells = append(r.Cells, s.By[name][outcome])
		}
		r.Cells = append(r.Cells, s.Tickets[name])
		v.Rows = append(v.Rows, r)
	}
	for _, one := range s.Verdicts {
		word, class := "holds", "good"
		switch {
		case !one.OK:
			word, class = "BROKEN", "bad"
		case one.Checked == 0:
			word, class = "not seen", "none"
		}
		v.Verdicts = append(v.Verdicts, judged{one, word, class})
	}
	return v
}

func (s *Summary) plots() []template.HTML {
	t := s.Series
	var marks []mark
	if s.Drop > 0 {
		marks = append(marks, mark{s.Drop, "the drop"})
	}
	for _, f := range s.Faults {
		marks = append(marks, mark{f.At, f.Kind + " " + f.Note})
	}
	perSecond := func(counts []float64) []float64 {
		rates := make([]float64, len(counts))
		for i, n := range counts {
			rates[i] = n / t.Width
		}
		return rates
	}
	sum := func(counts []float64) []float64 {
		sums, total := make([]float64, len(counts)), 0.0
		for i, n := range counts {
			total += n
			sums[i] = total
		}
		return sums
	}
	draw := func(p plot) template.HTML {
		p.width, p.marks = t.Width, marks
		return p.svg()
	}
	admitted := []curve{{name: "let in", values: sum(t.Admitted)}, {name: "tickets paid", values: sum(t.Tickets)}}
	if s.Rule != nil && s.Fairness.Admitted > 0 {
		rule, begins, top := make([]float64, len(t.Admitted)), -1, sum(t.Admitted)
		for i := range rule {
			if begins < 0 && t.Admitted[i] > 0 {
				begins = i
			}
			if begins >= 0 {
				rule[i] = min(float64(s.Rule.Burst)+float64(s.Rule.RatePerMinute)/60*float64(i-begins+1)*t.Width, 1.3*top[len(top)-1])
			}
		}
		admitted = append(admitted, curve{name: "the rule's bound", values: rule, dashed: true})
	}
	plots := []template.HTML{
		draw(plot{title: "arrivals per second", curves: []curve{{name: "arrived", values: perSecond(t.Arrived)}}, steps: true}),
		draw(plot{title: "fans", curves: []curve{{name: "in the line", values: t.Line}, {name: "in the lobby", values: t.Lobby}, {name: "in the shop", values: t.Shop}}}),
		draw(plot{title: "admissions against the rule", curves: admitted}),
		draw(plot{title: "latency of all answers, ms", logarithmic: true, curves: []curve{{name: "p50", values: t.P50}, {name: "p99", values: t.P99}}}),
		draw(plot{title: "reservations and errors per second", curves: []curve{{name: "held", values: perSecond(t.Held)}, {name: "errors", values: perSecond(t.Errors)}}, steps: true}),
	}
	var steps []curve
	for _, name := range []record.Step{record.StepJoin, record.StepPoll, record.StepEnter, record.StepReserve, record.StepOrder, record.StepPay} {
		if values := t.Steps[string(name)]; values != nil {
			steps = append(steps, curve{name: string(name), values: values})
		}
	}
	return append(plots, draw(plot{title: "latency by step, p99, ms", logarithmic: true, curves: steps}))
}

// MS writes milliseconds for people.
func (l Latency) MS(v float64) string {
	switch {
	case v >= 10_000:
		return fmt.Sprintf("%.1f s", v/1000)
	case v >= 100:
		return fmt.Sprintf("%.0f ms", v)
	}
	return fmt.Sprintf("%.1f ms", v)
}
