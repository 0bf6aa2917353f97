package admission

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ropeline/ropeline"
)

func TestMetricsTellWhatTheTicksDo(t *testing.T) {
	h := newHouse(t)
	rules := quick()
	rules.RatePerMinute, rules.Burst = 6, 3
	event := h.event(rules)
	h.join(event, 10)
	registry := prometheus.NewRegistry()
	registry.MustRegister(h.Collectors()...)
	listed := make(chan []ropeline.EventID, 1)
	listed <- []ropeline.EventID{event}
	value := func(name string) float64 {
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			if f.GetName() == name && len(f.GetMetric()) > 0 {
				m := f.GetMetric()[0]
				return m.GetGauge().GetValue() + m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount())
			}
		}
		return -1
	}
	runUntilEnd(t, func(ctx context.Context) error {
		return h.Run(ctx, func(context.Context) ([]ropeline.EventID, error) {
			ids := <-listed
			listed <- ids
			return ids, nil
		})
	})
	eventually(t, "the ticks are measured", func() bool {
		return value("ropeline_line_waiting") == 7 && value("ropeline_shoppers") == 3 && value("ropeline_admissions_total") == 3 &&
			value("ropeline_rate_per_minute") == 6 && value("ropeline_effective_rate_per_minute") == 0 &&
			value("ropeline_tick_seconds") > 2 && value("ropeline_tick_lag_seconds") > 2
	})
	<-listed
	listed <- nil
	eventually(t, "an event that is over is forgotten", func() bool {
		return value("ropeline_line_waiting") == -1 && value("ropeline_admissions_total") == -1
	})
	for _, c := range h.Collectors() {
		descriptions := make(chan *prometheus.Desc, 1)
		c.Describe(descriptions)
		if d := (<-descriptions).String(); !strings.Contains(d, `fqName: "ropeline_`) {
			t.Error(d)
		}
	}
}

func TestTheEffectiveRateIsOfTheLastMinute(t *testing.T) {
	var e entries
	at := time.Unix(1_900_000_000, 0)
	if rate := e.perMinute(at, 100); rate != 0 {
		t.Errorf("at first %v", rate)
	}
	if rate := e.perMinute(at.Add(30*time.Second), 130); rate != 60 {
		t.Errorf("after half a minute %v", rate)
	}
	for i := range 300 {
		e.perMinute(at.Add(time.Duration(31+i)*time.Second), 130+int64(i)*2)
	}
	if rate := e.perMinute(at.Add(331*time.Second), 730); rate < 119 || rate > 121 {
		t.Errorf("after minutes %v", rate)
	}
	if len(e.marks) > 62 {
		t.Errorf("%d marks are kept", len(e.marks))
	}
	if rate := e.perMinute(at.Add(340*time.Second), 3); rate != 0 {
		t.Errorf("after a loss %v", rate)
	}
}
