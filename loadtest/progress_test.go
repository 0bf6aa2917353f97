package loadtest

import (
	"testing"

	"github.com/ropeline/ropeline/loadtest/record"
)

// Fans who are sent home before they had an answer were never counted.
func TestTheMeterCountsWhoIsThere(t *testing.T) {
	m := newMeter()
	m.See(record.Observation{Fan: 1, Step: record.StepArrive, Status: 200})
	for fan := range 3 {
		m.See(record.Observation{Fan: fan, Step: record.StepEnd, Outcome: record.Cut})
	}
	if n := m.read().Alive; n != 0 {
		t.Errorf("%d fans are there when all have gone", n)
	}
}
