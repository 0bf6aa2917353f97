package admission

import (
	"testing"
	"time"
)

func TestForesee(t *testing.T) {
	at := time.Unix(1_900_000_000, 0)
	rules := Rules{RatePerMinute: 300, Burst: 50, MaxShoppers: 100_000, Batch: 50, StockGate: true, ShowUp: 2 * time.Minute, Shop: 9 * time.Minute}
	fans := Situation{At: at, Fans: 40_000, Tickets: 5_000, ShowUpShare: 0.9, BuyShare: 0.8, PerBuyer: 1.5}
	paused, slow, crowded, ramp, gift := rules, rules, rules, rules, rules
	paused.Paused = true
	slow.RatePerMinute = 1
	crowded.MaxShoppers = 50
	ramp.RatePerMinute, ramp.Schedule = 0, []Step{{From: at.Add(10 * time.Minute), RatePerMinute: 300}}
	gift.CompensatePercent = 50
	few, none := fans, fans
	few.Fans, few.Tickets, few.ShowUpShare, few.BuyShare, few.PerBuyer = 100, 500, 1, 1, 2
	none.Tickets = 0
	for _, c := range []struct {
		name  string
		rules Rules
		s     Situation
		words string
	}{
		{"the stock ends", rules, fans, "At 300 a minute, 40,000 fans and 5,000 tickets: sold out after about 18 minutes, 35,275 fans told by then."},
		{"paused", paused, fans, "Paused: nobody is let in, whatever the rate."},
		{"too slow", slow, fans, "At 1 a minute, 40,000 fans and 5,000 tickets: not sold out within a day; 38,511 fans still wait then, 3,397 tickets left."},
		{"the shop is small", crowded, fans, "At 300 a minute, 40,000 fans and 5,000 tickets: sold out after about 270 minutes, 35,363 fans told by then."},
		{"a ramp", ramp, fans, "By the schedule, 40,000 fans and 5,000 tickets: sold out after about 28 minutes, 35,275 fans told by then."},
		{"made up for", gift, fans, "At 300 a minute, 40,000 fans and 5,000 tickets: sold out after about 17 minutes, 35,264 fans told by then."},
		{"the line ends", rules, few, "At 300 a minute, 100 fans and 500 tickets: everybody had a turn after about 3 minutes, 300 tickets left."},
		{"nothing to sell", rules, none, "At 300 a minute, 40,000 fans and 0 tickets: nothing is left to sell."},
	} {
		if got := Foresee(c.rules, c.s).Words(c.rules, c.s); got != c.words {
			t.Errorf("%s:\n  got  %s\n  want %s", c.name, got, c.words)
		}
	}
}

// A preview agrees with what it foresees: more shoppers never sell slower.
func TestForeseeIsMonotonous(t *testing.T) {
	at := time.Unix(1_900_000_000, 0)
	s := Situation{At: at, Fans: 10_000, Tickets: 2_000, ShowUpShare: 0.9, BuyShare: 0.7, PerBuyer: 2}
	last := previewHorizon + 1
	for _, rate := range []int{10, 60, 100, 300, 600, 3000} {
		r := Rules{RatePerMinute: rate, Burst: 10, MaxShoppers: 100_000, Batch: 100, ShowUp: time.Minute, Shop: 10 * time.Minute}
		p := Foresee(r, s)
		if p.After > last || p.Admitted < p.Entered || p.Admitted+p.Told != s.Fans {
			t.Errorf("at %d a minute: %+v after %s before", rate, p, last)
		}
		last = p.After
	}
}
