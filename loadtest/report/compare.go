package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io"
	"maps"
	"slices"
)

var compareTemplate = pageNamed("compare.html")

// ReadJSON reads a summary that JSON wrote.
func ReadJSON(r io.Reader) (*Summary, error) {
	s := &Summary{}
	if err := json.NewDecoder(r).Decode(s); err != nil {
		return nil, err
	}
	if s.Format != 1 {
		return nil, errors.New("this is no report of loadtest")
	}
	return s, nil
}

// Line is one figure of two runs.
type Line struct {
	Group, Name string
	A, B        string
	Change      string // of B against A; "" where it says nothing
}

// Compare puts two runs side by side.
func Compare(a, b *Summary) (lines []Line) {
	add := func(group, name string, x, y float64, form string) {
		change := ""
		if x > 0 && x != y {
			change = fmt.Sprintf("%+.1f %%", 100*(y-x)/x)
		}
		lines = append(lines, Line{group, name, fmt.Sprintf(form, x), fmt.Sprintf(form, y), change})
	}
	add("run", "fans", float64(a.Fans), float64(b.Fans), "%.0f")
	add("run", "seconds", a.Seconds, b.Seconds, "%.1f")
	add("run", "sold out at, s", a.SoldOut, b.SoldOut, "%.1f")
	for _, f := range []struct {
		name string
		x, y int
	}{
		{"joined", a.Funnel.Joined, b.Funnel.Joined}, {"let in", a.Funnel.Admitted, b.Funnel.Admitted}, {"held", a.Funnel.Held, b.Funnel.Held},
		{"paid", a.Funnel.Paid, b.Funnel.Paid}, {"tickets", a.Funnel.Tickets, b.Funnel.Tickets},
	} {
		add("funnel", f.name, float64(f.x), float64(f.y), "%.0f")
	}
	steps := make(map[string][2]Latency)
	for i, s := range []*Summary{a, b} {
		for _, l := range append(slices.Clone(s.Latency), s.Waited, s.Late) {
			pair := steps[l.Step]
			pair[i] = l
			steps[l.Step] = pair
		}
	}
	for _, name := range slices.Sorted(maps.Keys(steps)) {
		x, y := steps[name][0], steps[name][1]
		add("latency, ms", name+" p50", x.P50, y.P50, "%.2f")
		add("latency, ms", name+" p99", x.P99, y.P99, "%.2f")
	}
	add("fairness", "inversions", float64(a.Fairness.Inversions), float64(b.Fairness.Inversions), "%.0f")
	add("fairness", "tau after the draw", a.Fairness.TauLate, b.Fairness.TauLate, "%.4f")
	add("fairness", "tickets of bots, share", a.Fairness.Bots.Tickets, b.Fairness.Bots.Tickets, "%.3f")
	word := func(s *Summary, name string) string {
		for _, v := range s.Verdicts {
			switch {
			case v.Invariant != name:
			case !v.OK:
				return "BROKEN"
			case v.Checked == 0:
				return "not seen"
			default:
				return "holds"
			}
		}
		return ""
	}
	for _, v := range a.Verdicts {
		lines = append(lines, Line{"invariants", v.Invariant, word(a, v.Invariant), word(b, v.Invariant), ""})
	}
	return lines
}

// CompareText prints two runs side by side.
func CompareText(w io.Writer, a, b *Summary) error {
	p := &printer{w: w}
	p.line("%-34s %14s %14s %10s", "", label(a, "A"), label(b, "B"), "change")
	group := ""
	for _, l := range Compare(a, b) {
		if l.Group != group {
			group = l.Group
			p.line("%s", group)
		}
		p.line("  %-32s %14s %14s %10s", l.Name, l.A, l.B, l.Change)
	}
	return p.err
}

func label(s *Summary, or string) string {
	if s.Scenario == "" {
		return or
	}
	return fmt.Sprintf("%s/%d", s.Scenario, s.Seed)
}

// ComparePage writes two runs side by side as one HTML file.
func ComparePage(w io.Writer, a, b *Summary) error {
	type pair struct{ A, B template.HTML }
	var plots []pair
	x, y := a.plots(), b.plots()
	for i := range x {
		plots = append(plots, pair{x[i], y[i]})
	}
	return compareTemplate.Execute(w, map[string]any{"A": a, "B": b, "NameA": label(a, "A"), "NameB": label(b, "B"), "Lines": Compare(a, b), "Plots": plots})
}
