package desk

import (
	"fmt"
	"math"
	"time"

	"github.com/ropeline/ropeline"
)

// What is known about when a sale will be sold out.
const (
	SoldOutNow    = "sold_out"
	SoldOutAt     = "expected"
	SoldOutNot    = "not_before_end" // at this pace not before the sale ends
	SoldOutPaused = "paused"         // nobody is let in
	SoldOutUnsure = "not_known"
)

// SoldOut is when everything will be sold, if the sale goes on as it does.
type SoldOut struct {
	State string     `json:"state"`
	At    *time.Time `json:"at,omitempty"` // with expected
	Words string     `json:"words"`
}

const (
	paceWindow = 5 * time.Minute
	paceLeast  = time.Minute // of sales, before anything is said
	salesLeast = 5           // tickets; fewer say nothing about the next
)

// Mark is what the forecast remembers of a moment.
type Mark struct {
	At       time.Time
	Sold     int
	Admitted int64
	Epoch    int64
	Rate     int
}

func (l Live) mark() Mark {
	_, _, sold := l.tickets()
	return Mark{At: l.At, Sold: sold, Admitted: l.Line.Admitted, Epoch: l.Line.Epoch, Rate: l.RateNow}
}

func marksOf(samples []Sample) []Mark {
	marks := []Mark{}
	for _, s := range samples {
		sold := 0
		for _, n := range s.Sold {
			sold += n
		}
		m := Mark{At: s.At, Sold: sold, Admitted: s.Admitted, Epoch: s.Epoch, Rate: s.Rate}
		marks = append(marks, m)
		if s.Until.After(s.At) {
			m.At = s.Until
			marks = append(marks, m)
		}
	}
	return marks
}

// remember keeps the marks of the window, and one before it.
func remember(marks []Mark, m Mark) []Mark {
	marks = append(marks, m)
	old := 0
	for old+1 < len(marks) && m.At.Sub(marks[old+1].At) >= paceWindow {
		old++
	}
	return append(marks[:0], marks[old:]...)
}

// Foresee tells when the tickets that are left will be sold, by how many were
// sold over the last minutes. Where the organizer has changed the rate
// meanwhile, it goes by the tickets that an admission led to, and the new rate;
// more fans than stand in line cannot come, so an empty line is taken to go on
// as it did.
func Foresee(l Live, marks []Mark, closes time.Time) SoldOut {
	capacity, _, sold := l.tickets()
	left := float64(capacity - sold)
	unsure := func(words string) SoldOut { return SoldOut{State: SoldOutUnsure, Words: words} }
	switch {
	case l.Phase == ropeline.PhaseClosed:
		return unsure("The sale has ended.")
	case left <= 0:
		return SoldOut{State: SoldOutNow, Words: "Everything is sold."}
	case l.Phase != ropeline.PhaseOnSale:
		return unsure("Not known before the drop.")
	case l.RateNow == 0 && l.Shoppers == 0:
		return SoldOut{State: SoldOutPaused, Words: "Not while nobody is let in."}
	}
	first, last := marks[0], marks[len(marks)-1]
	span := last.At.Sub(first.At)
	more := float64(last.Sold - first.Sold)
	switch {
	case span < paceLeast:
		return unsure("Not known yet: a minute of sales tells.")
	case more < salesLeast:
		return unsure("Not known yet: too few were sold in the last minutes.")
	}
	pace := more / span.Minutes()
	if mean := meanRate(marks); mean > 0 && last.Epoch == first.Epoch && math.Abs(mean-float64(l.RateNow)) > mean/20 {
		if admitted := float64(last.Admitted - first.Admitted); admitted >= salesLeast {
			byRule := more / admitted * float64(l.RateNow)
			if l.Line.Waiting == 0 {
				byRule = min(byRule, pace)
			}
			pace = byRule
		}
	}
	if pace <= 0 {
		return SoldOut{State: SoldOutPaused, Words: "Not while nobody is let in."}
	}
	after := time.Duration(math.Min(left/pace*float64(time.Minute), float64(1000*24*time.Hour)))
	at := l.At.Add(after).Truncate(time.Second)
	if at.After(closes) {
		return SoldOut{State: SoldOutNot, Words: "Not before the sale ends, at the pace of the last minutes."}
	}
	return SoldOut{State: SoldOutAt, At: &at, Words: "In about " + inWords(after) + "."}
}

// meanRate is the set rate over the window.
func meanRate(marks []Mark) float64 {
	var sum, time float64
	for i := 1; i < len(marks); i++ {
		d := marks[i].At.Sub(marks[i-1].At).Seconds()
		sum, time = sum+d*float64(marks[i-1].Rate), time+d
	}
	if time == 0 {
		return 0
	}
	return sum / time
}

// inWords is a time in minutes or hours, not more exact than it is.
func inWords(d time.Duration) string {
	minutes := int(math.Ceil(d.Minutes()))
	switch {
	case minutes <= 1:
		return "a minute"
	case minutes < 120:
		return fmt.Sprintf("%d minutes", minutes)
	}
	return fmt.Sprintf("%d hours", int(math.Round(d.Hours())))
}
