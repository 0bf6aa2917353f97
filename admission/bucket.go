package admission

import "time"

// Unit is one admission in the bucket. At a rate of r per minute, r units of
// the bucket flow in each microsecond, so that no arithmetic is ever rounded.
const Unit = int64(time.Minute / time.Microsecond)

// longestRefill bounds what flows in at once, and with it the numbers.
const longestRefill = int64(time.Hour / time.Microsecond)

// State is the bucket of one event at a moment (microseconds of Unix time).
type State struct {
	Tokens int64
	At     int64
}

// Demand is what a tick finds besides the bucket.
type Demand struct {
	Waiting   int64 // fans in the line
	Shoppers  int64 // admitted and entered
	Holding   int64 // shoppers who have a reservation
	Left      int64 // tickets nobody holds, when LeftKnown
	LeftKnown bool
}

// Full is the bucket that an event begins with.
func Full(r Rules, now int64) State { return State{Tokens: int64(r.Burst) * Unit, At: now} }

// Refill lets the bucket fill until now. The clock never runs backwards, a
// paused bucket does not fill, and none holds more than the burst.
func Refill(s State, r Rules, now int64) State {
	elapsed := min(max(now-s.At, 0), longestRefill)
	if !r.Paused {
		s.Tokens += elapsed * int64(r.RatePerMinute)
	}
	return State{Tokens: min(s.Tokens, int64(r.Burst)*Unit), At: max(s.At, now)}
}

// Decide is one tick without the engine: how many of the waiting are admitted
// now, and the bucket after that. lua/tick.lua does the same.
func Decide(s State, r Rules, now int64, d Demand) (State, int64) {
	s = Refill(s, r, now)
	admit := min(s.Tokens/Unit, int64(r.Batch), int64(r.MaxShoppers)-d.Shoppers, d.Waiting)
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
	s.Tokens -= admit * Unit
	return s, admit
}
