package checkout

import (
	"context"
	"testing"
	"time"

	"github.com/ropeline/ropeline"
)

// handOver serves an event until the test ends, and returns what its clerk
// hands over.
func handOver(t *testing.T, h *house, event ropeline.EventID) <-chan Taken {
	t.Helper()
	handed := make(chan Taken, 10)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for ctx.Err() == nil {
			if err := h.ServeAndTake(ctx, event, func(b Batch) {
				for _, each := range b.Taken {
					handed <- each
				}
			}, func() bool { return true }); err != nil && ctx.Err() == nil {
				t.Errorf("clerk: %v", err)
			}
		}
	}()
	t.Cleanup(func() { stop(); <-ended })
	return handed
}

// A capture that the clerk hands over is nobody else's, and leads to the ticket.
func TestClerkHandsCapturesOver(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Options{}, true)
	e := h.event(kind{2, 1, 1, 100})
	handed := handOver(t, h, e.ID)
	o := h.order(h.hold(e, fan(), 1))
	h.confirm(o, "approve")
	h.deliver(1)
	var its Taken
	select {
	case its = <-handed:
	case <-time.After(20 * time.Second):
		t.Fatal("nothing was handed over")
	}
	others, err := h.TakeUp(t.Context(), 10)
	must(t, err)
	if len(others) != 0 {
		t.Errorf("somebody else takes up %+v", others)
	}
	done, err := h.Perform(t.Context(), its)
	if err != nil || !done.Paid || done.Fan != o.Fan || done.Event != e.ID {
		t.Fatalf("%+v, %v", done, err)
	}
	if o = h.look(o); o.State != OrderPaid || len(o.Tickets) != 1 {
		t.Errorf("%+v", o)
	}
	h.audit(e)
}

// One that whoever got it does not perform, because it was killed, is taken up
// by somebody else when its grip ends; and one that comes late then harms nobody.
func TestHandedOverAndLost(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Options{Grip: 50 * time.Millisecond}, true)
	e := h.event(kind{2, 1, 1, 100})
	handed := handOver(t, h, e.ID)
	o := h.order(h.hold(e, fan(), 1))
	h.confirm(o, "approve")
	h.deliver(1)
	h.work("paid", func() bool { return h.state(o) == OrderPaid })
	done, err := h.Perform(t.Context(), <-handed)
	if err != nil || done.Paid {
		t.Errorf("performed twice: %+v, %v", done, err)
	}
	if o = h.look(o); len(o.Tickets) != 1 {
		t.Errorf("%d tickets", len(o.Tickets))
	}
	h.audit(e)
}

// One that fails is written as owed, and due again after a moment: nobody waits for
// the grip's end.
func TestHandedOverAndFailed(t *testing.T) {
	t.Parallel()
	for _, f := range []fault{unreached, unheard} {
		t.Run(string(f), func(t *testing.T) {
			s := &shaky{next: map[string]fault{}, calls: map[string]int{}}
			h := newHouse(t, Options{Grip: time.Hour}, true, s)
			s.Provider = h.sandbox
			e := h.event(kind{2, 1, 1, 100})
			handed := handOver(t, h, e.ID)
			o := h.order(h.hold(e, fan(), 1))
			h.confirm(o, "approve")
			h.deliver(1)
			s.fail("capture", f)
			if done, err := h.Perform(t.Context(), <-handed); err == nil || done.Paid {
				t.Fatalf("%+v, %v", done, err)
			}
			var again []Taken
			within(t, 20*time.Second, "due again", func() bool {
				var err error
				again, err = h.TakeUp(t.Context(), 10)
				must(t, err)
				return len(again) > 0
			})
			if done, err := h.Perform(t.Context(), again[0]); err != nil || !done.Paid || len(again) != 1 {
				t.Fatalf("%d taken up: %+v, %v", len(again), done, err)
			}
			if o = h.look(o); o.State != OrderPaid || len(o.Tickets) != 1 {
				t.Errorf("%+v", o)
			}
			h.audit(e)
		})
	}
}
