package desk

import (
	"strings"
	"testing"
	"time"

	"github.com/ropeline/ropeline"
)

// What is said of a sale is what its last minutes tell, and nothing before.
func TestForesee(t *testing.T) {
	now := time.Date(2026, 11, 20, 18, 30, 0, 0, time.UTC)
	// sale is one that sold so many a minute over the last minutes, at a rate.
	sale := func(minutes, perMinute int, rates ...int) []Mark {
		var marks []Mark
		for i := 0; i <= minutes; i++ {
			marks = append(marks, Mark{At: now.Add(time.Duration(i-minutes) * time.Minute), Sold: i * perMinute, Admitted: int64(i * 100), Epoch: 1, Rate: rates[min(i, len(rates)-1)]})
		}
		return marks
	}
	live := func(sold, rate int, waiting, shoppers int64) Live {
		return Live{At: now, Phase: ropeline.PhaseOnSale, RateNow: rate, Shoppers: shoppers, Line: Line{Waiting: waiting},
			Stock: []Level{{Capacity: 1000, Sold: sold}, {Capacity: 200, Held: 30}}}
	}
	closes := now.Add(5 * time.Hour)
	for _, c := range []struct {
		name   string
		live   Live
		marks  []Mark
		closes time.Time
		state  string
		after  time.Duration
	}{
		{"the pace of the last minutes", live(400, 100, 9000, 50), sale(4, 80, 100), closes, SoldOutAt, 10 * time.Minute},
		{"a rate that was halved just now", live(400, 50, 9000, 50), sale(4, 80, 100), closes, SoldOutAt, 20 * time.Minute},
		{"a rate that was doubled, and nobody waits", live(400, 200, 0, 50), sale(4, 80, 100), closes, SoldOutAt, 10 * time.Minute},
		{"a rate that was doubled, and many wait", live(400, 200, 9000, 50), sale(4, 80, 100), closes, SoldOutAt, 5 * time.Minute},
		{"less than a minute", live(400, 100, 9000, 50), sale(0, 80, 100), closes, SoldOutUnsure, 0},
		{"hardly anything sold", live(400, 100, 9000, 50), sale(4, 1, 100), closes, SoldOutUnsure, 0},
		{"paused, and the shop is empty", live(400, 0, 9000, 0), sale(4, 80, 100), closes, SoldOutPaused, 0},
		{"paused, and some still shop", live(400, 0, 9000, 50), sale(4, 80, 100), closes, SoldOutPaused, 0},
		{"not before the end", live(400, 100, 9000, 50), sale(4, 80, 100), now.Add(9 * time.Minute), SoldOutNot, 0},
		{"sold out", Live{Phase: ropeline.PhaseSoldOut, Stock: []Level{{Capacity: 5, Sold: 5}}}, nil, closes, SoldOutNow, 0},
		{"before the drop", Live{Phase: ropeline.PhaseLobby, Stock: []Level{{Capacity: 5}}}, nil, closes, SoldOutUnsure, 0},
		{"ended", Live{Phase: ropeline.PhaseClosed, Stock: []Level{{Capacity: 5}}}, nil, closes, SoldOutUnsure, 0},
	} {
		got := Foresee(c.live, c.marks, c.closes)
		if got.State != c.state || got.Words == "" || (got.At != nil) != (c.state == SoldOutAt) {
			t.Errorf("%s: %+v, want %s", c.name, got, c.state)
			continue
		}
		if got.At != nil && got.At.Sub(now).Round(time.Minute) != c.after {
			t.Errorf("%s: in %s, want %s", c.name, got.At.Sub(now), c.after)
		}
	}
	if words := Foresee(live(400, 100, 9000, 50), sale(4, 80, 100), closes).Words; !strings.Contains(words, "10 minutes") {
		t.Errorf("words: %q", words)
	}
}

// Redis lost the line: admissions of two epochs are not compared.
func TestForeseeAcrossAnEpoch(t *testing.T) {
	now := time.Date(2026, 11, 20, 18, 30, 0, 0, time.UTC)
	l := Live{At: now, Phase: ropeline.PhaseOnSale, RateNow: 50, Line: Line{Waiting: 100}, Stock: []Level{{Capacity: 100, Sold: 50}}}
	marks := []Mark{{At: now.Add(-2 * time.Minute), Sold: 30, Admitted: 900, Epoch: 1, Rate: 100}, {At: now, Sold: 50, Admitted: 7, Epoch: 2, Rate: 50}}
	got := Foresee(l, marks, now.Add(time.Hour))
	if got.State != SoldOutAt || got.At.Sub(now) != 5*time.Minute {
		t.Errorf("%+v", got)
	}
}

func TestRememberKeepsTheWindow(t *testing.T) {
	start := time.Unix(0, 0)
	var marks []Mark
	for i := range 1000 {
		marks = remember(marks, Mark{At: start.Add(time.Duration(i) * time.Second), Sold: i})
	}
	if span := marks[len(marks)-1].At.Sub(marks[0].At); span < paceWindow || span > paceWindow+time.Second {
		t.Errorf("the window is %s long", span)
	}
}

func TestMarksOfSamples(t *testing.T) {
	at := time.Unix(100, 0)
	marks := marksOf([]Sample{
		{At: at, Until: at.Add(10 * time.Second), Numbers: Numbers{Sold: map[ropeline.TicketTypeID]int{"a": 1, "b": 2}, Rate: 7}},
		{At: at.Add(15 * time.Second), Until: at.Add(15 * time.Second), Numbers: Numbers{Admitted: 4}},
	})
	if len(marks) != 3 || marks[1].Sold != 3 || marks[1].Rate != 7 || !marks[1].At.Equal(at.Add(10*time.Second)) || marks[2].Admitted != 4 {
		t.Errorf("%+v", marks)
	}
}
