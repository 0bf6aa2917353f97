package worker

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/checkout"
	"github.com/ropeline/ropeline/notify"
)

// The whole way with every misbehaviour of the gateway, over two workers.
func TestEveryOutcomeComesToItsEnd(t *testing.T) {
	o := newOffice(t, checkout.Options{Hold: 4 * time.Second})
	var h heard
	o.work(h.options())
	o.work(h.options2())
	e := o.event(50)
	var all sync.WaitGroup
	for _, c := range []struct {
		outcome string
		end     checkout.OrderState
	}{
		{"approve", checkout.OrderPaid}, {"delay:1s", checkout.OrderPaid}, {"duplicate", checkout.OrderPaid}, {"reorder", checkout.OrderPaid},
		{"late:6s", checkout.OrderPaid}, {"decline", checkout.OrderExpired}, {"three_d_secure", checkout.OrderExpired},
		{"capture_fails", checkout.OrderCanceled}, {"", checkout.OrderExpired},
	} {
		all.Go(func() {
			r := o.reserve(e, 5*time.Second)
			if r.State != checkout.ReservationHeld {
				t.Errorf("%s: %+v", c.outcome, r)
				return
			}
			order := o.order(r)
			if c.outcome != "" {
				o.confirm(order, c.outcome)
			}
			within(t, 20*time.Second, c.outcome, func() bool { return o.look(order).State == c.end })
			if paid := c.end == checkout.OrderPaid; paid {
				within(t, 2*time.Second, "admission is told that the fan is done", h.is(func() bool { return h.done[r.Fan] }))
			}
		})
	}
	all.Wait()
	within(t, 5*time.Second, "admission knows what is left", h.is(func() bool { return h.left[e.ID] == 45 }))
	o.audit(e)
}

// options2 hears the same for a second worker.
func (h *heard) options2() Options {
	left, version, holding, done := h.left, h.version, h.holding, h.done
	options := h.options()
	h.left, h.version, h.holding, h.done = left, version, holding, done
	return options
}

// Holds end within five seconds of their deadline, without anybody asking.
func TestHoldsEndInTime(t *testing.T) {
	o := newOffice(t, checkout.Options{Hold: 500 * time.Millisecond})
	var h heard
	o.work(h.options())
	e := o.event(3)
	var all []checkout.Reservation
	for range 3 {
		all = append(all, o.reserve(e, 5*time.Second))
	}
	within(t, 2*time.Second, "all are held", h.is(func() bool { return len(h.holding) == 3 }))
	within(t, 5500*time.Millisecond, "the holds end", func() bool {
		for _, r := range all {
			now, err := o.Reservation(t.Context(), r.ID, r.Fan)
			must(t, err)
			if now.State != checkout.ReservationExpired {
				return false
			}
		}
		return true
	})
	within(t, 3*time.Second, "admission knows", h.is(func() bool { return h.left[e.ID] == 3 && len(h.holding) == 0 }))
	o.audit(e)
}

// A worker is killed while it serves: its lease stays behind, nobody renews
// it, and there is no other push. The sweep finds the mailbox.
func TestKilledWorkerIsReplaced(t *testing.T) {
	o := newOffice(t, checkout.Options{})
	e := o.event(3)
	must(t, o.redis.Write.Set(t.Context(), "{e:"+string(e.ID)+"}:mailbox:lease", "the killed one's", 3*time.Second).Err())
	begin := time.Now()
	r := o.reserve(e, 0)
	o.work(Options{})
	within(t, 5*time.Second-time.Since(begin), "served again", func() bool {
		now, err := o.Reservation(t.Context(), r.ID, r.Fan)
		must(t, err)
		return now.State == checkout.ReservationHeld
	})
	if since := time.Since(begin); since < 2*time.Second {
		t.Errorf("served after %v, although the lease was another's", since)
	}
	o.audit(e)
}

