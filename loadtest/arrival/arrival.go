package arrival

import (
	"fmt"
	"iter"
	"math"
	"math/rand/v2"
	"time"
)

// Arrival says when the fans of a crowd come. Its zero value is Poisson over
// ten seconds.
type Arrival struct {
	Shape Shape
	Over  time.Duration // the last fan comes no later; 0: 10 s
	Lead  time.Duration // until the drop; only Drop asks
}

// Shape is the form of an arrival over its time.
type Shape string

// The shapes.
const (
	Poisson  Shape = "poisson"  // at random, evenly (the default)
	Constant Shape = "constant" // one after the other in equal steps
	Burst    Shape = "burst"    // a spike at the beginning and a long tail, as at a drop
	Ramp     Shape = "ramp"     // few at first, more and more
	Drop     Shape = "drop"     // half come before the drop, more and more; a third in seconds at the drop; the rest is a long tail
)

// Validate tells whether the shape is known and the time is not negative.
func (a Arrival) Validate() error {
	switch a.Shape {
	case "", Poisson, Constant, Burst, Ramp, Drop:
	default:
		return fmt.Errorf("arrival: %q is none of poisson, constant, burst, ramp, drop", a.Shape)
	}
	if a.Over < 0 {
		return fmt.Errorf("arrival: a time of %v is negative", a.Over)
	}
	return nil
}

// Times yields n moments after the start, in order and in constant memory.
//
// Each shape is an inverse distribution function. The random ones are given
// sorted uniform numbers, which can be drawn one by one: of k numbers still
// to come above u, the smallest is 1 − (1−u)·V^(1/k) with V uniform.
func (a Arrival) Times(n int, rng *rand.Rand) iter.Seq[time.Duration] {
	over := a.Over
	if over == 0 {
		over = 10 * time.Second
	}
	return func(yield func(time.Duration) bool) {
		u := 0.0
		for i := range n {
			if a.Shape == Constant {
				u = float64(i) / float64(n)
			} else {
				u = 1 - (1-u)*math.Pow(1-rng.Float64(), 1/float64(n-i))
			}
			if !yield(time.Duration(a.quantile(u, over) * float64(over))) {
				return
			}
		}
	}
}

// burstSteepness puts 63 % of a burst into its first sixth.
const burstSteepness = 6

// dropSteepness puts 78 % of a falling part into its first half.
const dropSteepness = 3

// The parts of a drop: who comes before it, and who in the spike at it, which
// lasts a tenth of the time that follows.
const (
	dropBefore = 0.50
	dropSpike  = 0.33
	spikePart  = 0.1
)

func (a Arrival) quantile(u float64, over time.Duration) float64 {
	switch a.Shape {
	case Drop:
		lead := min(float64(a.Lead)/float64(over), 1)
		spike := lead + (1-lead)*spikePart
		fall := func(v float64) float64 { return -math.Log1p(-v*(1-math.Exp(-dropSteepness))) / dropSteepness }
		switch {
		case u < dropBefore:
			return lead * math.Sqrt(u/dropBefore)
		case u < dropBefore+dropSpike:
			return lead + (spike-lead)*fall((u-dropBefore)/dropSpike)
		}
		return spike + (1-spike)*fall((u-dropBefore-dropSpike)/(1-dropBefore-dropSpike))
	case Burst:
		return -math.Log1p(-u*(1-math.Exp(-burstSteepness))) / burstSteepness
	case Ramp:
		return math.Sqrt(u)
	}
	return u
}
