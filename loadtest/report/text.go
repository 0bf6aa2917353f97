package report

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/ropeline/ropeline/loadtest/judge"
)

type printer struct {
	w   io.Writer
	err error
}

func (p *printer) line(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintln(p.w, strings.TrimRight(fmt.Sprintf(format, args...), " "))
	}
}

// Text prints the summary for people at a terminal.
func (s *Summary) Text(w io.Writer) error {
	p := &printer{w: w}
	p.line("%s   event %s   seed %d   %d fans   %.1f s", s.Scenario, s.Event, s.Seed, s.Fans, s.Seconds)
	p.line("")
	p.line("funnel")
	f := s.Funnel
	for _, row := range []struct {
		name  string
		count int
	}{
		{"arrived", f.Arrived}, {"joined", f.Joined}, {"let in", f.Admitted}, {"entered", f.Entered},
		{"held", f.Held}, {"ordered", f.Ordered}, {"paid", f.Paid},
	} {
		p.line("  %-10s %8d  %s", row.name, row.count, bar(row.count, f.Arrived))
	}
	p.line("  %-10s %8d", "tickets", f.Tickets)
	if s.SoldOut > 0 {
		p.line("  99.9 %% of them were paid after %.1f s, %.1f s after the drop", s.SoldOut, s.SoldOut-s.Drop)
	}
	p.line("")
	p.line("outcomes by behaviour")
	for _, name := range slices.Sorted(maps.Keys(s.By)) {
		var cells []string
		for _, outcome := range slices.Sorted(maps.Keys(s.By[name])) {
			cells = append(cells, fmt.Sprintf("%s %d", outcome, s.By[name][outcome]))
		}
		p.line("  %-14s %s", name, strings.Join(cells, ", "))
	}
	p.line("")
	p.line("%-14s %9s %9s %9s %9s %9s %9s", "latency", "answers", "p50", "p90", "p99", "p99.9", "max")
	for _, l := range append(slices.Clone(s.Latency), s.Waited, s.Late) {
		if l.Count > 0 {
			p.line("  %-12s %9d %9s %9s %9s %9s %9s", l.Step, l.Count, l.MS(l.P50), l.MS(l.P90), l.MS(l.P99), l.MS(l.P999), l.MS(l.Max))
		}
	}
	s.writeFairness(p)
	for i, fault := range s.Faults {
		if i == 0 {
			p.line("")
			p.line("faults, and how long the sale stood still after each, before the next")
		}
		silence := "the sale was over, or had not begun"
		if fault.Silence >= 0 {
			silence = fmt.Sprintf("%.2f s", fault.Silence)
			if fault.Limit > 0 {
				silence += fmt.Sprintf(" of %.0f s", fault.Limit)
			}
		}
		p.line("  %8.1f s  %-24s %s", fault.At, fault.Kind+" "+fault.Note, silence)
	}
	for i, problem := range s.Problems {
		if i == 0 {
			p.line("")
			p.line("answers that were not good")
		}
		p.line("  %-12s %-24s %8d", problem.Step, problem.Code, problem.Count)
	}
	for i, note := range s.Notes {
		if i == 0 {
			p.line("")
		}
		p.line("%s", note)
	}
	writeVerdicts(p, s.Verdicts)
	return p.err
}

func writeVerdicts(p *printer, verdicts []judge.Verdict) {
	p.line("")
	p.line("invariants, as far as they could be seen")
	for _, v := range verdicts {
		word := "holds"
		switch {
		case !v.OK:
			word = "BROKEN"
		case v.Checked == 0:
			word = "not seen"
		}
		p.line("  %-9s %-9s %8d checked   %s", v.Invariant, word, v.Checked, v.Claim)
		if v.Counterexample != "" {
			p.line("            %s", v.Counterexample)
		}
		if v.Note != "" {
			p.line("            %s", v.Note)
		}
	}
}

func (s *Summary) writeFairness(p *printer) {
	f := s.Fairness
	p.line("")
	p.line("fairness")
	p.line("  %d inversions among %d admissions; tau of arrival against admission %.4f (%d fans after the draw), %.4f (%d of the lobby)",
		f.Inversions, f.Admitted, f.TauLate, f.Late, f.TauLobby, f.Lobby)
	if f.Bots.Fans > 0 {
		p.line("  bots are %.1f %% of the fans, %.1f %% of those let in, and have %.1f %% of the tickets", 100*f.Bots.Fans, 100*f.Bots.Admitted, 100*f.Bots.Tickets)
	}
	for _, w := range f.Windows {
		allowed := ""
		if w.Allowed > 0 {
			allowed = fmt.Sprintf(" of %.1f that the rule allows", w.Allowed)
		}
		p.line("  the fullest window of %v has %d admissions%s", w.Length, w.Most, allowed)
	}
}

func bar(count, of int) string {
	if of == 0 {
		return ""
	}
	return strings.Repeat("▇", (count*40+of-1)/of)
}
