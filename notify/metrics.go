package notify

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	ended   *prometheus.CounterVec
	seconds *prometheus.HistogramVec
}

func newMetrics() metrics {
	return metrics{
		ended: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "ropeline_notifications_total",
			Help: "Tries to send a message by this node, by what became of them: sent, failed (tried again), dead, moot (it has lost its sense)."}, []string{"kind", "channel", "state"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "ropeline_notification_send_seconds",
			Help:    "Time to write a message and hand it over, taken or not.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}}, []string{"channel"}),
	}
}

// Collectors are the metrics of the messages; those of the rows are read at
// each scrape.
func (n *Notify) Collectors() []prometheus.Collector {
	return []prometheus.Collector{n.metrics.ended, n.metrics.seconds, rows{n}}
}

var (
	rowsDesc = prometheus.NewDesc("ropeline_notifications", "Messages that are to be sent or were given up, by state; the same on every node.", []string{"state"}, nil)
	ageDesc  = prometheus.NewDesc("ropeline_notifications_oldest_seconds", "How long the longest due message has been waiting; 0 for none.", nil, nil)
)

type rows struct{ *Notify }

func (r rows) Describe(c chan<- *prometheus.Desc) { c <- rowsDesc; c <- ageDesc }

func (r rows) Collect(c chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	counts, err := r.Counts(ctx)
	if err != nil {
		c <- prometheus.NewInvalidMetric(rowsDesc, err)
		return
	}
	for state := range moves {
		if state != StateSent && state != StateMoot {
			c <- prometheus.MustNewConstMetric(rowsDesc, prometheus.GaugeValue, float64(counts[state]), string(state))
		}
	}
	var age float64
	err = r.pool.QueryRow(ctx, `
		select coalesce(extract(epoch from now() - min(due_at)), 0)::float8 from notifications where due_at <= now() and lease is null`).Scan(&age)
	if err != nil {
		c <- prometheus.NewInvalidMetric(ageDesc, err)
		return
	}
	c <- prometheus.MustNewConstMetric(ageDesc, prometheus.GaugeValue, age)
}
