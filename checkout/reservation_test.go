package checkout

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ropeline/ropeline"
)

func TestReserveHoldsStock(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Options{}, false)
	e := h.event(kind{10, 4, 4, 2500})
	f := fan()
	r := h.hold(e, f, 3)
	if got := r.Total(); got != (ropeline.Money{Minor: 7500, Currency: "EUR"}) {
		t.Errorf("total %v", got)
	}
	if left := time.Until(r.Deadline); left < 9*time.Minute || left > 11*time.Minute {
		t.Errorf("deadline in %v", left)
	}
	again, err := h.Reservation(t.Context(), r.ID, f)
	must(t, err)
	if again.State != ReservationHeld || !again.Deadline.Equal(r.Deadline.Truncate(time.Microsecond)) || again.Total() != r.Total() {
		t.Errorf("read %+v, answered %+v", again, r)
	}
	_, err = h.Reservation(t.Context(), r.ID, fan())
	wantCode(t, err, ropeline.CodeReservationNotFound)
	stocks, err := h.StockNow(t.Context(), e.ID)
	must(t, err)
	if s := stocks.Types[e.TicketTypes[0].ID]; s != (Stock{10, 3, 0}) {
		t.Errorf("stock %+v", s)
	}
	h.audit(e)
}

func TestReserveRefusals(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Options{}, false)
	e := h.event(kind{5, 4, 4, 100})
	early := h.eventAt(time.Now().Add(time.Hour), time.Now().Add(2*time.Hour), kind{5, 4, 4, 100})
	closed := h.eventAt(time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour), kind{5, 4, 4, 100})
	other := h.event(kind{5, 4, 4, 100})
	mine := fan()
	h.hold(e, mine, 2)
	strange := ask(e, fan(), 1)
	strange.Items[0].TicketType = other.TicketTypes[0].ID

	for _, c := range []struct {
		name string
		q    Request
		code ropeline.Code
	}{
		{"more than an order may have", ask(e, fan(), 5), ropeline.CodeLimitExceeded},
		{"more than a fan may have", ask(e, mine, 3), ropeline.CodeLimitExceeded},
		{"more than there is", ask(e, fan(), 4), ropeline.CodeSoldOut},
		{"another event's kind", strange, ropeline.CodeUnknownTicketType},
		{"before the drop", ask(early, fan(), 1), ropeline.CodeNotOpen},
		{"after the close", ask(closed, fan(), 1), ropeline.CodeSaleClosed},
	} {
		r, err := h.Reserve(t.Context(), c.q, 5*time.Second)
		if err != nil || r.State != ReservationRejected || r.Reason != c.code || r.Message == "" {
			t.Errorf("%s: %v %+v", c.name, err, r)
			continue
		}
		read, err := h.Reservation(t.Context(), r.ID, c.q.Fan)
		if err != nil || read.Reason != c.code {
			t.Errorf("%s: the row says %v %+v", c.name, err, read)
		}
	}

	form := func(change func(*Request)) Request {
		q := ask(e, fan(), 1)
		change(&q)
		return q
	}
	for _, c := range []struct {
		name string
		q    Request
		code ropeline.Code
	}{
		{"none", ask(e, fan(), 0), ropeline.CodeInvalidQuantity},
		{"less than none", ask(e, fan(), -1), ropeline.CodeInvalidQuantity},
		{"a million", ask(e, fan(), 1_000_000), ropeline.CodeInvalidQuantity},
		{"no items", form(func(q *Request) { q.Items = nil }), ropeline.CodeInvalidQuantity},
		{"one kind twice", form(func(q *Request) { q.Items = append(q.Items, q.Items[0]) }), ropeline.CodeInvalidQuantity},
		{"too many kinds", form(func(q *Request) {
			for range 20 {
				q.Items = append(q.Items, ropeline.Item{TicketType: ropeline.NewID[ropeline.TicketTypeID](), Quantity: 1})
			}
		}), ropeline.CodeInvalidQuantity},
		{"a kind that is no id", form(func(q *Request) { q.Items[0].TicketType = "x\x00" }), ropeline.CodeInvalidID},
		{"no key", form(func(q *Request) { q.Key = "" }), ropeline.CodeInvalidKey},
		{"a key with a line break", form(func(q *Request) { q.Key = "a\n" }), ropeline.CodeInvalidKey},
		{"a long key", form(func(q *Request) { q.Key = strings.Repeat("k", 256) }), ropeline.CodeInvalidKey},
		{"a pass with a zero byte", form(func(q *Request) { q.PassID = "p\x00" }), ropeline.CodePassInvalid},
		{"an unknown event", form(func(q *Request) { q.Event = ropeline.NewID[ropeline.EventID]() }), ropeline.CodeEventNotFound},
	} {
		_, err := h.Reserve(t.Context(), c.q, time.Second)
		if ropeline.CodeOf(err) != c.code {
			t.Errorf("%s: %v, want %s", c.name, err, c.code)
		}
	}
	h.audit(e)
}

