package checkout

import (
	"sync"
	"testing"
	"time"

	"github.com/ropeline/ropeline"
)

func (h *house) stock(e ropeline.Event, i int) Stock {
	h.t.Helper()
	now, err := h.StockNow(h.t.Context(), e.ID)
	must(h.t, err)
	return now.Types[e.TicketTypes[i].ID]
}

func items(e ropeline.Event, quantities ...int) (all []ropeline.Item) {
	for i, n := range quantities {
		if n > 0 {
			all = append(all, ropeline.Item{TicketType: e.TicketTypes[i].ID, Quantity: n})
		}
	}
	return all
}

func TestChangeReservation(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Options{}, false)
	e := h.event(kind{4, 3, 3, 100}, kind{2, 2, 2, 200})
	r := h.hold(e, fan(), 2)
	change := func(key string, quantities ...int) (Reservation, error) {
		return h.Change(t.Context(), r.ID, r.Fan, items(e, quantities...), key, 5*time.Second)
	}
	now, err := change("a", 1, 2)
	must(t, err)
	if now.State != ReservationHeld || !now.Deadline.Equal(r.Deadline) || now.Total().Minor != 500 {
		t.Errorf("%+v", now)
	}
	if h.stock(e, 0).Held != 1 || h.stock(e, 1).Held != 2 {
		t.Errorf("stock %+v %+v", h.stock(e, 0), h.stock(e, 1))
	}
	// Refused: all of it, and the old hold stays.
	h.hold(e, fan(), 3)
	for _, c := range []struct {
		quantities []int
		code       ropeline.Code
	}{{[]int{2, 1}, ropeline.CodeSoldOut}, {[]int{4}, ropeline.CodeLimitExceeded}, {[]int{1, 3}, ropeline.CodeLimitExceeded}} {
		_, err = change(newKey(), c.quantities...)
		wantCode(t, err, c.code)
	}
	if h.stock(e, 0).Held != 4 || h.stock(e, 1).Held != 2 {
		t.Errorf("a refused change moved stock: %+v %+v", h.stock(e, 0), h.stock(e, 1))
	}
	// A key has one effect, also after another change; with another body it is refused.
	_, err = change("b", 1)
	must(t, err)
	if now, err = change("a", 1, 2); err != nil || len(now.Items) != 1 {
		t.Errorf("an old key had a second effect: %+v %v", now, err)
	}
	_, err = change("b", 0, 1)
	wantCode(t, err, ropeline.CodeKeyReused)
	_, err = h.Change(t.Context(), r.ID, fan(), items(e, 1), "c", time.Second)
	wantCode(t, err, ropeline.CodeReservationNotFound)
	// What is ordered has its price.
	h.order(r)
	_, err = change(newKey(), 0, 1)
	wantCode(t, err, ropeline.CodeOrderExists)
	must(t, h.giveUp(t.Context(), r.ID, r.Fan, 5*time.Second))
	_, err = change(newKey(), 0, 1)
	wantCode(t, err, ropeline.CodeReservationEnded)
	h.audit(e)
}

// An order and a change at the same moment: the order's price is what is held.
func TestChangeAgainstOrder(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Options{}, false)
	e := h.event(kind{100, 3, 3, 100})
	for range 15 {
		r := h.hold(e, fan(), 1)
		var both sync.WaitGroup
		both.Go(func() {
			if _, err := h.Change(t.Context(), r.ID, r.Fan, items(e, 3), newKey(), 5*time.Second); err != nil && ropeline.CodeOf(err) != ropeline.CodeOrderExists {
				t.Error(err)
			}
		})
		var o Order
		both.Go(func() { o = h.order(r) })
		both.Wait()
		if now := h.look(o); now.Total.Minor != int64(now.Items[0].Quantity)*100 {
			t.Errorf("%d tickets for %s", now.Items[0].Quantity, now.Total)
		}
	}
	h.audit(e)
}

