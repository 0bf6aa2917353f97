package admission

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ropeline/ropeline"
)

// metrics are what an operator sees of the events that this node ticks. The
// counters count this node's own ticks and are summed over nodes; the gauges
// are the same on every node.
type metrics struct {
	waiting   *prometheus.GaugeVec
	shoppers  *prometheus.GaugeVec
	rate      *prometheus.GaugeVec
	effective *prometheus.GaugeVec
	admitted  *prometheus.CounterVec
	noShows   *prometheus.CounterVec
	ticks     prometheus.Histogram
	lag       prometheus.Histogram
}

func newMetrics() metrics {
	perEvent := []string{"event"}
	gauge := func(name, help string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, perEvent)
	}
	counter := func(name, help string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, perEvent)
	}
	seconds := func(name, help string) prometheus.Histogram {
		return prometheus.NewHistogram(prometheus.HistogramOpts{Name: name, Help: help,
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5}})
	}
	return metrics{
		waiting:   gauge("ropeline_line_waiting", "Fans in the line."),
		shoppers:  gauge("ropeline_shoppers", "Fans who were admitted and whose time is not over."),
		rate:      gauge("ropeline_rate_per_minute", "The organizer's rate now; 0 while paused."),
		effective: gauge("ropeline_effective_rate_per_minute", "Fans who entered in the last minute."),
		admitted:  counter("ropeline_admissions_total", "Fans let in by ticks of this node."),
		noShows:   counter("ropeline_no_shows_total", "Passes that ran out, found by ticks of this node."),
		ticks:     seconds("ropeline_tick_seconds", "Time that a tick takes."),
		lag:       seconds("ropeline_tick_lag_seconds", "How late a tick begins."),
	}
}

// Collectors are the metrics of the events that Run ticks.
func (a *Admission) Collectors() []prometheus.Collector {
	m := a.metrics
	return []prometheus.Collector{m.waiting, m.shoppers, m.rate, m.effective, m.admitted, m.noShows, m.ticks, m.lag}
}

func (m metrics) ticked(event ropeline.EventID, t Ticked) {
	label := string(event)
	m.waiting.WithLabelValues(label).Set(float64(t.Waiting))
	m.shoppers.WithLabelValues(label).Set(float64(t.Shoppers))
	m.admitted.WithLabelValues(label).Add(float64(len(t.Admitted)))
	m.noShows.WithLabelValues(label).Add(float64(t.NoShows))
}

// forget drops the series of an event that is not ticked any more.
func (m metrics) forget(event ropeline.EventID) {
	for _, vec := range []interface{ DeleteLabelValues(...string) bool }{m.waiting, m.shoppers, m.rate, m.effective, m.admitted, m.noShows} {
		vec.DeleteLabelValues(string(event))
	}
}

// entries remembers how many had entered, for the rate of the last minute.
type entries struct {
	marks []entryMark
}

type entryMark struct {
	at      time.Time
	entered int64
}

// perMinute takes the count of a moment and returns how many entered in the
// minute before it; while less than a minute is known, by that.
func (e *entries) perMinute(at time.Time, entered int64) float64 {
	if n := len(e.marks); n > 0 && entered < e.marks[n-1].entered {
		e.marks = nil // Redis was lost
	}
	e.marks = append(e.marks, entryMark{at, entered})
	for len(e.marks) > 2 && at.Sub(e.marks[1].at) >= time.Minute {
		e.marks = e.marks[1:]
	}
	first := e.marks[0]
	if span := at.Sub(first.at); span > 0 {
		return float64(entered-first.entered) / span.Minutes()
	}
	return 0
}

// measure is the part of the second's work that the metrics need.
func (t *ticking) measure(ctx context.Context, r Rules) {
	m, label := t.admission.metrics, string(t.event)
	rate := 0
	if !r.Paused {
		rate = r.RateAt(time.Now())
	}
	m.rate.WithLabelValues(label).Set(float64(rate))
	if counts, err := t.admission.Counts(ctx, t.event); err == nil {
		m.effective.WithLabelValues(label).Set(t.entries.perMinute(time.Now(), counts.Entered))
	}
}
