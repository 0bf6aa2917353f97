package worker

import (
	"context"
	"errors"
	"time"

	"github.com/hibiken/asynq"
	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"
)

// backlog are the metrics of what waits: the tasks in asynq's queues, which
// are hints, and the rows behind them, which count. They are read at each
// scrape, and are the same on every node.
type backlog struct{ *Worker }

var (
	queueDesc     = prometheus.NewDesc("ropeline_queue_tasks", "Tasks in asynq's queues by state; archived ones were given up.", []string{"queue", "state"}, nil)
	queueAgeDesc  = prometheus.NewDesc("ropeline_queue_oldest_seconds", "How long the oldest pending task of a queue has waited.", []string{"queue"}, nil)
	queueDoneDesc = prometheus.NewDesc("ropeline_queue_processed_total", "Tasks that asynq has done with, whatever came of them, by queue.", []string{"queue"}, nil)
	owedDesc      = prometheus.NewDesc("ropeline_owed", "Payments and refunds that are owed something now, by whether it was tried before.", []string{"what", "tried"}, nil)
	owedAgeDesc   = prometheus.NewDesc("ropeline_owed_oldest_seconds", "How long the longest due of them is due.", []string{"what"}, nil)
	deadDesc      = prometheus.NewDesc("ropeline_refunds_failed", "Refunds that the gateway refuses for good: somebody must look.", nil, nil)
	outboxDesc    = prometheus.NewDesc("ropeline_outbox_waiting", "Domain events that a consumer has not taken.", []string{"consumer"}, nil)
	outboxAgeDesc = prometheus.NewDesc("ropeline_outbox_oldest_seconds", "How old the oldest of them is.", []string{"consumer"}, nil)
)

func (b backlog) Describe(c chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{queueDesc, queueAgeDesc, queueDoneDesc, owedDesc, owedAgeDesc, deadDesc, outboxDesc, outboxAgeDesc} {
		c <- d
	}
}

const backlogTime = 2 * time.Second // for one scrape's reading

// mostWaiting bounds how many waiting events are counted at a scrape.
const mostWaiting = 100_000

func (b backlog) Collect(c chan<- prometheus.Metric) {
	b.queues(c)
	ctx, cancel := context.WithTimeout(context.Background(), backlogTime)
	defer cancel()
	if err := b.rows(ctx, c); err != nil {
		c <- prometheus.NewInvalidMetric(owedDesc, err)
	}
}

func (b backlog) queues(c chan<- prometheus.Metric) {
	for _, queue := range []string{queueClerk, queuePayments, queueLetters} {
		info, err := b.client.inspector.GetQueueInfo(queue)
		if errors.Is(err, asynq.ErrQueueNotFound) {
			continue // nothing was ever in it
		}
		if err != nil {
			c <- prometheus.NewInvalidMetric(queueDesc, err)
			return
		}
		for state, n := range map[string]int{"pending": info.Pending, "active": info.Active, "scheduled": info.Scheduled, "retry": info.Retry, "archived": info.Archived} {
			c <- prometheus.MustNewConstMetric(queueDesc, prometheus.GaugeValue, float64(n), queue, state)
		}
		c <- prometheus.MustNewConstMetric(queueAgeDesc, prometheus.GaugeValue, info.Latency.Seconds(), queue)
		c <- prometheus.MustNewConstMetric(queueDoneDesc, prometheus.CounterValue, float64(info.ProcessedTotal), queue)
	}
}

func (b backlog) rows(ctx context.Context, c chan<- prometheus.Metric) error {
	rows, err := b.pool.Query(ctx, `
		select 'payments', count(*) filter (where attempts <= 1), count(*) filter (where attempts > 1), coalesce(extract(epoch from now() - min(duty_at)), 0)::float8
			from (select attempts, duty_at from payments where duty in ('create', 'watch', 'review', 'capture', 'void') and duty_at <= now()
				union all select p.attempts, p.duty_at from payments p join orders o on o.id = p.order_id
					where p.duty in ('settle', 'unwind') and p.duty_at <= now() and (p.duty = 'unwind' or o.accepted_at is null)) owed
		union all select 'refunds', count(*) filter (where attempts <= 1), count(*) filter (where attempts > 1), coalesce(extract(epoch from now() - min(due_at)), 0)::float8
			from refunds where state <> 'failed' and due_at <= now()`)
	if err != nil {
		return err
	}
	var name string
	var first, again int64
	var age float64
	_, err = pgx.ForEachRow(rows, []any{&name, &first, &again, &age}, func() error {
		c <- prometheus.MustNewConstMetric(owedDesc, prometheus.GaugeValue, float64(first), name, "first")
		c <- prometheus.MustNewConstMetric(owedDesc, prometheus.GaugeValue, float64(again), name, "again")
		c <- prometheus.MustNewConstMetric(owedAgeDesc, prometheus.GaugeValue, age, name)
		return nil
	})
	if err != nil {
		return err
	}
	var failed int64
	if err := b.pool.QueryRow(ctx, "select count(*) from refunds where state = 'failed'").Scan(&failed); err != nil {
		return err
	}
	c <- prometheus.MustNewConstMetric(deadDesc, prometheus.GaugeValue, float64(failed))
	rows, err = b.pool.Query(ctx, `
		select k.consumer, w.n, w.age from outbox_cursors k, lateral (
			select count(*) n, coalesce(extract(epoch from now() - min(created_at)), 0)::float8 age
			from (select created_at from outbox where seq > k.seq order by seq limit $1) o) w`, mostWaiting)
	if err != nil {
		return err
	}
	_, err = pgx.ForEachRow(rows, []any{&name, &first, &age}, func() error {
		c <- prometheus.MustNewConstMetric(outboxDesc, prometheus.GaugeValue, float64(first), name)
		c <- prometheus.MustNewConstMetric(outboxAgeDesc, prometheus.GaugeValue, age, name)
		return nil
	})
	return err
}
