package fraud

import (
	"slices"
	"sync/atomic"
	"testing"
	"time"
)

// percentiles reports the median and the 99th percentile of an operation, which
// runs on two goroutines at once per processor.
func percentiles(b *testing.B, op func(n int)) {
	var n atomic.Int64
	took := make([]time.Duration, b.N)
	b.SetParallelism(2)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			i := int(n.Add(1) - 1)
			begin := time.Now()
			op(i)
			took[i] = time.Since(begin)
		}
	})
	b.StopTimer()
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "ms-p50")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "ms-p99")
	b.ReportMetric(float64(took[len(took)-1].Microseconds())/1000, "ms-max")
}

// BenchmarkScore is a look at an order at either moment, beside one bare round
// trip to each engine. Its budget is 50 ms.
func BenchmarkScore(b *testing.B) {
	b.Run("placed", func(b *testing.B) {
		o := newOffice(b, Options{Budget: 50 * time.Millisecond})
		event := o.event()
		late := atomic.Int64{}
		percentiles(b, func(n int) {
			if mentions(o.Place(b.Context(), o.fan(event, n)).Verdict, "not known") {
				late.Add(1)
			}
		})
		b.ReportMetric(float64(late.Load()), "late")
	})
	b.Run("authorized", func(b *testing.B) {
		o := newOffice(b, Options{Budget: 50 * time.Millisecond})
		event := o.event()
		paid := make([]Paid, 500)
		for n := range paid {
			v := o.fan(event, n)
			paid[n] = Paid{Event: event, Order: o.order(o.Place(b.Context(), v)), Fan: v.Fan, Card: string(v.Fan), Risk: 10}
		}
		late := atomic.Int64{}
		percentiles(b, func(n int) {
			if mentions(o.Judge(b.Context(), paid[n%len(paid)]), "not known") {
				late.Add(1)
			}
		})
		b.ReportMetric(float64(late.Load()), "late")
	})
	b.Run("bare query", func(b *testing.B) {
		o := newOffice(b, Options{})
		percentiles(b, func(int) {
			var one int
			must(b, o.pair.Pool.QueryRow(b.Context(), "select 1").Scan(&one))
		})
	})
	b.Run("bare ping", func(b *testing.B) {
		o := newOffice(b, Options{})
		percentiles(b, func(int) { must(b, o.velocity.redis.Read.Ping(b.Context()).Err()) })
	})
	b.Run("model alone", func(b *testing.B) {
		m, s := DefaultModel(), Generate(1, 1)[0].Signals
		for b.Loop() {
			m.Score(s)
		}
	})
}
