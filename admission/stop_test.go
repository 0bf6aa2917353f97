package admission

import (
	"bytes"
	"sync"
	"testing"
	"time"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/queue"
)

// After Stop has returned, no tick on any node admits anybody.
func TestStopStopsEveryNode(t *testing.T) {
	h := newHouse(t)
	rules := quick()
	rules.RatePerMinute, rules.Burst, rules.Batch = 1_000_000, 1000, 1
	event := h.event(rules)
	h.join(event, 600)
	var nodes sync.WaitGroup
	begun, stopped, done := make(chan struct{}), make(chan struct{}), make(chan struct{})
	var once sync.Once
	for range 5 {
		nodes.Go(func() {
			for {
				after := false
				select {
				case <-done:
					return
				case <-stopped:
					after = true
				default:
				}
				ticked, err := h.Tick(t.Context(), event)
				if err != nil {
					t.Errorf("tick: %v", err)
					return
				}
				if after && (len(ticked.Admitted) > 0 || !ticked.Paused) {
					t.Errorf("a tick after the stop: %+v", ticked)
				}
				once.Do(func() { close(begun) })
			}
		})
	}
	<-begun
	set, err := h.Stop(t.Context(), event, "ada")
	if err != nil || !set.Paused || set.Version != 2 {
		t.Errorf("%+v, %v", set, err)
	}
	close(stopped)
	for range 50 {
		h.tickNow(event)
	}
	close(done)
	nodes.Wait()
}

// The stop does not wait for Postgres; and rules that resume end it.
func TestStopActsBeforeTheRules(t *testing.T) {
	h := newHouse(t)
	event := h.event(quick())
	h.join(event, 3)
	h.tick(t.Context(), event, "x", micros(h.now.Add(-time.Hour))) // rules are in Redis
	h.join(event, 3)
	if _, err := h.pool.Exec(t.Context(), "alter table admission_rules rename to away"); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Stop(t.Context(), event, "ada"); ropeline.CodeOf(err) != ropeline.CodeUnavailable {
		t.Errorf("a stop that is not recorded: %v", err)
	}
	if ticked := h.tickNow(event); len(ticked.Admitted) > 0 || !ticked.Paused {
		t.Errorf("a tick after the stop: %+v", ticked)
	}
	if _, err := h.pool.Exec(t.Context(), "alter table away rename to admission_rules"); err != nil {
		t.Fatal(err)
	}
	if _, err := h.SetRules(t.Context(), event, quick(), 1, "ada"); err != nil {
		t.Fatal(err)
	}
	if ticked := h.tickNow(event); ticked.Paused || len(ticked.Admitted) != 3 {
		t.Errorf("a tick after the end of the stop: %+v", ticked)
	}
}

// Those named come first, in the bounds that hold for everybody, and nobody
// else loses a place by it.
func TestBypass(t *testing.T) {
	h := newHouse(t)
	rules := quick()
	rules.RatePerMinute, rules.Burst, rules.Batch = 60, 3, 3
	event := h.event(rules)
	places := h.join(event, 9)
	if err := h.Bypass(t.Context(), event, []int64{7, 5, 5}, "ada"); err != nil {
		t.Fatal(err)
	}
	if err := h.Bypass(t.Context(), event, []int64{99}, "ada"); ropeline.CodeOf(err) != ropeline.CodeNotInLine {
		t.Errorf("a number that nobody has: %v", err)
	}
	for _, bad := range [][]int64{nil, make([]int64, 0)} {
		if err := h.Bypass(t.Context(), event, bad, "ada"); ropeline.CodeOf(err) != ropeline.CodeInvalidRequest {
			t.Errorf("%v: %v", bad, err)
		}
	}
	ticked := h.tickNow(event)
	want := []queue.Member{{Number: 5, Fan: places[5].Fan}, {Number: 7, Fan: places[7].Fan}, {Number: 0, Fan: places[0].Fan}}
	if len(ticked.Admitted) != 3 || ticked.Admitted[0] != want[0] || ticked.Admitted[1] != want[1] || ticked.Admitted[2] != want[2] {
		t.Errorf("admitted %v, want %v", ticked.Admitted, want)
	}
	if ticked.AdmittedHigh != 0 {
		t.Errorf("a bypass moved the mark of the admitted to %d: a loss would cost those before it their place", ticked.AdmittedHigh)
	}
	if err := h.Bypass(t.Context(), event, []int64{8}, "ada"); err != nil {
		t.Fatal(err)
	}
	if err := h.line.Leave(t.Context(), event, places[8].Fan, ""); err != nil {
		t.Fatal(err)
	}
	h.wait(time.Second)
	if ticked := h.tickNow(event); len(ticked.Admitted) != 1 || ticked.Admitted[0].Number != 1 {
		t.Errorf("with one who left meanwhile: %v", ticked.Admitted)
	}
	report, err := VerifyPace(bytes.NewReader(h.paceLog(event)), nil)
	if err != nil || report.Bypassed != 2 || report.Admitted != 4 || report.Overtaken != 0 || report.Steps != 2 {
		t.Errorf("%+v, %v", report, err)
	}
	var by string
	if err := h.pool.QueryRow(t.Context(), "select asked_by from bypasses where event_id = $1 order by id limit 1", event).Scan(&by); err != nil || by != "ada" {
		t.Errorf("asked for by %q, %v", by, err)
	}
}

// Compensation in the engine: a no-show's slot is given again on top of the
// rate, and the log that tells so holds.
func TestANoShowIsMadeUpFor(t *testing.T) {
	h := newHouse(t)
	rules := quick()
	rules.RatePerMinute, rules.Burst, rules.ShowUp, rules.CompensatePercent = 60, 4, 5*time.Second, 100
	event := h.event(rules)
	h.join(event, 40)
	if n := len(h.tickNow(event).Admitted); n != 4 {
		t.Fatalf("%d at once", n)
	}
	sum := 0
	for range 4 { // 2 a second at the most, 1 by the rate
		h.wait(time.Second)
		sum += len(h.tickNow(event).Admitted)
	}
	h.wait(time.Second) // the first four are no-shows now
	sum += len(h.tickNow(event).Admitted)
	h.wait(time.Second)
	sum += len(h.tickNow(event).Admitted)
	if sum <= 6 {
		t.Errorf("%d in six seconds: nobody made up for the no-shows", sum)
	}
	report, err := VerifyPace(bytes.NewReader(h.paceLog(event)), nil)
	if err != nil || report.NoShows < 4 {
		t.Errorf("%+v, %v", report, err)
	}
}
