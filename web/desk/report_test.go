package desk

import (
	"testing"
	"time"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/admission"
	"github.com/ropeline/ropeline/checkout"
)

// A sale of a minute: 100 fans come at once and 20 later, 60 are let in.
func TestReport(t *testing.T) {
	drop := time.Date(2026, 11, 20, 18, 0, 0, 0, time.UTC)
	at := func(seconds int) time.Time { return drop.Add(time.Duration(seconds) * time.Second) }
	samples := []Sample{
		{At: at(0), Until: at(0), Numbers: Numbers{Epoch: 1}},
		{At: at(5), Until: at(25), Numbers: Numbers{Epoch: 1, Joined: 100, Next: 100, Entered: 8}},
		{At: at(30), Until: at(40), Numbers: Numbers{Epoch: 1, Joined: 120, Next: 120, Entered: 20}},
		{At: at(60), Until: at(60), Numbers: Numbers{Epoch: 2, Joined: 40, Next: 10_120, Entered: 3}}, // Redis was lost
	}
	turns := []admission.Turn{{At: at(15), First: 0, Last: 9}, {At: at(35), First: 10, Last: 49}, {At: at(50), First: 100, Last: 109}}
	issued := []checkout.Issued{{At: at(20), Type: "a", Number: 3}, {At: at(55), Type: "b", Number: 2}}
	var r Report
	step := r.frame(ropeline.Event{DropAt: drop}, samples, turns)
	r.fill(step, samples, turns, issued)
	if step != Every || len(r.Steps) != 13 || !r.To.Equal(at(60)) {
		t.Fatalf("steps of %s, %d of them until %s", step, len(r.Steps), r.To)
	}
	if want := (Way{Joined: 120, Admitted: 60, Entered: 23}); r.Funnel != want {
		t.Errorf("funnel %+v, want %+v", r.Funnel, want)
	}
	if want := (Waits{Fans: 60, P10: 10, P50: 30, P90: 30, P99: 30, Most: 30}); *r.Waits != want {
		t.Errorf("waits %+v, want %+v", *r.Waits, want)
	}
	if s := r.Steps[10]; s.Admitted != 10 || s.Waits.P50 != 20 || s.Waits.Fans != 10 {
		t.Errorf("the step of the late ones: %+v", s)
	}
	if r.Steps[1].Arrived != 100 || r.Steps[6].Arrived != 20 || r.Steps[12].Arrived != 0 || r.Steps[4].Sold["a"] != 3 || r.Steps[11].Sold["b"] != 2 {
		t.Errorf("steps: %+v", r.Steps)
	}
}

// A sale of a month is told in few steps, and one that nobody saw in one.
func TestReportFrames(t *testing.T) {
	drop := time.Date(2026, 11, 20, 18, 0, 0, 0, time.UTC)
	var long, none Report
	samples := []Sample{{At: drop, Until: drop.Add(30 * 24 * time.Hour)}}
	long.fill(long.frame(ropeline.Event{DropAt: drop}, samples, nil), samples, nil, nil)
	if n := len(long.Steps); n < 20 || n > mostSteps {
		t.Errorf("a month in %d steps", n)
	}
	none.fill(none.frame(ropeline.Event{DropAt: drop}, nil, nil), nil, nil, nil)
	if len(none.Steps) != 1 || none.Waits != nil {
		t.Errorf("nothing in %d steps, %+v", len(none.Steps), none.Waits)
	}
}
