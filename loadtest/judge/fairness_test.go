package judge_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/loadtest/judge"
	"github.com/ropeline/ropeline/loadtest/record"
)

func judged(run record.RunFacts, said ...record.Observation) *judge.Judge {
	j := judge.New()
	run.Started = started
	j.See(record.Observation{Fan: -1, Step: record.StepRun, Run: &run})
	for _, o := range said {
		j.See(o)
	}
	return j
}

func verdictOf(t *testing.T, j *judge.Judge, name string) judge.Verdict {
	t.Helper()
	for _, v := range j.Verdicts() {
		if v.Invariant == name {
			return v
		}
	}
	t.Fatalf("there is no verdict on %s", name)
	return judge.Verdict{}
}

// First come, first served, and its opposite, by Kendall's tau; bots by what
// they got.
func TestFairnessIsMeasured(t *testing.T) {
	var forward, backward []record.Observation
	for i := range 20 {
		for _, c := range []struct {
			to     *[]record.Observation
			number int64
		}{{&forward, int64(i)}, {&backward, int64(19 - i)}} {
			*c.to = append(*c.to, word(i, 1+float64(i)/10, record.StepJoin, ropeline.StandingWaiting, 1, c.number, c.number, 0))
		}
	}
	for n := range 20 {
		at := 10 + float64(n)
		forward = append(forward, word(n, at, record.StepFrame, ropeline.StandingAdmitted, 1, int64(n), 0, at+60))
		backward = append(backward, word(19-n, at, record.StepFrame, ropeline.StandingAdmitted, 1, int64(n), 0, at+60))
	}
	for fan := range 20 {
		is := "person"
		if fan < 5 {
			is = "bot"
			forward = append(forward, record.Observation{Fan: fan, T: 99e6, Step: record.StepOrderLook, Sale: &record.SaleFacts{Order: "o", State: "paid", Tickets: make([]record.TicketFacts, 2)}})
		}
		forward = append(forward, record.Observation{Fan: fan, T: 100e6, Step: record.StepEnd, Is: is, Outcome: record.Bought})
	}
	run := record.RunFacts{Bots: []string{"bot"}, Rule: &record.Rule{RatePerMinute: 60, Burst: 1}}
	if f := judged(run, forward...).Fairness(); f.TauLate != 1 || f.Inversions != 0 || f.Bots.Fans != 0.25 || f.Bots.Tickets != 1 || f.RateMean != 60 {
		t.Errorf("%+v", f)
	}
	if f := judged(run, backward...).Fairness(); f.TauLate != -1 || f.Inversions != 0 {
		t.Errorf("%+v", f)
	}
}

func TestAClockThatRunsFastIsSeen(t *testing.T) {
	var said []record.Observation
	for i := range 40 { // by the passes one a second, by our clock twenty
		said = append(said,
			word(i, 1+float64(i)/20, record.StepJoin, ropeline.StandingWaiting, 1, int64(i), int64(i), 0),
			word(i, 5+float64(i)/20, record.StepFrame, ropeline.StandingAdmitted, 1, int64(i), 0, 100+float64(i)))
	}
	run := record.RunFacts{Slack: 0, Rule: &record.Rule{RatePerMinute: 60, Burst: 5}}
	if v := verdictOf(t, judged(run, said...), "I3"); v.OK || !strings.Contains(v.Counterexample, "told to wait") {
		t.Errorf("%v", v)
	}
}

func TestTheGateLetsOneIn(t *testing.T) {
	scan := func(ticket string, first bool) record.Observation {
		return record.Observation{Fan: -1, T: 1e6, Step: record.StepScan, Status: 200, Scan: &record.ScanFacts{Ticket: ticket, First: first}}
	}
	if v := verdictOf(t, judged(record.RunFacts{}, scan("a", true), scan("a", false), scan("b", true)), "I8"); !v.OK || v.Checked != 3 {
		t.Errorf("%v", v)
	}
	if v := verdictOf(t, judged(record.RunFacts{}, scan("a", true), scan("a", true)), "I8"); v.OK {
		t.Errorf("%v", v)
	}
}

