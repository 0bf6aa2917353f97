package queue

import "github.com/prometheus/client_golang/prometheus"

// metrics are what an operator sees of this node's joins.
type metrics struct {
	batches  prometheus.Histogram
	restores prometheus.Counter
}

func newMetrics() metrics {
	return metrics{
		batches: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "ropeline_join_batch_fans",
			Help: "Fans who joined with one call; the sum is all joins.", Buckets: []float64{1, 2, 4, 8, 16, 32, 64, 128, 256}}),
		restores: prometheus.NewCounter(prometheus.CounterOpts{Name: "ropeline_line_epochs_total",
			Help: "Epochs that this node began because a line was lost."}),
	}
}

// Collectors are the metrics of the lines.
func (l *Line) Collectors() []prometheus.Collector {
	return []prometheus.Collector{l.metrics.batches, l.metrics.restores}
}
