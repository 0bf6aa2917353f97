package web

import (
	"maps"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metrics are what an operator sees of the requests.
type metrics struct {
	requests *prometheus.HistogramVec
	series   *atomic.Pointer[map[answered]prometheus.Observer] // copied by whoever adds one
}

func newMetrics(reg prometheus.Registerer) metrics {
	m := metrics{series: &atomic.Pointer[map[answered]prometheus.Observer]{}, requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "ropeline_http_request_seconds", Help: "Time to answer, by route, method and status.",
		Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
	}, []string{"route", "method", "status"})}
	m.series.Store(&map[answered]prometheus.Observer{})
	reg.MustRegister(m.requests)
	return m
}

// measure times a request. The route, not the path, is the label, so that no
// caller can make labels.
func (s *Server) measure(c *gin.Context) {
	start := time.Now()
	c.Next()
	s.metrics.observer(c.FullPath(), c.Request.Method, c.Writer.Status()).Observe(time.Since(start).Seconds())
}

// answered names a series of the histogram.
type answered struct {
	route, method string
	status        int
}

// observer remembers the series, which costs less than finding them by labels.
// Routes, their methods and our statuses are few.
func (m *metrics) observer(route, method string, status int) prometheus.Observer {
	key := answered{route, method, status}
	if route == "" {
		key.route, key.method = "none", "any"
	}
	known := m.series.Load()
	if observer, ok := (*known)[key]; ok {
		return observer
	}
	observer := m.requests.WithLabelValues(key.route, key.method, strconv.Itoa(status))
	more := maps.Clone(*known)
	more[key] = observer
	m.series.CompareAndSwap(known, &more) // or somebody else was first: next time
	return observer
}

func (s *Server) metricsHandler() gin.HandlerFunc {
	return gin.WrapH(promhttp.HandlerFor(s.registry, promhttp.HandlerOpts{}))
}
