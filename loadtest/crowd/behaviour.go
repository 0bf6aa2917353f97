package crowd

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"
)

// Behaviour is one way to be a fan. All times are human times, multiplied by
// the crowd's Pace. The zero value waits at the socket for as long as it
// takes, buys and pays at once.
type Behaviour struct {
	Name  string
	Share float64 // of the crowd, in relation to the other shares

	Polls    bool   // asks again and again instead of opening a WebSocket
	Tabs     int    // windows open at once; 0 and 1: one
	Patience Spread // leaves the line after so long; zero: never
	Reload   Spread // loads the page again after so long, and again; zero: never
	NoShow   bool   // is admitted and never enters

	Think   Spread // between entering and reserving
	GivesUp bool   // releases the reservation instead of paying
	RunsOut bool   // lets the reservation run out
	Pay     Spread // between reserving and paying
	// Cards are the outcomes asked of the sandbox, tried in this order until
	// one leads to payment; empty: approve.
	Cards []string
}

// Mix is a crowd's behaviours with their shares.
type Mix []Behaviour

// Spread is a log-normal distribution of times: half of the draws are below
// Median, about 84 % below Median·e^Sigma, none above eight times Median.
type Spread struct {
	Median time.Duration
	Sigma  float64
}

func (s Spread) draw(rng *rand.Rand, pace float64) time.Duration {
	factor := min(math.Exp(s.Sigma*rng.NormFloat64()), 8)
	return time.Duration(float64(s.Median) * pace * factor)
}

// DefaultMix is the crowd of the demo and of a run that names no other.
func DefaultMix() Mix {
	var (
		think = Spread{8 * time.Second, 0.6}
		pay   = Spread{15 * time.Second, 0.6}
	)
	return Mix{
		{Name: "patient", Share: 40, Think: think, Pay: pay},
		{Name: "polling", Share: 10, Think: think, Pay: pay, Polls: true, Cards: []string{"three_d_secure", "approve"}},
		{Name: "reloading", Share: 10, Think: think, Pay: pay, Reload: Spread{20 * time.Second, 0.7}, Cards: []string{"reorder", "approve"}},
		{Name: "two tabs", Share: 8, Think: think, Pay: pay, Tabs: 2, Cards: []string{"duplicate", "approve"}},
		{Name: "leaving", Share: 8, Think: think, Pay: pay, Patience: Spread{60 * time.Second, 0.8}},
		{Name: "declined", Share: 6, Think: think, Pay: pay, Cards: []string{"decline", "approve"}},
		{Name: "slow payer", Share: 6, Think: think, Pay: Spread{90 * time.Second, 0.5}, Cards: []string{"delay", "approve"}},
		{Name: "giving up", Share: 5, Think: think, Pay: pay, GivesUp: true},
		{Name: "running out", Share: 4, Think: think, RunsOut: true},
		{Name: "no-show", Share: 3, NoShow: true},
	}
}

// Validate refuses a mix that nobody can be drawn from.
func (m Mix) Validate() error {
	total := 0.0
	for _, b := range m {
		if b.Share < 0 || math.IsNaN(b.Share) || math.IsInf(b.Share, 0) {
			return fmt.Errorf("behaviour %q: a share of %v", b.Name, b.Share)
		}
		total += b.Share
	}
	if total <= 0 {
		return fmt.Errorf("the shares of the mix add up to nothing")
	}
	return nil
}

func (m Mix) draw(rng *rand.Rand) Behaviour {
	total := 0.0
	for _, b := range m {
		total += b.Share
	}
	at := rng.Float64() * total
	for _, b := range m {
		if at -= b.Share; at < 0 {
			return b
		}
	}
	return m[len(m)-1]
}

// plan is all that chance decides about one fan, drawn before it arrives:
// the answers of the server do not change what is drawn.
type plan struct {
	is              Behaviour
	patience        time.Duration // 0: forever
	reload          time.Duration // 0: never
	think, pay      time.Duration
	taste, appetite float64 // in [0,1): which ticket type, how many
	repeats         bool    // sends its creating requests twice
	trick           string  // "": honest
}

func (s *scene) plan(rng *rand.Rand) plan {
	is := s.mix.draw(rng)
	p := plan{
		is:       is,
		patience: is.Patience.draw(rng, s.pace),
		reload:   is.Reload.draw(rng, s.pace),
		think:    is.Think.draw(rng, s.pace),
		pay:      is.Pay.draw(rng, s.pace),
		taste:    rng.Float64(),
		appetite: rng.Float64(),
		repeats:  rng.Float64() < s.repeats,
	}
	if trick := tricks[rng.IntN(len(tricks))]; rng.Float64() < s.intrusions {
		p.trick = trick
	}
	return p
}
