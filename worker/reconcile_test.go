package worker

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ropeline/ropeline/checkout"
)

// No webhook is ever taken, and nobody watches: the worker's own comparison
// brings the payment in, and reports it.
func TestWorkerReconciles(t *testing.T) {
	o := newOffice(t, checkout.Options{Watch: 100 * time.Hour})
	o.refuse.Store(1 << 30)
	o.work(Options{ReconcileOpen: 200 * time.Millisecond, ReconcileAll: time.Hour})
	e := o.event(3)
	order := o.order(o.reserve(e, 10*time.Second))
	o.confirm(order, "approve")
	within(t, 60*time.Second, "paid without a webhook", func() bool { return o.look(order).State == checkout.OrderPaid })
	within(t, 60*time.Second, "the report says so", func() bool {
		list, err := o.Reconciliations(t.Context(), 0, 1000)
		must(t, err)
		full, healed := false, 0
		for _, r := range list {
			full = full || r.Scope == checkout.ScopeAll && r.FinishedAt != nil
			healed += r.Healed
		}
		return full && healed >= 1
	})
	o.audit(e)
}

// What is old and needed by nobody goes, the rest stays.
func TestPrune(t *testing.T) {
	o := newOffice(t, checkout.Options{})
	stop := o.work(Options{Sink: &sink{}})
	e := o.event(3)
	order := o.order(o.reserve(e, 10*time.Second))
	o.confirm(order, "approve")
	within(t, 60*time.Second, "paid", func() bool { return o.look(order).State == checkout.OrderPaid })
	rows := func(table string) (n int) {
		must(t, o.pair.Pool.QueryRow(t.Context(), "select count(*) from "+table).Scan(&n))
		return n
	}
	within(t, 60*time.Second, "webhooks are delivered", func() bool { return rows("sandbox_webhooks") == 0 })
	within(t, 60*time.Second, "news are taken", func() bool { return rows("outbox where seq > (select min(seq) from outbox_cursors)") == 0 })
	stop()
	webhooks := rows("webhook_events")
	_, err := o.pair.Pool.Exec(t.Context(), `
		insert into webhook_events (provider, event_id, received_at) values ('sandbox', 'old', now() - interval '31 days');
		insert into reconciliations (kind, provider, since, started_at, alerts) values ('all', 'sandbox', now(), now() - interval '31 days', 0),
			('all', 'sandbox', now(), now() - interval '31 days', 1);
		alter table outbox disable trigger outbox_append_only;
		update outbox set created_at = created_at - interval '8 days';
		alter table outbox enable trigger outbox_append_only;
		delete from paces`)
	must(t, err)
	var others atomic.Int64
	o.work(Options{Sink: &sink{}, Prune: func(_ context.Context, keep time.Duration, _ int) (int, error) {
		others.Store(int64(keep))
		return 0, nil
	}})
	within(t, 60*time.Second, "pruned", func() bool {
		return others.Load() != 0 && rows("outbox where created_at < now() - interval '7 days'") == 0 && rows("webhook_events where event_id = 'old'") == 0 && rows("reconciliations where started_at < now() - interval '1 day'") == 1
	})
	if rows("webhook_events") < webhooks || rows("sandbox_intents") != 1 || rows("tickets") != 1 {
		t.Error("too much went")
	}
	if keep := time.Duration(others.Load()); keep != 30*24*time.Hour {
		t.Errorf("another room was to keep its rows for %v", keep)
	}
	if _, err := o.pair.Pool.Exec(t.Context(), "insert into outbox (event_id, kind, subject, payload) values ('e', 'OrderPaid', 'o', '{}'); delete from outbox where event_id = 'e'"); err == nil {
		t.Error("news of today may go")
	}
	o.audit(e)
}