func TestSameKeyOneEffect(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Options{}, false)
	e := h.event(kind{100, 4, 100, 100})
	q := ask(e, fan(), 2)
	var all sync.WaitGroup
	var mu sync.Mutex
	ids := map[ropeline.ReservationID]int{}
	for range 32 {
		all.Go(func() {
			r, err := h.Reserve(t.Context(), q, 5*time.Second)
			if err != nil || r.State != ReservationHeld {
				t.Errorf("%v %+v", err, r)
			}
			mu.Lock()
			defer mu.Unlock()
			ids[r.ID]++
		})
	}
	all.Wait()
	if len(ids) != 1 {
		t.Fatalf("%d reservations from one key", len(ids))
	}
	for _, wait := range []time.Duration{0, time.Second} {
		again, err := h.Reserve(t.Context(), q, wait)
		if err != nil || again.State != ReservationHeld {
			t.Errorf("again with wait %v: %v %+v", wait, err, again)
		}
		other := q
		other.Items = []ropeline.Item{{TicketType: e.TicketTypes[0].ID, Quantity: 1}}
		_, err = h.Reserve(t.Context(), other, wait)
		wantCode(t, err, ropeline.CodeKeyReused)
	}
	if n := count(t, h.pair.Pool, "select held from stock where event_id = $1", e.ID); n != 2 {
		t.Errorf("held %d", n)
	}
	h.audit(e)
}

func TestSameKeyOtherBodyWhileQueued(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Options{}, true)
	e := h.event(kind{100, 4, 100, 100})
	q := ask(e, fan(), 2)
	r, err := h.Reserve(t.Context(), q, 0)
	if err != nil || r.State != ReservationQueued {
		t.Fatalf("%v %+v", err, r)
	}
	if got := h.reservationState(r); got != ReservationQueued {
		t.Errorf("read as %s", got)
	}
	_, err = h.Reservation(t.Context(), r.ID, fan())
	wantCode(t, err, ropeline.CodeReservationNotFound)
	q.Items[0].Quantity = 3
	_, err = h.Reserve(t.Context(), q, 0)
	wantCode(t, err, ropeline.CodeKeyReused)
	must(t, h.Serve(t.Context(), e.ID, nil))
	if got := h.reservationState(r); got != ReservationHeld {
		t.Errorf("decided as %s", got)
	}
}

func TestReleaseGivesStockBack(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Options{}, false)
	e := h.event(kind{2, 2, 2, 100})
	f := fan()
	r := h.hold(e, f, 2)
	wantCode(t, h.giveUp(t.Context(), r.ID, fan(), time.Second), ropeline.CodeReservationNotFound)
	must(t, h.giveUp(t.Context(), r.ID, f, 5*time.Second))
	must(t, h.giveUp(t.Context(), r.ID, f, 5*time.Second)) // twice is once
	if got := h.reservationState(r); got != ReservationReleased {
		t.Fatalf("state %s", got)
	}
	h.hold(e, f, 2) // neither the stock nor the fan's limit remembers it
	h.audit(e)
}

// A release that follows its reservation in the same batch finds it.
func TestReleaseWhileQueued(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Options{}, true)
	e := h.event(kind{2, 2, 2, 100})
	r, err := h.Reserve(t.Context(), ask(e, fan(), 1), 0)
	must(t, err)
	still, err := h.Release(t.Context(), r.ID, r.Fan, 0)
	must(t, err)
	if still.State.Ended() {
		t.Errorf("it is %s before the clerk comes", still.State)
	}
	must(t, h.Serve(t.Context(), e.ID, nil))
	if got := h.reservationState(r); got != ReservationReleased {
		t.Fatalf("state %s", got)
	}
	h.audit(e)
}

func TestReleaseAfterPaymentIsRefused(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Options{}, false)
	e := h.event(kind{2, 2, 2, 100})
	o := h.order(h.hold(e, fan(), 1))
	h.confirm(o, "approve")
	h.deliver(1)
	h.work("paid", func() bool { return h.state(o) == OrderPaid })
	wantCode(t, h.giveUp(t.Context(), o.Reservation, o.Fan, time.Second), ropeline.CodeReservationEnded)
	h.audit(e)
}

func TestFullMailboxSaysSo(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Options{MailboxLimit: 3}, true)
	e := h.event(kind{10, 4, 4, 100})
	for range 3 {
		_, err := h.Reserve(t.Context(), ask(e, fan(), 1), 0)
		must(t, err)
	}
	_, err := h.Reserve(t.Context(), ask(e, fan(), 1), 0)
	wantCode(t, err, ropeline.CodeUnavailable)
}

// Three hundred fans want a hundred tickets at once.
func TestDropSellsExactlyTheCapacity(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Options{}, false)
	e := h.event(kind{100, 2, 2, 100})
	var all sync.WaitGroup
	var mu sync.Mutex
	states := map[ReservationState]int{}
	for range 300 {
		all.Go(func() {
			r, err := h.Reserve(t.Context(), ask(e, fan(), 1), 10*time.Second)
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			states[r.State]++
		})
	}
	all.Wait()
	if states[ReservationHeld] != 100 || states[ReservationRejected] != 200 {
		t.Errorf("%v", states)
	}
	h.audit(e)
}
