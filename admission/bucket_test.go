package admission

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ropeline/ropeline/admission/pace"
)

func drawRules(t *rapid.T) Rules {
	return Rules{
		RatePerMinute: rapid.OneOf(rapid.IntRange(0, 3), rapid.IntRange(0, 1_000_000)).Draw(t, "rate"),
		Burst:         rapid.IntRange(1, 200).Draw(t, "burst"),
		MaxShoppers:   rapid.IntRange(1, 1_000_000).Draw(t, "most shoppers"),
		Batch:         rapid.IntRange(1, 1000).Draw(t, "batch"),
		Paused:        rapid.IntRange(0, 9).Draw(t, "paused") == 0,
		StockGate:     rapid.Bool().Draw(t, "gate"),
		ShowUp:        time.Minute,
		Shop:          time.Hour,

		CompensatePercent: rapid.SampledFrom([]int{0, 0, 1, 33, 100}).Draw(t, "compensation"),
	}
}

// drawSchedule draws steps around a moment, in order.
func drawSchedule(t *rapid.T, now int64) []Step {
	var steps []Step
	at := now - 1_000_000
	for range rapid.IntRange(0, 4).Draw(t, "steps") {
		at += rapid.Int64Range(1, 2_000_000).Draw(t, "apart")
		steps = append(steps, Step{From: time.UnixMicro(at), RatePerMinute: rapid.IntRange(0, 1_000_000).Draw(t, "step")})
	}
	return steps
}

// Steps of the clock from microseconds to an hour and more, and sometimes back.
func drawStep(t *rapid.T) int64 {
	return rapid.OneOf(
		rapid.Int64Range(0, 200_000),
		rapid.Int64Range(0, 100),
		rapid.Int64Range(0, 2*pace.LongestRefill),
		rapid.Int64Range(-10_000_000, 0),
	).Draw(t, "microseconds")
}

// I3: admissions in any window ≤ rate·t + burst, whatever the ticks, the rate
// being the one with compensation; and those that no no-show gave back stay
// within the plain rate.
func TestTheBucketNeverAdmitsMoreThanItsRate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := drawRules(t)
		now := int64(1_900_000_000_000_000)
		r.Schedule = drawSchedule(t, now)
		s := pace.Full(r, now)
		// Sums since the beginning, in units: what flowed, and what was admitted.
		type moment struct{ flowed, raised, byRate, all int64 }
		log := []moment{{}}
		last := moment{}
		clock := now
		for range rapid.IntRange(1, 60).Draw(t, "ticks") {
			now += drawStep(t)
			last.flowed += r.Inflow(clock, now, 0)
			last.raised += r.Inflow(clock, now, r.CompensatePercent)
			clock = max(clock, now)
			demand := Demand{
				Waiting:   rapid.Int64Range(0, 2000).Draw(t, "waiting"),
				Shoppers:  rapid.Int64Range(0, 2000).Draw(t, "shoppers"),
				NoShows:   rapid.Int64Range(0, 5).Draw(t, "no-shows"),
				Left:      rapid.Int64Range(0, 2000).Draw(t, "left"),
				LeftKnown: rapid.Bool().Draw(t, "left known"),
			}
			owed := s.Owed + demand.NoShows
			var n int64
			s, n = pace.Decide(s, r, now, demand)
			used := max(0, min(owed, int64(r.Burst))-s.Owed) // of what no-shows gave back
			if r.CompensatePercent == 0 {
				used = 0
			}
			switch {
			case n < 0 || n > demand.Waiting || n > int64(r.Batch):
				t.Fatalf("admitted %d of %d waiting", n, demand.Waiting)
			case n > 0 && r.Paused:
				t.Fatal("admitted while paused")
			case n > 0 && demand.Shoppers+n > int64(r.MaxShoppers):
				t.Fatalf("%d shoppers and %d admitted", demand.Shoppers, n)
			case n > 0 && r.StockGate && (!demand.LeftKnown || demand.Shoppers+n > demand.Left):
				t.Fatalf("admitted %d past the stock gate: %+v", n, demand)
			case s.Tokens < 0 || s.Tokens > int64(r.Burst)*Unit || s.Ceiling < 0 || s.Ceiling > int64(r.Burst)*Unit:
				t.Fatalf("the bucket holds %+v", s)
			case s.Owed < 0 || s.Owed > int64(r.Burst) || used > n:
				t.Fatalf("%d are owed, %d of %d were", s.Owed, used, n)
			}
			before := last
			last.byRate += (n - used) * Unit
			last.all += n * Unit
			log = append(log, moment{last.flowed, last.raised, before.byRate, before.all})
		}
		for i := range log {
			for j := i; j < len(log); j++ {
				end := last
				if j+1 < len(log) {
					end = moment{byRate: log[j+1].byRate, all: log[j+1].all}
				}
				// In units, exactly: no rounding may add a fan in a long time.
				if sum, most := end.all-log[i].all, log[j].raised-log[i].raised+int64(r.Burst)*Unit; sum > most {
					t.Fatalf("%d units admitted where %d may be", sum, most)
				}
				if sum, most := end.byRate-log[i].byRate, log[j].flowed-log[i].flowed+int64(r.Burst)*Unit; sum > most {
					t.Fatalf("%d units admitted by the rate where %d may be", sum, most)
				}
			}
		}
	})
}

