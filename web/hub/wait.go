package hub

import (
	"time"

	"github.com/ropeline/ropeline"
)

// wait estimates how long a fan still waits, from how fast the line moved over
// the last two minutes; nil when that is not known, or when the line stands.
//
// The low end is the fastest pace seen, with those who left counted as if they
// had all stood ahead. The high end is the slowest pace seen, less the part of
// it that was owed to no-shows: their slots went to the next fans, and nobody
// knows whether those who are called from now on stay away as well.
func (r *Room) wait(position int64) *ropeline.Range {
	slow, fast, known := r.watch.PaceBounds()
	return r.estimate(position, slow, fast, known)
}

func (r *Room) estimate(position int64, slow, fast float64, known bool) *ropeline.Range {
	f := r.facts.Load()
	if f.paused || f.phase != ropeline.PhaseOnSale {
		return nil
	}
	if slow *= 1 - f.noShows; !known || slow <= 0 {
		return nil
	}
	perSecond := time.Minute.Seconds()
	return &ropeline.Range{
		Low:  int64(float64(position) / fast * perSecond),
		High: int64(float64(position+1)/slow*perSecond) + 1,
	}
}

const (
	absenceWindow = 5 * time.Minute
	absenceLeast  = 20 // admissions; fewer say nothing about the next
)

// absence is how many of the admitted let their pass run out, over the last
// minutes. Its totals count since Redis last lost the event.
type absence struct {
	marks []absent
}

type absent struct {
	at                time.Time
	admitted, noShows int64
}

// observe notes the totals and returns the part of no-shows, 0 to 0.9; 0 while
// it is not known.
func (a *absence) observe(now time.Time, admitted, noShows int64) float64 {
	if last := len(a.marks) - 1; last >= 0 && (admitted < a.marks[last].admitted || noShows < a.marks[last].noShows) {
		a.marks = a.marks[:0] // Redis was lost
	}
	old := 0
	for old < len(a.marks) && now.Sub(a.marks[old].at) > absenceWindow {
		old++
	}
	a.marks = append(a.marks[:copy(a.marks, a.marks[old:])], absent{now, admitted, noShows})
	called := admitted - a.marks[0].admitted
	if called < absenceLeast {
		return 0
	}
	return min(float64(noShows-a.marks[0].noShows)/float64(called), 0.9)
}
