package admission

import (
	"testing"
	"time"

	"pgregory.net/rapid"
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
	}
}

// Steps of the clock from microseconds to an hour and more, and sometimes back.
func drawStep(t *rapid.T) int64 {
	return rapid.OneOf(
		rapid.Int64Range(0, 200_000),
		rapid.Int64Range(0, 100),
		rapid.Int64Range(0, 2*longestRefill),
		rapid.Int64Range(-10_000_000, 0),
	).Draw(t, "microseconds")
}

// I3: admissions in any window ≤ rate·t + burst, whatever the ticks.
func TestTheBucketNeverAdmitsMoreThanItsRate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := drawRules(t)
		now := int64(1_900_000_000_000_000)
		s := Full(r, now)
		type admission struct{ at, n int64 }
		var log []admission
		clock := now
		for range rapid.IntRange(1, 60).Draw(t, "ticks") {
			now += drawStep(t)
			clock = max(clock, now)
			demand := Demand{
				Waiting:   rapid.Int64Range(0, 2000).Draw(t, "waiting"),
				Shoppers:  rapid.Int64Range(0, 2000).Draw(t, "shoppers"),
				Left:      rapid.Int64Range(0, 2000).Draw(t, "left"),
				LeftKnown: rapid.Bool().Draw(t, "left known"),
			}
			var n int64
			s, n = Decide(s, r, now, demand)
			switch {
			case n < 0 || n > demand.Waiting || n > int64(r.Batch):
				t.Fatalf("admitted %d of %d waiting", n, demand.Waiting)
			case n > 0 && r.Paused:
				t.Fatal("admitted while paused")
			case n > 0 && demand.Shoppers+n > int64(r.MaxShoppers):
				t.Fatalf("%d shoppers and %d admitted", demand.Shoppers, n)
			case n > 0 && r.StockGate && (!demand.LeftKnown || demand.Shoppers+n > demand.Left):
				t.Fatalf("admitted %d past the stock gate: %+v", n, demand)
			case s.Tokens < 0 || s.Tokens > int64(r.Burst)*Unit:
				t.Fatalf("the bucket holds %d", s.Tokens)
			}
			log = append(log, admission{clock, n})
		}
		for i := range log {
			sum := int64(0)
			for _, a := range log[i:] {
				sum += a.n
				// In units, exactly: no rounding may add a fan in a long time.
				if bound := (a.at-log[i].at)*int64(r.RatePerMinute) + int64(r.Burst)*Unit; sum*Unit > bound {
					t.Fatalf("%d admitted in %d µs at %d per minute with burst %d", sum, a.at-log[i].at, r.RatePerMinute, r.Burst)
				}
			}
		}
	})
}

// The bucket also is not stingy: a line that always waits is served at the rate.
func TestTheBucketReachesItsRate(t *testing.T) {
	r := Rules{RatePerMinute: 777, Burst: 10, MaxShoppers: 1_000_000, Batch: 50}
	now := int64(0)
	s, total := Decide(Full(r, now), r, now, Demand{Waiting: 1_000_000})
	for range 6000 { // ten minutes of ticks
		now += 100_000
		var n int64
		s, n = Decide(s, r, now, Demand{Waiting: 1_000_000})
		total += n
	}
	if want := int64(10*777 + 10); total != want {
		t.Errorf("%d admitted in ten minutes, want %d", total, want)
	}
}

func TestAPausedBucketDoesNotFill(t *testing.T) {
	r := Rules{RatePerMinute: 600, Burst: 100, MaxShoppers: 1000, Batch: 1000}
	s, n := Decide(Full(r, 0), r, 0, Demand{Waiting: 100})
	if n != 100 {
		t.Fatalf("a full bucket admits %d", n)
	}
	r.Paused = true
	s, n = Decide(s, r, 60_000_000, Demand{Waiting: 100})
	if n != 0 || s.Tokens != 0 {
		t.Errorf("paused for a minute: %d admitted, %d in the bucket", n, s.Tokens)
	}
	r.Paused = false
	if _, n = Decide(s, r, 61_000_000, Demand{Waiting: 100}); n != 10 {
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
	if got := Refill(empty, rules, h.now.UnixMicro()); got.Tokens != 60*Unit {
		t.Errorf("the bucket holds %d", got.Tokens)
	}
}
