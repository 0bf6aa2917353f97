package judge_test

import (
	"testing"
	"time"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/loadtest/judge"
	"github.com/ropeline/ropeline/loadtest/record"
)

// started is when the runs of these stories began.
var started = time.UnixMicro(1_000_000_000_000)

// word is one thing said to a fan about the line, at a second of the run.
func word(fan int, second float64, step record.Step, standing ropeline.Standing, epoch, number, position int64, passUntil float64) record.Observation {
	o := record.Observation{Fan: fan, T: int64(second * 1e6), Took: 1000, Step: step, Status: 200, Line: &record.LineFacts{
		Standing: standing, Phase: ropeline.PhaseOnSale, Epoch: epoch, Number: number, Position: position,
	}}
	if step == record.StepFrame {
		o.Took, o.Status, o.Conn = 0, 0, int64(fan)+1
	}
	if passUntil > 0 {
		o.Line.PassUntil = started.UnixMicro() + int64(passUntil*1e6)
	}
	return o
}

// TestWhatLooksWrongAndIsNot tells stories that a judge must not mistake for a
// breach, each beside the breach that it resembles.
func TestWhatLooksWrongAndIsNot(t *testing.T) {
	const (
		join, poll, frame = record.StepJoin, record.StepPoll, record.StepFrame
		waits, in         = ropeline.StandingWaiting, ropeline.StandingAdmitted
	)
	for _, story := range []struct {
		name   string
		said   []record.Observation
		breaks string // "": nothing
	}{
		{"a word that travels slowly", []record.Observation{
			word(1, 1, join, waits, 1, 0, 0, 0), word(2, 2, join, waits, 1, 1, 1, 0),
			word(2, 3, frame, in, 1, 1, 0, 63), word(1, 4, frame, in, 1, 0, 0, 62),
		}, ""},
		{"let in after a higher number", []record.Observation{
			word(1, 1, join, waits, 1, 0, 0, 0), word(2, 2, join, waits, 1, 1, 1, 0),
			word(2, 3, frame, in, 1, 1, 0, 62), word(1, 4, frame, in, 1, 0, 0, 63),
		}, "I2"},
		{"the life of passes was shortened", []record.Observation{
			word(1, 1, join, waits, 1, 0, 0, 0), word(2, 2, join, waits, 1, 1, 1, 0),
			word(1, 3, frame, in, 1, 0, 0, 63), word(2, 4, frame, in, 1, 1, 0, 34),
		}, ""},
		{"a snapshot a second old", []record.Observation{
			word(1, 1, join, waits, 1, 0, 0, 0), word(2, 2, join, waits, 1, 1, 1, 0),
			word(2, 3, frame, in, 1, 1, 0, 62), word(1, 4, poll, waits, 1, 0, 0, 0),
		}, ""},
		{"never let in", []record.Observation{
			word(1, 1, join, waits, 1, 0, 0, 0), word(2, 2, join, waits, 1, 1, 1, 0),
			word(2, 3, frame, in, 1, 1, 0, 62), word(1, 9, poll, waits, 1, 0, 0, 0),
		}, "I2"},
		{"back with a low number after the line was rebuilt", []record.Observation{
			word(1, 1, join, waits, 1, 0, 0, 0), word(2, 2, join, waits, 1, 1, 1, 0),
			word(2, 10, poll, waits, 2, 1, 0, 0), word(2, 11, frame, in, 2, 1, 0, 70),
			word(1, 12, poll, waits, 2, 0, 0, 0), word(1, 13, frame, in, 2, 0, 0, 72),
		}, ""},
		{"back in time, and overtaken", []record.Observation{
			word(1, 1, join, waits, 1, 0, 0, 0), word(2, 2, join, waits, 1, 1, 1, 0),
			word(1, 10, poll, waits, 2, 0, 0, 0), word(2, 11, join, waits, 2, 1, 1, 0),
			word(2, 12, frame, in, 2, 1, 0, 70), word(1, 13, frame, in, 2, 0, 0, 72),
		}, "I2"},
		{"a position that rises while others come back", []record.Observation{
			word(1, 1, join, waits, 1, 8, 8, 0), word(1, 10, frame, waits, 2, 8, 0, 0), word(1, 11, frame, waits, 2, 8, 5, 0),
		}, ""},
		{"a position from a node that lags", []record.Observation{
			word(1, 1, join, waits, 1, 8, 8, 0), word(1, 5, poll, waits, 1, 8, 4, 0), word(1, 5.5, poll, waits, 1, 8, 5, 0),
		}, ""},
		{"a position that rises", []record.Observation{
			word(1, 1, join, waits, 1, 8, 8, 0), word(1, 5, poll, waits, 1, 8, 4, 0), word(1, 9, poll, waits, 1, 8, 5, 0),
		}, "positions"},
		{"another number in another epoch", []record.Observation{
			word(1, 1, join, waits, 1, 3, 3, 0), word(1, 5, join, waits, 2, 10_000, 3, 0), word(1, 6, frame, in, 2, 10_000, 0, 66),
		}, ""},
		{"joining in the moment of admission", []record.Observation{
			word(1, 1, join, waits, 1, 3, 3, 0), word(1, 5, join, waits, 1, 9, 5, 0), word(1, 6, poll, in, 1, 9, 0, 64.9),
			word(2, 1, join, waits, 1, 1, 1, 0), word(2, 2, frame, in, 1, 1, 0, 62),
		}, ""},
		{"a second number long before admission", []record.Observation{
			word(1, 1, join, waits, 1, 3, 3, 0), word(1, 5, join, waits, 1, 9, 5, 0), word(1, 8, poll, in, 1, 9, 0, 68),
			word(2, 1, join, waits, 1, 1, 1, 0), word(2, 2, frame, in, 1, 1, 0, 62),
		}, "I5"},
		{"lost, and found again", []record.Observation{
			word(1, 1, join, waits, 1, 3, 3, 0),
			{Fan: 1, T: 2e6, Step: poll, Status: 404, Code: "not_in_line"},
			word(1, 3, join, waits, 1, 3, 3, 0),
			{Fan: 1, T: 4e6, Step: record.StepEnd, Outcome: record.Waiting},
		}, ""},
		{"lost", []record.Observation{
			word(1, 1, join, waits, 1, 3, 3, 0),
			{Fan: 1, T: 2e6, Step: poll, Status: 404, Code: "not_in_line"},
			{Fan: 1, T: 4e6, Step: record.StepEnd, Outcome: record.Waiting},
		}, "I4"},
		{"unheard for as long as a pass waits", []record.Observation{
			word(1, 1, join, waits, 1, 3, 3, 0),
			{Fan: 1, T: 25e6, Took: 20e6, Step: poll, Status: 404, Code: "not_in_line"},
			word(1, 26, join, waits, 1, 9, 5, 0),
			{Fan: 1, T: 27e6, Step: record.StepEnd, Outcome: record.Waiting},
		}, ""},
		{"told to be gone after as long without a word", []record.Observation{
			word(1, 1, join, waits, 1, 3, 3, 0), word(1, 25, frame, ropeline.StandingGone, 1, 3, 0, 0),
			{Fan: 1, T: 27e6, Step: record.StepEnd, Outcome: record.Lost},
		}, ""},
		{"told to be gone", []record.Observation{
			word(1, 1, join, waits, 1, 3, 3, 0), word(1, 9, frame, ropeline.StandingGone, 1, 3, 0, 0),
			{Fan: 1, T: 10e6, Step: record.StepEnd, Outcome: record.Lost},
		}, "I4"},
		{"heard until shortly before", []record.Observation{
			word(1, 1, join, waits, 1, 3, 3, 0), word(1, 10, poll, waits, 1, 3, 2, 0),
			{Fan: 1, T: 25e6, Took: 1e6, Step: poll, Status: 404, Code: "not_in_line"},
			word(1, 26, join, waits, 1, 9, 5, 0),
			{Fan: 1, T: 27e6, Step: record.StepEnd, Outcome: record.Waiting},
		}, "I4I5"},
		{"released, and the answer lost", []record.Observation{
			entered(1), entered(2), held(1, 1, "r1", 3), {Fan: 1, T: 3e6, Took: 1e6, Step: record.StepRelease, Status: 503, Code: "unavailable", Sale: &record.SaleFacts{Reservation: "r1"}},
			held(2, 2.5, "r2", 1),
		}, ""},
		{"sold before it was released", []record.Observation{
			entered(1), entered(2), held(1, 1, "r1", 3), held(2, 1.5, "r2", 1),
			{Fan: 1, T: 3e6, Took: 1e6, Step: record.StepRelease, Status: 204, Sale: &record.SaleFacts{Reservation: "r1", State: "released"}},
		}, "I1"},
		{"as many as the rule allows", paced(5, 0.2, 12), ""},
		{"a pass that is told again after the line was rebuilt", append(paced(5, 0.2, 12), word(3, 30, poll, in, 2, 3, 0, 70)), ""},
		{"one more than the rule allows", paced(6, 0.2, 12), "I3"},
		{"a little faster than the rule allows, for long", paced(5, 0.19, 40), "I3"},
	} {
		t.Run(story.name, func(t *testing.T) {
			judging := judge.New()
			judging.See(record.Observation{Fan: -1, Step: record.StepRun, Run: &record.RunFacts{
				Started: started, Slack: 3 * time.Second, Rule: &record.Rule{RatePerMinute: 300, Burst: 5}, ShowUp: 20 * time.Second, Capacity: map[ropeline.TicketTypeID]int64{"standing": 3},
			}})
			for _, o := range story.said {
				judging.See(o)
			}
			broken := ""
			for _, v := range judging.Verdicts() {
				if !v.OK {
					broken += v.Invariant
					t.Log(v)
				}
			}
			if broken != story.breaks {
				t.Errorf("broken: %q, want %q", broken, story.breaks)
			}
		})
	}
}

func entered(fan int) record.Observation {
	return record.Observation{Fan: fan, T: 5e5, Step: record.StepEnter, Status: 200}
}

// held is a reservation heard of at a second of the run, for half a minute.
func held(fan int, second float64, id string, quantity int) record.Observation {
	return record.Observation{Fan: fan, T: int64(second * 1e6), Took: 1000, Step: record.StepReserve, Status: 201, Sale: &record.SaleFacts{
		Reservation: id, State: "held", Deadline: started.UnixMicro() + int64((second+30)*1e6), Items: []ropeline.Item{{TicketType: "standing", Quantity: quantity}},
	}}
}

// paced lets in a burst at once and then one fan every gap seconds.
func paced(burst int, gap float64, more int) (said []record.Observation) {
	for i := range burst + more {
		at := 10 + max(0, float64(i-burst+1))*gap
		said = append(said,
			word(i, 1+float64(i)/1000, record.StepJoin, ropeline.StandingWaiting, 1, int64(i), int64(i), 0),
			word(i, at, record.StepFrame, ropeline.StandingAdmitted, 1, int64(i), 0, at+60))
	}
	return said
}
