package crowd_test

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

	"github.com/ropeline/ropeline/loadtest/arrival"
	"github.com/ropeline/ropeline/loadtest/crowd"
	"github.com/ropeline/ropeline/loadtest/house"
	"github.com/ropeline/ropeline/loadtest/judge"
	"github.com/ropeline/ropeline/loadtest/record"
	"github.com/ropeline/ropeline/loadtest/report"
	"github.com/ropeline/ropeline/loadtest/tally"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// crowdFor is a quick sent in which every behaviour is well represented.
func crowdFor(h *house.House) crowd.Crowd {
	mix := crowd.DefaultMix()
	for i := range mix {
		mix[i].Share = max(mix[i].Share, 10)
		if mix[i].Name == "patient" {
			mix[i].Share = 20
		}
	}
	return crowd.Crowd{
		BaseURL: h.URL, Event: h.Event, Fans: 64, Seed: 7, Pace: 0.01, Mix: mix,
		Arrival: arrival.Arrival{Shape: arrival.Burst, Over: 2 * time.Second},
		Rule:    &record.Rule{RatePerMinute: house.Rate, Burst: house.Burst},
		Slack:   500 * time.Millisecond, Repeats: 0.4, Intrusions: 0.4,
	}
}

// TestASoundHouseHolds runs a sent through a house without flaws: every
// invariant must have been seen, and hold.
func TestASoundHouseHolds(t *testing.T) {
	h := house.Open(t, house.Flaws{})
	var kept bytes.Buffer
	writer := record.NewWriter(&kept)
	sent := crowdFor(h)
	sent.Record = writer
	result, err := sent.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range result.Verdicts {
		if v.Invariant == "I8" || v.Invariant == "draw" || v.Invariant == "resume" {
			continue // this house has no gate and no lobby, and nothing befalls it
		}
		if !v.OK || v.Checked == 0 || v.Note != "" {
			t.Errorf("%v %s", v, v.Note)
		}
	}
	f := result.Tally.Funnel
	if f.Arrived != sent.Fans || f.Tickets == 0 || f.Tickets > house.Capacity {
		t.Errorf("funnel: %+v", f)
	}
	ended := 0
	for outcome, n := range result.Tally.Outcomes {
		ended += n
		if outcome == record.Failed || outcome == record.Lost || outcome == record.Cut {
			t.Errorf("%d fans ended %s", n, outcome)
		}
	}
	if ended != sent.Fans {
		t.Errorf("%d of %d fans ended", ended, sent.Fans)
	}

	// The kept tells the same story again.
	if err := writer.Flush(); err != nil {
		t.Fatal(err)
	}
	judging, counts := judge.New(), tally.New()
	if err := record.Replay(&kept, judging, counts); err != nil {
		t.Fatal(err)
	}
	for i, v := range judging.Verdicts() {
		if v != result.Verdicts[i] {
			t.Errorf("replayed: %v, in the run: %v", v, result.Verdicts[i])
		}
	}
	if counts.Funnel != f {
		t.Errorf("replayed: %+v, in the run: %+v", counts.Funnel, f)
	}
	var text strings.Builder
	if err := report.New(judging, counts).Text(&text); err != nil {
		t.Fatal(err)
	}
	t.Log("\n" + text.String())
}

