package worker

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are what an operator sees of this process' worker.
type metrics struct {
	sweeps  *prometheus.HistogramVec
	tasks   *prometheus.HistogramVec
	retries *prometheus.CounterVec
	batches prometheus.Histogram

	differences *prometheus.CounterVec
}

func newMetrics() metrics {
	buckets := []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}
	return metrics{
		sweeps: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "ropeline_sweep_seconds",
			Help: "Runs of the sweeps, the relay and the deliveries, by name and whether they failed.", Buckets: buckets}, []string{"sweep", "result"}),
		tasks: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "ropeline_task_seconds",
			Help: "Tasks done, by kind and whether they failed: a clerk's time in charge, a payment's or a refund's duty, a message.", Buckets: buckets}, []string{"task", "result"}),
		retries: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "ropeline_task_retries_total",
			Help: "Tasks that were a further try at the same work."}, []string{"task"}),
		differences: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "ropeline_reconciliation_differences_total",
			Help: "Differences between our payments and a gateway's books, by kind, and whether they were healed; a difference that stays counts in each run."}, []string{"kind", "result"}),
		batches: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "ropeline_clerk_batch_payments",
			Help: "Payments that a batch of a clerk left to be done; the count is all batches.", Buckets: []float64{0, 1, 4, 16, 64, 256}}),
	}
}

// Collectors are the metrics of the worker.
func (w *Worker) Collectors() []prometheus.Collector {
	return []prometheus.Collector{w.metrics.sweeps, w.metrics.tasks, w.metrics.retries, w.metrics.batches, w.metrics.differences, backlog{w}}
}

func (m metrics) done(task string, again bool, err error, begin time.Time) {
	result := "ok"
	if err != nil {
		result = "failed"
	}
	m.tasks.WithLabelValues(task, result).Observe(time.Since(begin).Seconds())
	if again {
		m.retries.WithLabelValues(task).Inc()
	}
}

func (m metrics) swept(name string, err error, begin time.Time) {
	result := "ok"
	if err != nil {
		result = "failed"
	}
	m.sweeps.WithLabelValues(name, result).Observe(time.Since(begin).Seconds())
}
