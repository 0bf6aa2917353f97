package crowd

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/ropeline/ropeline/loadtest/record"
)

// Transport is how a fan hears of its position.
type Transport string

// The transports; the zero value is a WebSocket.
const (
	WebSocket Transport = "websocket"
	Stream    Transport = "sse"
	Polling   Transport = "polling"
)

// Behaviour is one way to be a fan. All times are human times, multiplied by
// the crowd's Pace. The zero value waits at the socket for as long as it
// takes, buys and pays at once.
type Behaviour struct {
	Name  string
	Share float64 // of the crowd, in relation to the other shares

	Transport  Transport
	Tabs       int    // windows open at once; 0 and 1: one
	Patience   Spread // leaves the line after so long; zero: never
	Reload     Spread // loads the page again after so long, and again; zero: never
	NetLost    Spread // loses the network after so long, and again; zero: never
	NetAway    Spread // and has it again after so long
	Wake       Spread // a phone: looks for so long, and then sleeps; zero: always awake
	Sleep      Spread // for so long
	Moves      Spread // goes on on another device after so long; zero: never
	SlowReader bool   // opens the socket and does not read, until the server hangs up; then polls
	NoShow     bool   // is admitted and never enters

	// Bot: one identity of a machine that has many. It makes no pauses, calls
	// the API out of order, takes as many tickets as it gets, and shows its
	// passes again. All bots come from a few addresses.
	Bot bool

	Think   Spread // between entering and reserving
	Tickets int    // how many it wants; 0: one to four, mostly two
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
		{Name: "patient", Share: 37, Think: think, Pay: pay},
		{Name: "polling", Share: 8, Think: think, Pay: pay, Transport: Polling, Cards: []string{"three_d_secure", "approve"}},
		{Name: "stream", Share: 5, Think: think, Pay: pay, Transport: Stream},
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
		if !slices.Contains([]Transport{"", WebSocket, Stream, Polling}, b.Transport) {
			return fmt.Errorf("behaviour %q: the transport %q is none of websocket, sse, polling", b.Name, b.Transport)
		}
		total += b.Share
	}
	if total <= 0 {
		return fmt.Errorf("the shares of the mix add up to nothing")
	}
	return nil
}

// Bots names the behaviours that are bots.
func (m Mix) Bots() (names []string) {
	for _, b := range m {
		if b.Bot {
			names = append(names, b.Name)
		}
	}
	return names
}

func (m Mix) draw(rng *rand.Rand) *Behaviour {
	total := 0.0
	for i := range m {
		total += m[i].Share
	}
	at := rng.Float64() * total
	for i := range m {
		if at -= m[i].Share; at < 0 {
			return &m[i]
		}
	}
	return &m[len(m)-1]
}

// Plan is all that chance decides about one fan, drawn before it arrives: the
// answers of the server do not change what is drawn. It depends on the seed,
// the mix, the pace and the fan's index alone.
type Plan struct {
	Is              *Behaviour
	Patience        time.Duration // 0: forever
	Think, Pay      time.Duration
	Taste, Appetite float64 // in [0,1): which ticket type, how many

	reload, lost, wake, moves time.Duration // 0: never
	repeats                   bool          // sends its creating requests twice
	trick                     string        // "": honest
}

// Draw makes the plan of one fan of the mix.
func (m Mix) Draw(seed uint64, index int, pace float64) Plan {
	return m.plan(chance(seed, index), pace, 0, 0)
}

func (m Mix) plan(rng *rand.Rand, pace, repeats, intrusions float64) Plan {
	is := m.draw(rng)
	p := Plan{
		Is:       is,
		Patience: is.Patience.draw(rng, pace),
		reload:   is.Reload.draw(rng, pace),
		Think:    is.Think.draw(rng, pace),
		Pay:      is.Pay.draw(rng, pace),
		Taste:    rng.Float64(),
		Appetite: rng.Float64(),
		repeats:  rng.Float64() < repeats,
	}
	trick, intrudes := record.Tricks[rng.IntN(len(record.Tricks))], rng.Float64() < intrusions
	if intrudes || is.Bot {
		p.trick = trick
	}
	p.lost, p.wake, p.moves = is.NetLost.draw(rng, pace), is.Wake.draw(rng, pace), is.Moves.draw(rng, pace)
	if is.Bot {
		p.Appetite = 0.99
	}
	return p
}

// Quantity is how many tickets a plan wants: as many as its behaviour says, or
// one to four, mostly two.
func (p Plan) Quantity() int {
	if p.Is.Tickets > 0 {
		return p.Is.Tickets
	}
	for i, upTo := range []float64{0.35, 0.85, 0.93} {
		if p.Appetite < upTo {
			return i + 1
		}
	}
	return 4
}