// A drawn number that was first heard in a later epoch was brought there: its
// fan waits since its return, and not since the epoch began.
func TestADrawnNumberIsBroughtAlong(t *testing.T) {
	for _, lobby := range []bool{true, false} {
		j := judged(record.RunFacts{},
			record.Observation{Fan: 1, T: 1e6, Step: record.StepJoin, Status: 201, Lobby: lobby},
			word(7, 2, record.StepPoll, ropeline.StandingWaiting, 1, 5, 5, 0),
			word(2, 20, record.StepFrame, ropeline.StandingWaiting, 2, 30, 3, 0),
			word(2, 21, record.StepFrame, ropeline.StandingAdmitted, 2, 30, 0, 51),
			word(1, 21.1, record.StepPoll, ropeline.StandingWaiting, 2, 20, 0, 0),
			word(1, 22, record.StepPoll, ropeline.StandingAdmitted, 2, 20, 0, 51.5))
		if v := verdictOf(t, j, "I2"); v.OK != lobby {
			t.Errorf("from the lobby %v: %v", lobby, v)
		}
	}
}

// A fan whose number may have been called unheard when Redis was lost begins
// anew; one far behind whoever was called must come back under its own.
func TestADrawnNumberAfterALoss(t *testing.T) {
	seed, entropy := make([]byte, 32), make([]byte, 32)
	promised := sha256.Sum256(seed)
	var ids []string
	for i := range 100 {
		ids = append(ids, fmt.Sprintf("%026d", i))
	}
	file := fmt.Sprintf(`{"ropeline_draw":1,"state":"done","commitment":%q,"seed":%q,"entropy":%q}`, hex.EncodeToString(promised[:]), hex.EncodeToString(seed), hex.EncodeToString(entropy)) +
		"\n" + strings.Join(ids, "\n") + "\n"
	hold := func(called int64) (held int) {
		for fan := range ids {
			j := judged(record.RunFacts{},
				word(500, 1, record.StepPoll, ropeline.StandingAdmitted, 1, called, 0, 0),
				record.Observation{Fan: fan, T: 1e6, Step: record.StepJoin, Status: 201, Lobby: true, Note: ids[fan]},
				word(fan, 3, record.StepPoll, ropeline.StandingWaiting, 2, 20000, 1, 0))
			if err := j.Draw(strings.NewReader(file)); err != nil {
				t.Fatal(err)
			}
			if verdictOf(t, j, "draw").OK {
				held++
			}
		}
		return held
	}
	for called, want := range map[int64]int{0: 17, 40: 57} {
		if held := hold(called); held != want {
			t.Errorf("number %d was called: %d of 100 may begin anew, want %d", called, held, want)
		}
	}
}

// The published draw is computed again; a fan who lost its drawn number and
// came back is not held against it.
func TestTheDrawIsComputedAgain(t *testing.T) {
	seed, entropy := make([]byte, 32), make([]byte, 32)
	ids := []string{"00000000000000000000000001", "00000000000000000000000002", "00000000000000000000000003"}
	promised := sha256.Sum256(seed)
	file := func(commitment string) string {
		return fmt.Sprintf(`{"ropeline_draw":1,"state":"done","commitment":%q,"seed":%q,"entropy":%q}`, commitment, hex.EncodeToString(seed), hex.EncodeToString(entropy)) +
			"\n" + strings.Join(ids, "\n") + "\n"
	}
	hears := func(numbers ...int64) (said []record.Observation) {
		for i, number := range numbers {
			said = append(said, record.Observation{Fan: i, T: 1e6, Step: record.StepJoin, Status: 201, Lobby: true, Note: ids[i]})
			if number == 99 {
				said = append(said, record.Observation{Fan: i, T: 2e6, Step: record.StepPoll, Status: 404, Code: "not_in_line"})
			}
			said = append(said, word(i, 3, record.StepPoll, ropeline.StandingWaiting, 1, number, number, 0))
		}
		return said
	}
	// One of the six orders is the right one.
	right := 0
	for _, order := range [][]int64{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}} {
		j := judged(record.RunFacts{}, hears(order...)...)
		if err := j.Draw(strings.NewReader(file(hex.EncodeToString(promised[:])))); err != nil {
			t.Fatal(err)
		}
		if v := verdictOf(t, j, "draw"); v.OK && v.Checked == 3 {
			right++
		}
	}
	if right != 1 {
		t.Errorf("%d orders hold", right)
	}
	j := judged(record.RunFacts{}, hears(99, 99, 99)...)
	if err := j.Draw(strings.NewReader(file(hex.EncodeToString(promised[:])))); err != nil || !verdictOf(t, j, "draw").OK {
		t.Error("fans who came back count as drawn", err)
	}
	j = judged(record.RunFacts{})
	if err := j.Draw(strings.NewReader(file("00"))); err != nil || verdictOf(t, j, "draw").OK {
		t.Error("a seed that was not promised holds", err)
	}
	if err := j.Draw(strings.NewReader("no draw")); err == nil {
		t.Error("a file that is none was read")
	}
}