// TestEachFlawIsNamed takes one safeguard away at a time. The crowds mostly
// wait, so several houses are open at once.
func TestEachFlawIsNamed(t *testing.T) {
	type broken struct {
		name   string
		flaws  house.Flaws
		breaks string
		within time.Duration // a flaw may keep fans waiting; 0: 20 s
	}
	houses := []broken{
		{"a hold without end", house.Flaws{HoldsForever: true}, "I9", 0},
		{"overtaking", house.Flaws{Overtakes: true}, "I2", 0},
		{"a fan passed over", house.Flaws{PassesOver: true}, "I2", 8 * time.Second},
		{"too fast", house.Flaws{Hasty: true}, "I3", 0},
		{"a place forgotten", house.Flaws{Forgets: true}, "I4", 0},
		{"two numbers", house.Flaws{TwoNumbers: true}, "I5", 0},
		{"a shared number", house.Flaws{SharedNumber: true}, "I5", 0},
		{"moving back", house.Flaws{MovesBack: true}, "positions", 0},
		{"oversold", house.Flaws{Oversells: true}, "I1", 0},
		{"paid, no tickets", house.Flaws{Ticketless: true}, "I6", 0},
		{"tickets, not paid", house.Flaws{GivesEarly: true}, "I7", 0},
		{"one code for all", house.Flaws{OneCode: true}, "I7", 0},
		{"keys ignored", house.Flaws{IgnoresKeys: true}, "I10", 0},
		{"a key for two bodies", house.Flaws{TakesAnyBody: true}, "I10", 0},
		{"no token asked", house.Flaws{SellsAtTheDoor: true}, "I11", 0},
		{"another's token", house.Flaws{TrustsAnyToken: true}, "I11", 0},
		{"another's pass", house.Flaws{TrustsAnyPass: true}, "I11", 0},
	}
	results, errs := make([]*crowd.Result, len(houses)), make([]error, len(houses))
	var runs errgroup.Group
	runs.SetLimit(6)
	for i, h := range houses {
		sent := crowdFor(house.Open(t, h.flaws))
		runs.Go(func() error {
			ctx, cancel := context.WithTimeout(t.Context(), cmp.Or(h.within, 20*time.Second))
			defer cancel()
			results[i], errs[i] = sent.Run(ctx)
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
			at := slices.IndexFunc(broken, func(v judge.Verdict) bool { return v.Invariant == h.breaks })
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
		sent := crowdFor(house.Open(t, house.Flaws{}))
		sent.Seed, sent.Fans, sent.Arrival.Over = seed, 40, 100*time.Millisecond
		sent.Mix = crowd.Mix{
			{Name: "no-show", Share: 2, NoShow: true},
			{Name: "polling", Share: 1, NoShow: true, Transport: crowd.Polling},
			{Name: "two tabs", Share: 1, NoShow: true, Tabs: 2},
		}
		memory := &record.Memory{}
		sent.Record = memory
		if _, err := sent.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		fans := make(map[int]string)
		for _, o := range memory.Seen() {
			if o.Step == record.StepEnd {
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
		t.Errorf("two seeds, one sent: %v", other)
	}
}

// TestTheEndOfTheRunSendsEverybodyHome holds the admission shut.
func TestTheEndOfTheRunSendsEverybodyHome(t *testing.T) {
	h := house.Open(t, house.Flaws{})
	h.Shut()
	sent := crowdFor(h)
	sent.Mix, sent.Rule = crowd.Mix{{Name: "patient", Share: 1}, {Name: "polling", Share: 1, Transport: crowd.Polling}}, nil
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	result, err := sent.Run(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if n := result.Tally.Outcomes[record.Waiting]; n != sent.Fans {
		t.Errorf("%d of %d fans were waiting at the end: %v", n, sent.Fans, result.Tally.Outcomes)
	}
	for _, v := range result.Verdicts {
		if !v.OK || v.Invariant == "I4" && v.Checked != sent.Fans {
			t.Errorf("%v", v)
		}
	}
}

func TestTheDemoReplacesItsFans(t *testing.T) {
	h := house.Open(t, house.Flaws{})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- crowd.Demo(ctx, h.URL, h.Event, slog.New(slog.DiscardHandler)) }()
	deadline := time.Now().Add(20 * time.Second)
	for joined := int64(0); joined < 5; {
		joined = h.Joined()
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
	h := house.Open(t, house.Flaws{})
	for name, c := range map[string]struct {
		change func(*crowd.Crowd)
		want   string
	}{
		"no fans":           {func(c *crowd.Crowd) { c.Fans = 0 }, "fans"},
		"too many fans":     {func(c *crowd.Crowd) { c.Fans = 1 << 23 }, "fans"},
		"unknown arrival":   {func(c *crowd.Crowd) { c.Arrival.Shape = "wave" }, "wave"},
		"no such event":     {func(c *crowd.Crowd) { c.Event = "x" }, "event"},
		"an empty mix":      {func(c *crowd.Crowd) { c.Mix = crowd.Mix{} }, "shares"},
		"a rule of nothing": {func(c *crowd.Crowd) { c.Rule = &record.Rule{} }, "rule"},
		"a remote address":  {func(c *crowd.Crowd) { c.BaseURL = "http://192.0.2.1:80" }, "loopback"},
		"not a URL":         {func(c *crowd.Crowd) { c.BaseURL = "host:80" }, "base URL"},
		"nobody there":      {func(c *crowd.Crowd) { c.BaseURL = "http://127.0.0.1:1" }, "event"},
	} {
		t.Run(name, func(t *testing.T) {
			sent := crowdFor(h)
			c.change(&sent)
			if _, err := sent.Run(t.Context()); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("err = %v, want one about %q", err, c.want)
			}
		})
	}
}
