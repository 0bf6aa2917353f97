package worker

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/admission"
	"github.com/ropeline/ropeline/catalog"
	"github.com/ropeline/ropeline/checkout"
	"github.com/ropeline/ropeline/internal/keyring"
	"github.com/ropeline/ropeline/internal/outbox"
	"github.com/ropeline/ropeline/notify"
	"github.com/ropeline/ropeline/queue"
)

// postman is a Sender that keeps what it is given.
type postman struct {
	mu    sync.Mutex
	got   []notify.Message
	fails int
}

func (*postman) Name() string { return "test" }
func (*postman) Close() error { return nil }

func (p *postman) Send(_ context.Context, m notify.Message) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fails--; p.fails >= 0 {
		return fmt.Errorf("away")
	}
	p.got = append(p.got, m)
	return nil
}

func (p *postman) about(subject string) []notify.Message {
	p.mu.Lock()
	defer p.mu.Unlock()
	var some []notify.Message
	for _, m := range p.got {
		if strings.HasPrefix(m.Subject, subject) {
			some = append(some, m)
		}
	}
	return some
}

func (o *office) letters(p *postman) Letters {
	events := catalog.New(o.pair.Pool)
	return Letters{Catalog: events, Notify: notify.New(o.pair.Pool, slog.New(slog.DiscardHandler), notify.Options{
		Senders: map[notify.Channel]notify.Sender{notify.Email: p}, Facts: Facts(o.Checkout, events, nil, "https://house.example"),
		Rate: 500, Pause: time.Millisecond,
	})}
}

// Whoever pays gets the tickets; whoever is declined for good, refunded, or
// holds tickets of an event that is canceled hears of it; each once, although
// two workers work and the sender fails now and then.
func TestPeopleAreTold(t *testing.T) {
	o := newOffice(t, checkout.Options{})
	p := &postman{fails: 2}
	o.work(Options{Letters: o.letters(p)})
	o.work(Options{Letters: o.letters(p)})
	e := o.event(10)
	var paid []checkout.Order
	for range 3 {
		order := o.order(o.reserve(e, 5*time.Second))
		o.confirm(order, "approve")
		paid = append(paid, order)
	}
	within(t, 20*time.Second, "tickets sent", func() bool { return len(p.about("Your tickets for")) == len(paid) })
	for _, m := range p.about("Your tickets for") {
		if len(m.Inline) != 1 || !strings.Contains(m.Text, "https://house.example/orders/") || m.To != "fan@example.com" {
			t.Errorf("%+v", m.Text)
		}
	}
	failed := o.order(o.reserve(e, 5*time.Second))
	must(t, pgx.BeginFunc(t.Context(), o.pair.Pool, func(tx pgx.Tx) error {
		batch := &pgx.Batch{}
		for _, of := range []struct {
			kind    outbox.Kind
			payload any
		}{
			{outbox.EventChanged, outbox.Change{Fields: []string{"starts_at"}, Note: "An hour later."}},
			{outbox.EventChanged, outbox.Change{Fields: []string{"drop_at"}}}, // nothing to those who have tickets
			{outbox.EventCanceled, outbox.Cancellation{Reason: "The hall is flooded."}},
			{outbox.TicketIssued, outbox.Issued{Order: "nobody's", Tickets: []ropeline.TicketID{"t"}}}, // holds nobody up
			{outbox.PaymentFailed, outbox.Payment{Payment: "p", Order: failed.ID}},
			{outbox.PaymentFailed, outbox.Payment{Payment: "p", Order: failed.ID}}, // told once
		} {
			n, err := outbox.New(of.kind, e.ID, "subject", of.payload)
			if err != nil {
				return err
			}
			n.Queue(batch)
		}
		return tx.SendBatch(t.Context(), batch).Close()
	}))
	within(t, 20*time.Second, "all told", func() bool {
		return len(p.about("e is canceled")) == 3 && len(p.about("e has changed")) == 1 && len(p.about("Your payment for e")) == 1
	})
	if m := p.about("e is canceled")[0]; !strings.Contains(m.Text, "The hall is flooded.") {
		t.Error(m.Text)
	}
	within(t, 20*time.Second, "all written down", func() bool {
		var rows int
		must(t, o.pair.Pool.QueryRow(t.Context(), "select count(*) from notifications where state = 'sent'").Scan(&rows))
		return rows == 8
	})
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.got) != 8 {
		t.Errorf("%d messages", len(p.got))
	}
}

