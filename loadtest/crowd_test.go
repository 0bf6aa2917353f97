package loadtest_test

import (
	"bytes"
	"cmp"
	"context"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sync/errgroup"

	"github.com/ropeline/ropeline/loadtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// crowdFor is a quick crowd in which every behaviour is well represented.
func crowdFor(h *house) loadtest.Crowd {
	mix := loadtest.DefaultMix()
	for i := range mix {
		mix[i].Share = max(mix[i].Share, 10)
		if mix[i].Name == "patient" {
			mix[i].Share = 20
		}
	}
	return loadtest.Crowd{
		BaseURL: h.url, Event: h.event, Fans: 64, Seed: 7, Pace: 0.01, Mix: mix,
		Arrival: loadtest.Arrival{Shape: loadtest.Burst, Over: 2 * time.Second},
		Rule:    &loadtest.Rule{RatePerMinute: houseRate, Burst: houseBurst},
		Slack:   500 * time.Millisecond, Repeats: 0.4, Intrusions: 0.4,
	}
}

// TestASoundHouseHolds runs a crowd through a house without flaws: every
// invariant must have been seen, and hold.
func TestASoundHouseHolds(t *testing.T) {
	h := openHouse(t, flaws{})
	var record bytes.Buffer
	writer := loadtest.NewWriter(&record)
	crowd := crowdFor(h)
	crowd.Record = writer
	result, err := crowd.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range result.Verdicts {
		if !v.OK || v.Checked == 0 || v.Note != "" {
			t.Errorf("%v %s", v, v.Note)
		}
	}
	f := result.Tally.Funnel
	if f.Arrived != crowd.Fans || f.Tickets == 0 || f.Tickets > houseCapacity {
		t.Errorf("funnel: %+v", f)
	}
	ended := 0
	for outcome, n := range result.Tally.Outcomes {
		ended += n
		if outcome == loadtest.Failed || outcome == loadtest.Lost || outcome == loadtest.Cut {
			t.Errorf("%d fans ended %s", n, outcome)
		}
	}
	if ended != crowd.Fans {
		t.Errorf("%d of %d fans ended", ended, crowd.Fans)
	}

	// The record tells the same story again.
	if err := writer.Flush(); err != nil {
		t.Fatal(err)
	}
	judge, tally := loadtest.NewJudge(), loadtest.NewTally()
	if err := loadtest.Replay(&record, judge, tally); err != nil {
		t.Fatal(err)
	}
	for i, v := range judge.Verdicts() {
		if v != result.Verdicts[i] {
			t.Errorf("replayed: %v, in the run: %v", v, result.Verdicts[i])
		}
	}
	if tally.Funnel != f {
		t.Errorf("replayed: %+v, in the run: %+v", tally.Funnel, f)
	}
	var report strings.Builder
	if err := result.Write(&report); err != nil {
		t.Fatal(err)
	}
	t.Log("\n" + report.String())
}

// TestEachFlawIsNamed takes one safeguard away at a time. The crowds mostly
// wait, so several houses are open at once.
func TestEachFlawIsNamed(t *testing.T) {
	type house struct {
		name   string
		flaws  flaws
		breaks string
		within time.Duration // a flaw may keep fans waiting; 0: 20 s
	}
	houses := []house{
		{"a hold without end", flaws{holdsForever: true}, "I9", 0},
		{"overtaking", flaws{overtakes: true}, "I2", 0},
		{"a fan passed over", flaws{passesOver: true}, "I2", 8 * time.Second},
		{"too fast", flaws{hasty: true}, "I3", 0},
		{"a place forgotten", flaws{forgets: true}, "I4", 0},
		{"two numbers", flaws{twoNumbers: true}, "I5", 0},
		{"a shared number", flaws{sharedNumber: true}, "I5", 0},
		{"moving back", flaws{movesBack: true}, "positions", 0},
		{"oversold", flaws{oversells: true}, "I1", 0},
		{"paid, no tickets", flaws{ticketless: true}, "I6", 0},
		{"tickets, not paid", flaws{givesEarly: true}, "I7", 0},
		{"one code for all", flaws{oneCode: true}, "I7", 0},
		{"keys ignored", flaws{ignoresKeys: true}, "I10", 0},
		{"a key for two bodies", flaws{takesAnyBody: true}, "I10", 0},
		{"no token asked", flaws{sellsAtTheDoor: true}, "I11", 0},
		{"another's token", flaws{trustsAnyToken: true}, "I11", 0},
		{"another's pass", flaws{trustsAnyPass: true}, "I11", 0},
	}
	results, errs := make([]*loadtest.Result, len(houses)), make([]error, len(houses))
	var runs errgroup.Group
	runs.SetLimit(6)
	for i, h := range houses {
		crowd := crowdFor(openHouse(t, h.flaws))
		runs.Go(func() error {
			ctx, cancel := context.WithTimeout(t.Context(), cmp.Or(h.within, 20*time.Second))
			defer cancel()
			results[i], errs[i] = crowd.Run(ctx)
			return nil
		})
	}
	runs.Wait()
	for i, h := range houses {
		t.Run(h.name, func(t *testing.T) {
			if errs[i] != nil {
				t.Fatal(errs[i])
			}
			broken := results[i].Broken()
			at := slices.IndexFunc(broken, func(v loadtest.Verdict) bool { return v.Invariant == h.breaks })
			if at < 0 {
				t.Fatalf("%s was not found broken; the verdicts: %v", h.breaks, results[i].Verdicts)
			}
			if broken[at].Counterexample == "" {
				t.Error("no counterexample")
			}
			t.Log(broken[at])
		})
	}
}

// TestTheSameSeedGivesTheSameCrowd compares who the fans were.
func TestTheSameSeedGivesTheSameCrowd(t *testing.T) {
	who := func(seed uint64) map[int]string {
		crowd := crowdFor(openHouse(t, flaws{}))
		crowd.Seed, crowd.Fans, crowd.Arrival.Over = seed, 40, 100*time.Millisecond
		crowd.Mix = loadtest.Mix{
			{Name: "no-show", Share: 2, NoShow: true},
			{Name: "polling", Share: 1, NoShow: true, Polls: true},
			{Name: "two tabs", Share: 1, NoShow: true, Tabs: 2},
		}
		memory := &loadtest.Memory{}
		crowd.Record = memory
		if _, err := crowd.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		fans := make(map[int]string)
		for _, o := range memory.Seen() {
			if o.Step == loadtest.StepEnd {
				fans[o.Fan] = o.Is
			}
		}
		return fans
	}
	first := who(1)
	if again := who(1); !maps.Equal(first, again) {
		t.Errorf("one seed, two crowds: %v, %v", first, again)
	}
	if other := who(2); maps.Equal(first, other) {
		t.Errorf("two seeds, one crowd: %v", other)
	}
}

// TestTheEndOfTheRunSendsEverybodyHome holds the admission shut.
func TestTheEndOfTheRunSendsEverybodyHome(t *testing.T) {
	h := openHouse(t, flaws{})
	h.mu.Lock()
	h.shut = true
	h.mu.Unlock()
	crowd := crowdFor(h)
	crowd.Mix, crowd.Rule = loadtest.Mix{{Name: "patient", Share: 1}, {Name: "polling", Share: 1, Polls: true}}, nil
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	result, err := crowd.Run(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if n := result.Tally.Outcomes[loadtest.Waiting]; n != crowd.Fans {
		t.Errorf("%d of %d fans were waiting at the end: %v", n, crowd.Fans, result.Tally.Outcomes)
	}
	for _, v := range result.Verdicts {
		if !v.OK || v.Invariant == "I4" && v.Checked != crowd.Fans {
			t.Errorf("%v", v)
		}
	}
}

func TestTheDemoReplacesItsFans(t *testing.T) {
	h := openHouse(t, flaws{})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- loadtest.Demo(ctx, h.url, h.event, slog.New(slog.DiscardHandler)) }()
	deadline := time.Now().Add(20 * time.Second)
	for joined := int64(0); joined < 5; {
		h.mu.Lock()
		joined = h.minted
		h.mu.Unlock()
		if time.Now().After(deadline) {
			t.Fatalf("after 20 s %d fans had joined", joined)
		}
		<-time.After(20 * time.Millisecond)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestARunThatCannotBeginSaysWhy(t *testing.T) {
	h := openHouse(t, flaws{})
	for name, c := range map[string]struct {
		change func(*loadtest.Crowd)
		want   string
	}{
		"no fans":           {func(c *loadtest.Crowd) { c.Fans = 0 }, "fans"},
		"too many fans":     {func(c *loadtest.Crowd) { c.Fans = 1 << 20 }, "fans"},
		"unknown arrival":   {func(c *loadtest.Crowd) { c.Arrival.Shape = "wave" }, "wave"},
		"no such event":     {func(c *loadtest.Crowd) { c.Event = "x" }, "event"},
		"an empty mix":      {func(c *loadtest.Crowd) { c.Mix = loadtest.Mix{} }, "shares"},
		"a rule of nothing": {func(c *loadtest.Crowd) { c.Rule = &loadtest.Rule{} }, "rule"},
		"a remote address":  {func(c *loadtest.Crowd) { c.BaseURL = "http://192.0.2.1:80" }, "loopback"},
		"not a URL":         {func(c *loadtest.Crowd) { c.BaseURL = "host:80" }, "base URL"},
		"nobody there":      {func(c *loadtest.Crowd) { c.BaseURL = "http://127.0.0.1:1" }, "event"},
	} {
		t.Run(name, func(t *testing.T) {
			crowd := crowdFor(h)
			c.change(&crowd)
			if _, err := crowd.Run(t.Context()); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("err = %v, want one about %q", err, c.want)
			}
		})
	}
}
