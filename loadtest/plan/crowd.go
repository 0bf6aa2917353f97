package plan

import (
	"math/rand/v2"
	"time"

	"github.com/ropeline/ropeline/loadtest/crowd"
)

// Fans are a crowd with all that chance decides about it, drawn once for any
// number of forecasts.
type Fans struct {
	mix  crowd.Mix
	fans []drawn
	seed uint64
}

// drawn is one fan, in few bytes: there may be a million.
type drawn struct {
	at, patience, think, pay float32 // seconds; patience 0: forever
	taste                    float32
	quantity                 int8
	is                       int16
}

// Draw draws the fans who come at the given moments, the same that a run of
// the seed would send.
func Draw(mix crowd.Mix, seed uint64, pace float64, times func(yield func(time.Duration) bool)) *Fans {
	f := &Fans{mix: mix, seed: seed}
	names := make(map[*crowd.Behaviour]int16)
	for i := range mix {
		names[&mix[i]] = int16(i)
	}
	index := 0
	for at := range times {
		p := mix.Draw(seed, index, pace)
		f.fans = append(f.fans, drawn{
			at: float32(at.Seconds()), patience: float32(p.Patience.Seconds()), think: float32(p.Think.Seconds()), pay: float32(p.Pay.Seconds()),
			taste: float32(p.Taste), quantity: int8(p.Quantity()), is: names[p.Is],
		})
		index++
	}
	return f
}

// Len is how many there are.
func (f *Fans) Len() int { return len(f.fans) }

func (f *Fans) chance() *rand.Rand { return rand.New(rand.NewPCG(f.seed, 0xf0)) }
