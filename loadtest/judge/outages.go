package judge

import (
	"math"
	"time"

	"github.com/ropeline/ropeline/loadtest/record"
)

// Outages collects, as a sink of what was recorded, when Redis or Postgres were
// away or gave no answers. Nothing ends meanwhile: what is due then is counted
// from when the engine is back.
type Outages struct{ windows []window }

// window is on the scale of Observation.T; until is the end of time while the
// engine is still away.
type window struct {
	what         string // as the fault's end names it
	since, until int64
}

// See takes in the faults; other observations are passed over.
func (o *Outages) See(seen record.Observation) {
	if seen.Step != record.StepFault {
		return
	}
	if seen.Code == "over" {
		for i := range o.windows {
			if w := &o.windows[i]; w.what == seen.Note && w.until == math.MaxInt64 {
				w.until = seen.T
			}
		}
		return
	}
	switch seen.Code {
	case "kill", "wipe", "half_open", "lost_reply":
		if isEngine(seen.Note) {
			o.windows = append(o.windows, window{seen.Code + " " + seen.Note, seen.T, math.MaxInt64})
		}
	}
}

// isEngine tells whether a fault's target is one that obligations wait for.
func isEngine(target string) bool { return target == "redis" || target == "postgres" }

// after is when what is due at t, and may take so long, begins to be late: t
// itself, or the end of the outage that lies between.
func (o *Outages) after(t int64, may time.Duration) int64 {
	for _, w := range o.windows {
		if w.since <= t+may.Microseconds() && w.until > t {
			t = w.until
		}
	}
	return t
}
