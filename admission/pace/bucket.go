package pace

import "time"

// Unit is one admission in the bucket. At a rate of r per minute, r units of
// the bucket flow in each microsecond, so that no arithmetic is ever rounded.
const Unit = int64(time.Minute / time.Microsecond)

// LongestRefill bounds what flows in at once, and with it the numbers.
const LongestRefill = int64(time.Hour / time.Microsecond)

// State is the bucket of one event at a moment (microseconds of Unix time).
type State struct {
	Tokens  int64 // by the rate; what no-shows gave back comes on top
	Ceiling int64 // by the rate and the percent of compensation: all admissions
	Owed    int64 // admissions that no-shows gave back
	At      int64
}

// Demand is what a tick finds besides the bucket.
type Demand struct {
	Waiting   int64 // fans in the line
	Shoppers  int64 // admitted and entered
	Holding   int64 // shoppers who have a reservation
	NoShows   int64 // passes that ran out or were given up since the last tick
	Left      int64 // tickets nobody holds, when LeftKnown
	LeftKnown bool
}

// Full is the bucket that an event begins with.
func Full(r Rules, now int64) State {
	full := int64(r.Burst) * Unit
	return State{Tokens: full, Ceiling: full, At: now}
}

// Inflow is what the rates let flow between two moments, each raised by a
// percentage and rounded down to whole admissions per minute.
func (r Rules) Inflow(from, to int64, percent int) int64 {
	from = max(from, to-LongestRefill)
	raised := func(rate int) int64 { return int64(rate + rate*percent/100) }
	rate, sum := r.RatePerMinute, int64(0)
	for _, step := range r.Schedule {
		begins := step.From.UnixMicro()
		if begins > from && begins < to {
			sum += (begins - from) * raised(rate)
			from = begins
		}
		if begins <= from {
			rate = step.RatePerMinute
		}
	}
	return sum + max(to-from, 0)*raised(rate)
}

// Refill lets the bucket fill until now. The clock never runs backwards, a
// paused bucket does not fill, and none holds more than the burst.
func Refill(s State, r Rules, now int64) State {
	if !r.Paused {
		s.Tokens += r.Inflow(s.At, now, 0)
		s.Ceiling += r.Inflow(s.At, now, r.CompensatePercent)
	}
	full := int64(r.Burst) * Unit
	s.Tokens, s.Ceiling, s.At = min(s.Tokens, full), min(s.Ceiling, full), max(s.At, now)
	return s
}

// Decide is one tick without the engine: how many of the waiting are admitted
// now, and the bucket after that. lua/tick.lua does the same.
func Decide(s State, r Rules, now int64, d Demand) (State, int64) {
	s = Refill(s, r, now)
	s.Owed = min(s.Owed+d.NoShows, int64(r.Burst))
	if r.CompensatePercent == 0 {
		s.Owed = 0
	}
	admit := min(s.Tokens/Unit+s.Owed, s.Ceiling/Unit, int64(r.Batch), int64(r.MaxShoppers)-d.Shoppers, d.Waiting)
	if r.StockGate {
		room := int64(0)
		if d.LeftKnown {
			room = d.Left - (d.Shoppers - d.Holding)
		}
		admit = min(admit, room)
	}
	if r.Paused || admit < 0 {
		admit = 0
	}
	return s.Spend(admit), admit
}

// Spend takes n admissions out: first what the rate gave, then what is owed.
func (s State) Spend(n int64) State {
	byRate := min(n, s.Tokens/Unit)
	s.Tokens -= byRate * Unit
	s.Owed -= n - byRate
	s.Ceiling -= n * Unit
	return s
}
