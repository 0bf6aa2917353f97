package worker

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/ropeline/ropeline/checkout"
	"github.com/ropeline/ropeline/internal/outbox"
)

// sink is an EventSink that fails now and then.
type sink struct {
	mu    sync.Mutex
	got   []outbox.Event
	fails int
}

func (s *sink) Send(_ context.Context, events []outbox.Event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.got = append(s.got, events...)
	if s.fails--; s.fails >= 0 {
		return errors.New("taken, but the answer is lost")
	}
	return nil
}

// Domain events arrive at least once and in the order of what they tell.
func TestOutboxIsRelayedInOrder(t *testing.T) {
	o := newOffice(t, checkout.Options{})
	s := &sink{fails: 2}
	o.work(Options{Sink: s})
	o.work(Options{Sink: s})
	e := o.event(10)
	var orders []checkout.Order
	for range 5 {
		order := o.order(o.reserve(e, 5*time.Second))
		o.confirm(order, "approve")
		orders = append(orders, order)
	}
	within(t, 15*time.Second, "all told", func() bool {
		for _, order := range orders {
			if o.look(order).State != checkout.OrderPaid {
				return false
			}
		}
		var all bool
		must(t, o.pair.Pool.QueryRow(t.Context(), "select (select seq from outbox_cursors where consumer = 'stream') = (select last_value from outbox_seq)").Scan(&all))
		return all
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	seen := map[int64]bool{}
	kinds := map[string][]string{}
	var last int64
	for _, event := range s.got {
		if !seen[event.Seq] {
			if event.Previous != last || event.Seq <= last {
				t.Errorf("%d follows %d, and says %d", event.Seq, last, event.Previous)
			}
			last = event.Seq
			kinds[event.Subject] = append(kinds[event.Subject], string(event.Kind))
		}
		seen[event.Seq] = true
		if event.Event != e.ID || event.Version != 1 || len(event.Payload) == 0 || event.At.IsZero() {
			t.Errorf("%+v", event)
		}
	}
	for _, order := range orders {
		if got := kinds[string(order.ID)]; len(got) != 4 || got[0] != "OrderPlaced" || got[1] != "OrderAccepted" || got[2] != "OrderPaid" || got[3] != "TicketIssued" {
			t.Errorf("order: %v", got)
		}
	}
	var rows int
	must(t, o.pair.Pool.QueryRow(t.Context(), "select count(*) from outbox").Scan(&rows))
	if len(seen) != rows || len(s.got) == rows {
		t.Errorf("%d rows, %d told, %d with repeats", rows, len(seen), len(s.got))
	}
}

func TestRedisStream(t *testing.T) {
	o := newOffice(t, checkout.Options{})
	stream := NewRedisStream(o.redis)
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	must(t, stream.Send(t.Context(), []outbox.Event{
		{Seq: 7, Event: "e", Kind: "OrderPaid", Version: 1, Subject: "o", Payload: []byte(`{"a":1}`), At: at}, {Seq: 8, Event: "e", At: at},
	}))
	got, err := o.redis.Read.XRange(t.Context(), StreamKey, "-", "+").Result()
	must(t, err)
	if len(got) != 2 || got[0].Values["seq"] != "7" || got[0].Values["payload"] != `{"a":1}` || got[0].Values["at"] != "2026-01-02T03:04:05Z" || got[1].Values["seq"] != "8" {
		t.Errorf("%+v", got)
	}
}
