package trace

import (
	"fmt"
	"io"
	"time"
)

// Stat is what a trace comes to.
type Stat struct {
	Head     Head
	Arrivals int
	Before   int // the drop
	Left     int // who left the line unserved, as far as known
	Last     time.Duration
	Peak     int // arrivals in the fullest second
	PeakAt   time.Duration
	Half     time.Duration // when half of them had come
}

// longestTrace bounds the seconds that Read counts by.
const longestTrace = 14 * 24 * 3600

// Read reads a whole trace; its memory grows with the trace's seconds, not with
// its arrivals.
func Read(r io.Reader) (s Stat, err error) {
	t, err := NewReader(r)
	if err != nil {
		return s, err
	}
	s.Head = t.Head
	var seconds []int
	for {
		a, err := t.Next()
		if err == io.EOF {
			break
		} else if err != nil {
			return s, err
		}
		s.Arrivals++
		if a.AtMS < t.Head.DropMS {
			s.Before++
		}
		if a.Left > 0 {
			s.Left++
		}
		s.Last = time.Duration(a.AtMS * float64(time.Millisecond))
		second := int(s.Last / time.Second)
		if second < 0 || second > longestTrace {
			return s, fmt.Errorf("trace, line %d: an arrival after %v", t.line, s.Last)
		}
		for len(seconds) <= second {
			seconds = append(seconds, 0)
		}
		seconds[second]++
	}
	sum := 0
	for i, n := range seconds {
		if n > s.Peak {
			s.Peak, s.PeakAt = n, time.Duration(i)*time.Second
		}
		if before := sum; before*2 < s.Arrivals && (before+n)*2 >= s.Arrivals {
			s.Half = time.Duration(i+1) * time.Second
		}
		sum += n
	}
	return s, nil
}

// Write prints it for people.
func (s Stat) Write(w io.Writer) error {
	_, err := fmt.Fprintf(w, "arrivals      %d\nbefore drop   %d\ndrop at       %v\nlast at       %v\nhalf by       %v\npeak          %d in the second at %v\nleft unserved %d\nsource        %s\n",
		s.Arrivals, s.Before, time.Duration(s.Head.DropMS*float64(time.Millisecond)), s.Last.Round(time.Millisecond), s.Half, s.Peak, s.PeakAt, s.Left, s.Head.Source)
	return err
}