// With compensation, as many enter per minute as the rate says, as long as the
// percentage makes up for those who do not come.
func TestCompensationMeetsTheRate(t *testing.T) {
	for _, c := range []struct{ percent, noShowEvery, least, most int64 }{
		{0, 5, 475, 485},   // a fifth stays away, nobody makes up for it
		{25, 5, 597, 600},  // 25 % more admissions make up for a fifth
		{100, 2, 597, 600}, // twice as many for a half
		{10, 2, 325, 335},  // 10 % more do not: 660 admissions, half of them come
	} {
		r := Rules{RatePerMinute: 600, Burst: 10, MaxShoppers: 1_000_000, Batch: 50, ShowUp: time.Minute, CompensatePercent: int(c.percent)}
		const tick, minutes = 100_000, 30
		absent := map[int64]int64{} // by the tick at which their passes run out
		s, admitted, entered, at := pace.Full(r, 0), int64(0), int64(0), int64(0)
		for i := int64(0); i < minutes*600; i++ {
			var n int64
			s, n = pace.Decide(s, r, i*tick, Demand{Waiting: 1_000_000, NoShows: absent[i]})
			for range n {
				if admitted++; admitted%c.noShowEvery == 0 {
					absent[i+600]++
				} else if i >= (minutes-10)*600 {
					entered++
				}
			}
			at = i
		}
		if perMinute := entered / 10; perMinute < c.least || perMinute > c.most {
			t.Errorf("%d %% and every %dth away: %d enter per minute (tick %d), want %d to %d", c.percent, c.noShowEvery, perMinute, at, c.least, c.most)
		}
	}
}

// A ramp is followed to the microsecond, across its steps.
func TestAScheduleIsFollowed(t *testing.T) {
	begin := time.Unix(1_900_000_000, 0)
	r := Rules{RatePerMinute: 60, Burst: 10_000, MaxShoppers: 1_000_000, Batch: 1000, Schedule: []Step{
		{From: begin.Add(time.Minute), RatePerMinute: 600}, {From: begin.Add(2 * time.Minute)}, {From: begin.Add(3 * time.Minute), RatePerMinute: 1200}}}
	for _, c := range []struct {
		from, to time.Duration
		want     int64
	}{
		{0, time.Minute, 60}, {0, 2 * time.Minute, 660}, {2 * time.Minute, 3 * time.Minute, 0},
		{0, 4 * time.Minute, 1860}, {90 * time.Second, 3*time.Minute + 30*time.Second, 900}, {5 * time.Minute, time.Minute, 0},
	} {
		if got := r.Inflow(begin.Add(c.from).UnixMicro(), begin.Add(c.to).UnixMicro(), 0); got != c.want*Unit {
			t.Errorf("from %s to %s flow %d units, want %d fans", c.from, c.to, got, c.want)
		}
	}
	if rate := r.RateAt(begin.Add(150 * time.Second)); rate != 0 || r.RateAt(begin) != 60 {
		t.Errorf("the rate is %d, then %d", r.RateAt(begin), rate)
	}
}

// The bucket also is not stingy: a line that always waits is served at the rate.
func TestTheBucketReachesItsRate(t *testing.T) {
	r := Rules{RatePerMinute: 777, Burst: 10, MaxShoppers: 1_000_000, Batch: 50}
	now := int64(0)
	s, total := pace.Decide(pace.Full(r, now), r, now, Demand{Waiting: 1_000_000})
	for range 6000 { // ten minutes of ticks
		now += 100_000
		var n int64
		s, n = pace.Decide(s, r, now, Demand{Waiting: 1_000_000})
		total += n
	}
	if want := int64(10*777 + 10); total != want {
		t.Errorf("%d admitted in ten minutes, want %d", total, want)
	}
}

func TestAPausedBucketDoesNotFill(t *testing.T) {
	r := Rules{RatePerMinute: 600, Burst: 100, MaxShoppers: 1000, Batch: 1000}
	s, n := pace.Decide(pace.Full(r, 0), r, 0, Demand{Waiting: 100})
	if n != 100 {
		t.Fatalf("a full bucket admits %d", n)
	}
	r.Paused = true
	s, n = pace.Decide(s, r, 60_000_000, Demand{Waiting: 100})
	if n != 0 || s.Tokens != 0 {
		t.Errorf("paused for a minute: %d admitted, %d in the bucket", n, s.Tokens)
	}
	r.Paused = false
	if _, n = pace.Decide(s, r, 61_000_000, Demand{Waiting: 100}); n != 10 {
		t.Errorf("a second after the pause: %d admitted, want 10", n)
	}
}

// What flows in at once is bounded, in both, so that no product loses a bit.
func TestALongQuietTimeFillsAnHourAtMost(t *testing.T) {
	h := newHouse(t)
	rules := quick()
	rules.RatePerMinute, rules.Burst = 1, 200
	event := h.event(rules)
	h.tickNow(event)
	if err := h.redis.Write.HSet(t.Context(), keysOf(event).state, "tokens", 0).Err(); err != nil {
		t.Fatal(err)
	}
	empty := State{At: h.now.UnixMicro()}
	h.wait(3 * time.Hour)
	h.tickNow(event)
	if got, err := h.redis.Read.HGet(t.Context(), keysOf(event).state, "tokens").Int64(); err != nil || got != 60*Unit {
		t.Errorf("the script's bucket holds %d, %v", got, err)
	}
	if got := pace.Refill(empty, rules, h.now.UnixMicro()); got.Tokens != 60*Unit {
		t.Errorf("the bucket holds %d", got.Tokens)
	}
}
