package report

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/ropeline/ropeline/loadtest/judge"
	"github.com/ropeline/ropeline/loadtest/record"
	"github.com/ropeline/ropeline/loadtest/tally"
)

// Text prints a result as plain text for people.
func Text(w io.Writer, verdicts []judge.Verdict, counts *tally.Tally) error {
	p := &printer{w: w}
	writeTally(p, counts)
	p.line("")
	p.line("invariants, as far as the fans could see")
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
	return p.err
}

type printer struct {
	w   io.Writer
	err error
}

func (p *printer) line(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintln(p.w, strings.TrimRight(fmt.Sprintf(format, args...), " "))
	}
}

func writeTally(p *printer, t *tally.Tally) {
	f := t.Funnel
	p.line("event %s   seed %d   %d fans   %v", t.Run.Event, t.Run.Seed, t.Run.Fans, t.Took.Round(100*time.Millisecond))
	p.line("")
	p.line("funnel")
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
	writeOutcomes(p, t)
	writeLatency(p, t)
	if len(t.Problems) == 0 {
		return
	}
	p.line("")
	p.line("answers that were not good")
	for _, problem := range slices.SortedFunc(maps.Keys(t.Problems), func(a, b tally.Problem) int {
		return cmp.Or(cmp.Compare(a.Step, b.Step), cmp.Compare(a.Code, b.Code))
	}) {
		p.line("  %-12s %-24s %8d", problem.Step, problem.Code, t.Problems[problem])
	}
}

func writeOutcomes(p *printer, t *tally.Tally) {
	p.line("")
	p.line("outcomes by behaviour")
	for _, name := range slices.Sorted(maps.Keys(t.By)) {
		var cells []string
		for _, outcome := range slices.Sorted(maps.Keys(t.By[name])) {
			cells = append(cells, fmt.Sprintf("%s %d", outcome, t.By[name][outcome]))
		}
		p.line("  %-12s %s", name, strings.Join(cells, ", "))
	}
}

// order of the steps in the report.
var reported = []record.Step{
	record.StepArrive, record.StepJoin, record.StepSocket, record.StepPoll, record.StepLeave, record.StepEnter, record.StepReserve,
	record.StepReservation, record.StepRelease, record.StepOrder, record.StepPay, record.StepOrderLook, record.StepTickets, record.StepIntrude,
}

func writeLatency(p *printer, t *tally.Tally) {
	p.line("")
	p.line("%-14s %8s %9s %9s %9s %9s %9s", "latency", "answers", "p50", "p90", "p99", "p99.9", "max")
	row := func(name string, h *hdrhistogram.Histogram, unit time.Duration) {
		if h == nil || h.TotalCount() == 0 {
			return
		}
		cells := make([]string, 0, 5)
		for _, q := range []float64{50, 90, 99, 99.9, 100} {
			cells = append(cells, short(time.Duration(h.ValueAtQuantile(q))*unit))
		}
		p.line("  %-12s %8d %9s %9s %9s %9s %9s", name, h.TotalCount(), cells[0], cells[1], cells[2], cells[3], cells[4])
	}
	for _, step := range reported {
		row(string(step), t.Latency[step], time.Microsecond)
	}
	row("in the line", t.Waited, time.Millisecond)
}

func short(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return fmt.Sprintf("%dµs", d.Microseconds())
	case d < time.Second:
		return fmt.Sprintf("%.1fms", float64(d.Microseconds())/1e3)
	}
	return fmt.Sprintf("%.2fs", d.Seconds())
}

func bar(count, of int) string {
	if of == 0 {
		return ""
	}
	return strings.Repeat("▇", (count*40+of-1)/of)
}
