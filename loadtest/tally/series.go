package tally

import (
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/ropeline/ropeline/loadtest/record"
)

// mostBins bounds what is kept by time: a run that outgrows them has its bins
// joined in pairs.
const mostBins = 240

// Series is what happened by time, in bins of one width.
type Series struct {
	Width time.Duration
	Bins  []Bin

	now  state
	last int
}

// Bin is one stretch of the run. Line, Lobby and Shop are as at its end.
type Bin struct {
	Arrived, Joined, Admitted, Held, Paid, Tickets, Errors int
	Line, Lobby, Shop                                      int

	All  *hdrhistogram.Histogram                 // every answer, microseconds, two digits; nil: none
	Step map[record.Step]*hdrhistogram.Histogram // the same by step
}

type state struct{ Line, Lobby, Shop int }

func newSeries() Series { return Series{Width: time.Second} }

// at is the bin of a moment.
func (s *Series) at(t int64) *Bin {
	i := int(time.Duration(max(t, 0)) * time.Microsecond / s.Width)
	for i >= mostBins {
		s.halve()
		i = int(time.Duration(t) * time.Microsecond / s.Width)
	}
	for len(s.Bins) <= i {
		s.Bins = append(s.Bins, Bin{Line: s.now.Line, Lobby: s.now.Lobby, Shop: s.now.Shop})
	}
	s.last = i
	return &s.Bins[i]
}

// settle keeps the state of now as that of the bin's end.
func (s *Series) settle(bin *Bin) {
	bin.Line, bin.Lobby, bin.Shop = s.now.Line, s.now.Lobby, s.now.Shop
}

func (s *Series) time(t int64, step record.Step, took int64) {
	bin := s.at(t)
	if bin.All == nil {
		bin.All, bin.Step = hdrhistogram.New(1, slowest, 2), make(map[record.Step]*hdrhistogram.Histogram)
	}
	bin.All.RecordValue(took)
	h := bin.Step[step]
	if h == nil {
		h = hdrhistogram.New(1, slowest, 1)
		bin.Step[step] = h
	}
	h.RecordValue(took)
}

func (s *Series) halve() {
	joined := make([]Bin, 0, mostBins)
	for i := 0; i < len(s.Bins); i += 2 {
		bin := s.Bins[i]
		if i+1 < len(s.Bins) {
			bin.join(s.Bins[i+1])
		}
		joined = append(joined, bin)
	}
	s.Bins, s.Width = joined, 2*s.Width
}

func (b *Bin) join(next Bin) {
	b.Arrived += next.Arrived
	b.Joined += next.Joined
	b.Admitted += next.Admitted
	b.Held += next.Held
	b.Paid += next.Paid
	b.Tickets += next.Tickets
	b.Errors += next.Errors
	b.Line, b.Lobby, b.Shop = next.Line, next.Lobby, next.Shop
	if b.All == nil {
		b.All, b.Step = next.All, next.Step
		return
	}
	if next.All == nil {
		return
	}
	b.All.Merge(next.All)
	for step, h := range next.Step {
		if have := b.Step[step]; have != nil {
			have.Merge(h)
		} else {
			b.Step[step] = h
		}
	}
}

// Recent is the latency at a quantile, 0 to 100, over the last two bins.
func (s *Series) Recent(quantile float64) time.Duration {
	var worst int64
	for i := max(0, s.last-1); i <= s.last && i < len(s.Bins); i++ {
		if h := s.Bins[i].All; h != nil {
			worst = max(worst, h.ValueAtQuantile(quantile))
		}
	}
	return time.Duration(worst) * time.Microsecond
}