// line opens an event's line, with an admission that is paused.
func (o *office) line(e ropeline.Event) (*queue.Line, *admission.Admission) {
	o.t.Helper()
	k, err := keyring.Load(o.t.Context(), o.pair.Pool)
	must(o.t, err)
	log := slog.New(slog.DiscardHandler)
	line := queue.New(o.redis, o.pair.Pool, k, log)
	adm := admission.New(o.redis, o.pair.Pool, k, line, log)
	must(o.t, pgx.BeginFunc(o.t.Context(), o.pair.Pool, func(tx pgx.Tx) error {
		if err := line.Open(o.t.Context(), tx, e.ID); err != nil {
			return err
		}
		rules := admission.DefaultRules()
		rules.RatePerMinute, rules.Paused = 60, true
		return adm.CreateRules(o.t.Context(), tx, e.ID, rules, "test")
	}))
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- line.Run(ctx) }()
	o.t.Cleanup(func() { stop(); <-done })
	return line, adm
}

// Who asked is told once when few are ahead, and not while many are.
func TestTurnsThatAreNearAreTold(t *testing.T) {
	o := newOffice(t, checkout.Options{})
	e := o.event(10)
	line, adm := o.line(e)
	log := slog.New(slog.DiscardHandler)
	p := &postman{}
	l := o.letters(p)
	l.Line, l.Admission, l.NearAhead, l.NearWait = line, adm, 2, time.Second
	w := New(o.Checkout, o.redis, o.pair.Pool, o.client, log, Options{Letters: l})
	var fans []ropeline.FanID
	for i := range 6 {
		fan := ropeline.NewID[ropeline.FanID]()
		place, err := line.Join(t.Context(), e.ID, fan, nil)
		must(t, err)
		a := notify.Alert{Event: e.ID, Fan: fan, Channel: notify.Email, To: fmt.Sprintf("fan%d@example.com", i)}
		if i%2 == 0 {
			a.Number, a.Epoch = &place.Number, place.Epoch
		}
		must(t, l.Notify.SetAlert(t.Context(), a))
		fans = append(fans, fan)
	}
	told := func(want int) {
		t.Helper()
		n, err := w.sweepTurns(t.Context())
		if must(t, err); n != want {
			t.Fatalf("%d told, want %d", n, want)
		}
	}
	told(3) // those with 0, 1 and 2 ahead
	told(0)
	must(t, line.Leave(t.Context(), e.ID, fans[0], "op"))
	must(t, line.Leave(t.Context(), e.ID, fans[4], "op2")) // has nothing to hear any more
	told(1)                                                // the fourth has two ahead now
	must(t, line.Leave(t.Context(), e.ID, fans[1], "op3"))
	told(1) // and now the last
	late := ropeline.NewID[ropeline.FanID]()
	must(t, l.Notify.SetAlert(t.Context(), notify.Alert{Event: e.ID, Fan: late, Channel: notify.Email, To: "late@example.com"}))
	_, err := o.pair.Pool.Exec(t.Context(), "update events set closes_at = now() where id = $1", e.ID)
	must(t, err)
	told(0) // it is over
	var waiting int
	must(t, o.pair.Pool.QueryRow(t.Context(), "select count(*) from turn_alerts where told_at is null").Scan(&waiting))
	if waiting != 0 {
		t.Errorf("%d wait for ever", waiting)
	}
}

// What waits is measured.
func TestBacklogIsMeasured(t *testing.T) {
	o := newOffice(t, checkout.Options{})
	p := &postman{}
	l := o.letters(p)
	o.work(Options{Letters: l, Sink: &sink{}})
	e := o.event(10)
	o.confirm(o.order(o.reserve(e, 5*time.Second)), "approve")
	within(t, 20*time.Second, "tickets sent", func() bool { return len(p.about("Your tickets for")) == 1 })
	w := New(o.Checkout, o.redis, o.pair.Pool, o.client, slog.New(slog.DiscardHandler), Options{Letters: l})
	registry := prometheus.NewRegistry()
	registry.MustRegister(w.Collectors()...)
	registry.MustRegister(l.Notify.Collectors()...)
	names := map[string]bool{}
	within(t, 20*time.Second, "the message counted", func() bool {
		families, err := registry.Gather()
		must(t, err)
		for _, f := range families {
			names[f.GetName()] = true
			for _, m := range f.GetMetric() {
				if f.GetName() == "ropeline_queue_processed_total" && len(m.GetLabel()) != 1 {
					t.Fatalf("asynq does not know what has failed: %v", m)
				}
			}
		}
		return names["ropeline_notifications_total"]
	})
	for _, name := range []string{"ropeline_queue_tasks", "ropeline_queue_oldest_seconds", "ropeline_queue_processed_total", "ropeline_owed", "ropeline_owed_oldest_seconds",
		"ropeline_refunds_failed", "ropeline_outbox_waiting", "ropeline_outbox_oldest_seconds", "ropeline_notifications", "ropeline_notifications_oldest_seconds", "ropeline_notifications_total"} {
		if !names[name] {
			t.Errorf("%s is not measured", name)
		}
	}
}
