package worker

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are what an operator sees of this process' worker.
type metrics struct {
	sweeps  *prometheus.HistogramVec
	tasks   *prometheus.HistogramVec
	batches prometheus.Histogram
}

func newMetrics() metrics {
	buckets := []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}
	return metrics{
		sweeps: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "ropeline_sweep_seconds",
			Help: "Runs of the sweeps, the relay and the deliveries, by name and whether they failed.", Buckets: buckets}, []string{"sweep", "result"}),
		tasks: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "ropeline_task_seconds",
			Help: "Tasks done: a clerk's time in charge, a payment's or a refund's duty.", Buckets: buckets}, []string{"task"}),
		batches: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "ropeline_clerk_batch_payments",
			Help: "Payments that a batch of a clerk left to be done; the count is all batches.", Buckets: []float64{0, 1, 4, 16, 64, 256}}),
	}
}

// Collectors are the metrics of the worker.
func (w *Worker) Collectors() []prometheus.Collector {
	return []prometheus.Collector{w.metrics.sweeps, w.metrics.tasks, w.metrics.batches}
}

func (m metrics) swept(name string, err error, begin time.Time) {
	result := "ok"
	if err != nil {
		result = "failed"
	}
	m.sweeps.WithLabelValues(name, result).Observe(time.Since(begin).Seconds())
}