// A wake-up that asynq never got is made good by the sweep, without another push.
func TestLostWakeUp(t *testing.T) {
	var o *office
	var lost atomic.Int64
	o = newOffice(t, checkout.Options{Wake: func(ctx context.Context, event ropeline.EventID, generation int64) error {
		if lost.Add(1) == 1 {
			return errors.New("lost")
		}
		return o.client.Wake(ctx, event, generation)
	}})
	e := o.event(3)
	r := o.reserve(e, 0)
	if lost.Load() != 1 {
		t.Fatalf("%d wake-ups", lost.Load())
	}
	o.work(Options{})
	within(t, 5*time.Second, "served all the same", func() bool {
		now, err := o.Reservation(t.Context(), r.ID, r.Fan)
		must(t, err)
		return now.State == checkout.ReservationHeld
	})
}

// Stopping ends the clerk in order: what was taken in is decided, the lease is
// given back, and another worker goes on at once.
func TestStopHandsOver(t *testing.T) {
	o := newOffice(t, checkout.Options{})
	e := o.event(1000)
	stop := o.work(Options{})
	o.reserve(e, 5*time.Second)
	o.work(Options{})
	var all sync.WaitGroup
	var slowest atomic.Int64
	for range 40 {
		all.Go(func() {
			for range 10 {
				begin := time.Now()
				if r := o.reserve(e, 5*time.Second); r.State != checkout.ReservationHeld {
					t.Errorf("%+v", r)
				}
				for took := time.Since(begin).Milliseconds(); took > slowest.Load(); {
					slowest.Store(took)
				}
			}
		})
	}
	stop()
	all.Wait()
	if slowest.Load() > 2500 {
		t.Errorf("a reservation took %d ms: that is a lease that ran out", slowest.Load())
	}
	o.audit(e)
}

// slowPostman is a postman who is on the way until it may arrive.
type slowPostman struct {
	postman
	left, arrive chan struct{}
}

func (p *slowPostman) Send(ctx context.Context, m notify.Message) error {
	p.left <- struct{}{}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-p.arrive:
	}
	return p.postman.Send(ctx, m)
}

// Stopping finishes the message in hand: it is handed over, written down, and
// its task is done.
func TestStopFinishesMessages(t *testing.T) {
	o := newOffice(t, checkout.Options{})
	p := &slowPostman{left: make(chan struct{}), arrive: make(chan struct{})}
	l := o.letters(&p.postman)
	l.Notify = notify.New(o.pair.Pool, slog.New(slog.DiscardHandler), notify.Options{
		Senders: map[notify.Channel]notify.Sender{notify.Email: p}, Facts: func(context.Context, notify.Notice) (notify.Facts, error) { return notify.Facts{}, nil },
	})
	stop := o.work(Options{Letters: l})
	_, err := l.Notify.Post(t.Context(), nil, notify.Notice{Dedupe: "a", Kind: notify.Reset, Channel: notify.Email, To: "fan@example.com", Subject: "account"})
	must(t, err)
	<-p.left
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		stop()
	}()
	select {
	case <-stopped:
		t.Error("nobody waits for the message")
	case <-time.After(time.Second):
	}
	close(p.arrive)
	<-stopped
	sent, err := l.Notify.List(t.Context(), notify.StateSent, 10)
	must(t, err)
	if len(sent) != 1 || sent[0].Attempts != 1 || len(p.about("")) != 1 {
		t.Errorf("%+v", sent)
	}
	info, err := o.client.Inspector().GetQueueInfo(queueLetters)
	must(t, err)
	if info.Archived != 0 || info.Active != 0 || info.Pending != 0 {
		t.Errorf("%+v", info)
	}
}

// A webhook that is refused comes again.
func TestWebhookIsRepeated(t *testing.T) {
	o := newOffice(t, checkout.Options{})
	o.work(Options{})
	within(t, 15*time.Second, "the worker's first looks into the gateway's books, which would find what a webhook did not tell", func() (over bool) {
		must(t, o.pair.Pool.QueryRow(t.Context(), "select count(*) = 2 from reconciliations where finished_at is not null").Scan(&over))
		return over
	})
	e := o.event(1)
	o.refuse.Store(2)
	order := o.order(o.reserve(e, 5*time.Second))
	o.confirm(order, "approve")
	within(t, 15*time.Second, "paid", func() bool { return o.look(order).State == checkout.OrderPaid })
	if o.refuse.Load() >= 0 {
		t.Error("no webhook was refused")
	}
	o.audit(e)
}
