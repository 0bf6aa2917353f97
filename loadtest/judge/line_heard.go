package judge

import "github.com/ropeline/ropeline/loadtest/record"

// mostWindows bounds the grid of moments between which paceHeard counts.
const mostWindows = 400

// paceHeard counts by the tester's clock: for all windows that begin and end
// on a grid over the run, the admissions that certainly fell into them.
func paceHeard(run *record.RunFacts, stays []*stay, f *finding) {
	type span struct{ from, to int64 }
	var spans []span
	first, last := int64(-1), int64(0)
	for _, s := range stays {
		if s.letIn < 0 || s.stillOut < 0 {
			continue
		}
		spans = append(spans, span{s.stillOut, s.letIn})
		if first < 0 || s.stillOut < first {
			first = s.stillOut
		}
		last = max(last, s.letIn)
	}
	if len(spans) == 0 {
		return
	}
	step := max(int64(250_000), (last-first)/mostWindows+1)
	n := int((last-first)/step) + 2
	// ends[i] has the grid cells in which spans end that begin in cell i.
	ends := make([][]int, n)
	for _, s := range spans {
		from := int((s.from - first) / step)
		ends[from] = append(ends[from], int((s.to-first)/step)+1)
	}
	perMicro := float64(run.Rule.RatePerMinute) / 60e6
	all := make([]int, n+1) // the ends of the spans that begin at i or later, counted by cell
	for i := n - 1; i >= 0; i-- {
		for _, end := range ends[i] {
			all[min(end, n)]++
		}
		sum := 0
		for j := i + 1; j <= n; j++ {
			sum += all[j]
			if allowed := float64(run.Rule.Burst) + perMicro*float64(int64(j-i)*step); float64(sum) > allowed+1 {
				f.breaks("%d fans were told to wait at %s or later and had heard of their admission by %s; the rule of %d per minute with a burst of %d allows %.1f in %.1f s",
					sum, at(first+int64(i)*step), at(first+int64(j)*step), run.Rule.RatePerMinute, run.Rule.Burst, allowed, float64(int64(j-i)*step)/1e6)
				return
			}
		}
	}
}