func TestSetCapacity(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Options{}, false)
	e := h.event(kind{2, 2, 2, 0}, kind{1, 1, 1, 0})
	first := e.TicketTypes[0].ID
	set := func(capacity int, key string) (Stock, error) {
		return h.SetCapacity(t.Context(), e.ID, first, capacity, "ann@example.com", key, 5*time.Second)
	}
	h.hold(e, fan(), 2)
	r, err := h.Reserve(t.Context(), ask(e, fan(), 1), 5*time.Second)
	if err != nil || r.Reason != ropeline.CodeSoldOut {
		t.Fatalf("%+v %v", r, err)
	}
	if s, err := set(3, "up"); err != nil || s.Capacity != 3 {
		t.Fatalf("%+v %v", s, err)
	}
	h.hold(e, fan(), 1)
	_, err = set(2, "down")
	wantCode(t, err, ropeline.CodeCapacityTooLow)
	if s, err := set(10, "more"); err != nil || s.Capacity != 10 {
		t.Fatalf("%+v %v", s, err)
	}
	if s, err := set(3, "up"); err != nil || s.Capacity != 10 {
		t.Errorf("an old key had a second effect: %+v %v", s, err)
	}
	_, err = set(4, "up")
	wantCode(t, err, ropeline.CodeKeyReused)
	_, err = h.SetCapacity(t.Context(), e.ID, ropeline.NewID[ropeline.TicketTypeID](), 1, "ann", "x", 5*time.Second)
	wantCode(t, err, ropeline.CodeUnknownTicketType)
	history, err := h.CapacityHistory(t.Context(), e.ID)
	if err != nil || len(history) != 3 || history[0].Wanted != 10 || history[0].Before != 3 || history[0].By != "ann@example.com" || history[1].Reason != ropeline.CodeCapacityTooLow {
		t.Errorf("%+v %v", history, err)
	}
	h.audit(e)
}

// Capacity goes up and down while fans reserve: never more is held than there is.
func TestCapacityWhileSelling(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Options{}, false)
	e := h.event(kind{20, 1, 1, 0})
	var all sync.WaitGroup
	for range 60 {
		all.Go(func() {
			if _, err := h.Reserve(t.Context(), ask(e, fan(), 1), 10*time.Second); err != nil {
				t.Error(err)
			}
		})
	}
	for i := range 10 {
		all.Go(func() {
			_, err := h.SetCapacity(t.Context(), e.ID, e.TicketTypes[0].ID, 10+3*i, "ann", newKey(), 10*time.Second)
			if err != nil && ropeline.CodeOf(err) != ropeline.CodeCapacityTooLow {
				t.Error(err)
			}
		})
	}
	all.Wait()
	h.audit(e)
}

// The clerk that died after its commit: the next one answers, and changes nothing.
func TestChangeIsDecidedOnce(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Options{}, true)
	e := h.event(kind{9, 3, 3, 0})
	l := letter{Kind: letterCapacity, Type: e.TicketTypes[0].ID, Capacity: 5, By: "ann", Op: decisionName("x")}
	for range 2 {
		h.lay(e, l.id(), l.body())
		must(t, h.Serve(t.Context(), e.ID, nil))
	}
	if n := count(t, h.pair.Pool, "select count(*) from stock_ledger where kind = 'capacity'"); n != 2 {
		t.Errorf("%d changes of the capacity", n)
	}
	h.audit(e)
}

func TestSaleWindowOfAType(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Options{}, false)
	e := h.event(kind{5, 5, 5, 0}, kind{5, 5, 5, 0}, kind{5, 5, 5, 0})
	_, err := h.pair.Pool.Exec(t.Context(), "update ticket_types set sale_from = now() + interval '1 hour' where id = $1", e.TicketTypes[0].ID)
	must(t, err)
	for i, code := range []ropeline.Code{ropeline.CodeNotOpen, "", ""} {
		q := ask(e, fan(), 1)
		q.Items[0].TicketType = e.TicketTypes[i].ID
		r, err := h.Reserve(t.Context(), q, 5*time.Second)
		if err != nil || r.Reason != code {
			t.Errorf("%d: %+v %v", i, r, err)
		}
		if i == 2 {
			_, err = h.pair.Pool.Exec(t.Context(), "update ticket_types set sale_until = now() where id = $1", q.Items[0].TicketType)
			must(t, err)
			_, err = h.Change(t.Context(), r.ID, r.Fan, items(e, 0, 0, 2), newKey(), 5*time.Second)
			wantCode(t, err, ropeline.CodeSaleClosed)
			_, err = h.Change(t.Context(), r.ID, r.Fan, items(e, 0, 1, 1), newKey(), 5*time.Second)
			must(t, err)
		}
	}
	h.audit(e)
}
