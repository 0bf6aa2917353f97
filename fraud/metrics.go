package fraud

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are what an operator sees of the scoring.
type metrics struct {
	decisions *prometheus.CounterVec
	scores    *prometheus.HistogramVec
	seconds   *prometheus.HistogramVec
	late      *prometheus.CounterVec
	dropped   *prometheus.CounterVec

	droppedJoins prometheus.Counter // of dropped
}

func newMetrics() metrics {
	m := metrics{
		decisions: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "ropeline_fraud_decisions_total",
			Help: "Orders looked at, by stage (placed, authorized) and decision."}, []string{"stage", "decision"}),
		scores: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "ropeline_fraud_score",
			Help: "Probability of fraud, by stage.", Buckets: []float64{.001, .003, .01, .03, .1, .2, .3, .4, .5, .6, .7, .8, .9, .95, .99, 1}}, []string{"stage"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "ropeline_fraud_seconds",
			Help: "Time that a look took, by stage; its budget is 50 ms.", Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25}}, []string{"stage"}),
		late: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "ropeline_fraud_late_total",
			Help: "What was not known in time, by stage."}, []string{"stage", "what"}),
		dropped: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "ropeline_fraud_dropped_total",
			Help: "Notes that were not kept because too many came at once."}, []string{"what"}),
	}
	m.droppedJoins = m.dropped.WithLabelValues("join")
	return m
}

// Collectors are the metrics of the room.
func (f *Fraud) Collectors() []prometheus.Collector {
	m := f.metrics
	return []prometheus.Collector{m.decisions, m.scores, m.seconds, m.late, m.dropped}
}

func (m metrics) note(stage string, v Verdict, late []string, begin time.Time) {
	m.decisions.WithLabelValues(stage, string(v.Decision)).Inc()
	m.scores.WithLabelValues(stage).Observe(v.Score)
	m.seconds.WithLabelValues(stage).Observe(time.Since(begin).Seconds())
	for _, what := range late {
		m.late.WithLabelValues(stage, what).Inc()
	}
}
