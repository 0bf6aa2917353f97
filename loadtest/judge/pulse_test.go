package judge_test

import (
	"strconv"
	"testing"

	"github.com/ropeline/ropeline/loadtest/judge"
	"github.com/ropeline/ropeline/loadtest/record"
)

// A silence is held against the fault before it, from its moment to the next.
func TestTheSaleMustGoOn(t *testing.T) {
	type fault struct {
		at         float64
		kind, note string
	}
	for name, c := range map[string]struct {
		silences [][2]float64 // seconds without a reservation; else there are ten a second
		faults   []fault
		ok       bool
		checked  int
	}{
		"no fault":                        {[][2]float64{{10, 50}}, nil, true, 0},
		"a process, soon":                 {[][2]float64{{10, 14}}, []fault{{10, "kill", "worker-1"}}, true, 1},
		"a process, late":                 {[][2]float64{{10, 16}}, []fault{{10, "kill", "worker-1"}}, false, 1},
		"one answer was on its way":       {[][2]float64{{10.5, 16}}, []fault{{10, "kill", "worker-1"}}, false, 1},
		"silent before already":           {[][2]float64{{5, 14}}, []fault{{10, "kill", "web-1"}}, true, 1},
		"an engine, from when it is back": {[][2]float64{{10, 34}}, []fault{{10, "kill", "postgres"}, {20, "over", "kill postgres"}}, true, 1},
		"an engine, late":                 {[][2]float64{{10, 36}}, []fault{{10, "wipe", "redis"}, {20, "over", "wipe redis"}}, false, 1},
		"the next fault answers for it":   {[][2]float64{{10, 30}}, []fault{{10, "kill", "web-1"}, {14, "kill", "redis"}, {20, "over", "kill redis"}}, true, 2},
		"webhooks do not":                 {[][2]float64{{10, 16}}, []fault{{10, "kill", "web-1"}, {11, "duplicate", "webhooks"}}, false, 1},
		"before the sale":                 {nil, []fault{{-8, "kill", "web-1"}}, true, 0},
		"after the sale":                  {nil, []fault{{99, "kill", "web-1"}}, true, 0},
	} {
		t.Run(name, func(t *testing.T) {
			j := judge.New()
			j.See(record.Observation{Fan: -1, Step: record.StepRun, Run: &record.RunFacts{Fans: 1000}})
			for _, f := range c.faults {
				j.See(record.Observation{Fan: -1, T: int64(f.at * 1e6), Step: record.StepFault, Code: f.kind, Note: f.note})
			}
		beats:
			for i := range 1000 {
				at := float64(i) / 10
				for _, s := range c.silences {
					if at > s[0] && at < s[1] {
						continue beats
					}
				}
				j.See(record.Observation{Fan: i, T: int64(at * 1e6), Step: record.StepReserve, Status: 201,
					Sale: &record.SaleFacts{Reservation: strconv.Itoa(i), State: "held"}})
			}
			for _, v := range j.Verdicts() {
				if v.Invariant == "resume" && (v.OK != c.ok || v.Checked != c.checked) {
					t.Errorf("%v; the faults: %v", v, j.Faults())
				}
			}
		})
	}
}
