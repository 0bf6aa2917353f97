package hub

import "github.com/prometheus/client_golang/prometheus"

// metrics are what an operator sees of the hub.
type metrics struct {
	sockets prometheus.Gauge
	held    prometheus.Gauge
	frames  prometheus.Counter
	ended   *prometheus.CounterVec
}

func newMetrics(reg prometheus.Registerer) metrics {
	m := metrics{
		sockets: prometheus.NewGauge(prometheus.GaugeOpts{Name: "ropeline_hub_sockets", Help: "Open sockets of waiting fans."}),
		held:    prometheus.NewGauge(prometheus.GaugeOpts{Name: "ropeline_hub_held", Help: "Sockets whose fan does not take a frame just now."}),
		frames:  prometheus.NewCounter(prometheus.CounterOpts{Name: "ropeline_hub_frames_total", Help: "Frames written to sockets."}),
		ended:   prometheus.NewCounterVec(prometheus.CounterOpts{Name: "ropeline_hub_disconnects_total", Help: "Sockets that ended, by reason."}, []string{"reason"}),
	}
	reg.MustRegister(m.sockets, m.held, m.frames, m.ended)
	return m
}
