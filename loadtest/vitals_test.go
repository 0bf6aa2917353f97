package loadtest

import (
	"testing"

	"github.com/ropeline/ropeline/loadtest/cluster"
)

// A long run in which something grows is found out; a short one is only told.
func TestVitalsMustBeFlat(t *testing.T) {
	for name, c := range map[string]struct {
		looks   int
		grows   func(v *cluster.Vitals, by int64)
		verdict string
	}{
		"flat":             {180, func(*cluster.Vitals, int64) {}, "holds"},
		"memory":           {180, func(v *cluster.Vitals, by int64) { v.RSS["web-1"] += by << 20 }, "broken"},
		"open files":       {180, func(v *cluster.Vitals, by int64) { v.Files["web-1"] += by }, "broken"},
		"goroutines":       {180, func(v *cluster.Vitals, by int64) { v.Goroutines["web-1"] += by }, "broken"},
		"lasting keys":     {180, func(v *cluster.Vitals, by int64) { v.Lasting += by }, "broken"},
		"keys that end":    {180, func(v *cluster.Vitals, by int64) { v.Keys += by }, "holds"},
		"a short run":      {30, func(v *cluster.Vitals, by int64) { v.Lasting += 10 * by }, ""},
		"next to no looks": {4, func(v *cluster.Vitals, by int64) { v.Lasting += 10 * by }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var seen []cluster.Vitals
			for i := range c.looks {
				v := cluster.Vitals{At: float64(10 * i), RSS: map[string]int64{"web-1": 50 << 20}, Files: map[string]int64{"web-1": 70}, Goroutines: map[string]int64{"web-1": 70}, Keys: 400, Lasting: 100}
				c.grows(&v, int64(i))
				seen = append(seen, v)
			}
			verdicts, notes := compareVitals(seen)
			got := ""
			if len(verdicts) > 0 {
				if got = "holds"; !verdicts[0].OK {
					got = "broken"
				}
			}
			if got != c.verdict || (len(notes) > 0) != (c.looks >= fewVitals) {
				t.Errorf("%q, want %q: %v %v", got, c.verdict, verdicts, notes)
			}
		})
	}
}
