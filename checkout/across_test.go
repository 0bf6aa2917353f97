package checkout

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/ropeline/ropeline"
)

func (h *house) confirmWith(o Order, card string) {
	h.t.Helper()
	_, err := h.sandbox.ConfirmCard(h.t.Context(), o.Payment.Ref, o.Payment.ClientSecret, "approve", card)
	must(h.t, err)
}

func (h *house) limitAcross(e ropeline.Event, a ropeline.Across) {
	h.t.Helper()
	_, err := h.pair.Pool.Exec(h.t.Context(), "update events set limit_across = $2 where id = $1", e.ID, a)
	must(h.t, err)
}

// Several identities with one address, in different spellings: the limit is theirs together.
func TestLimitAcrossAnAddress(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Options{}, false)
	e := h.event(kind{50, 2, 2, 100})
	h.limitAcross(e, ropeline.AcrossAddress)
	place := func(address string) (Order, error) {
		r := h.hold(e, fan(), 1)
		return h.PlaceOrder(t.Context(), r.Fan, r.ID, address, newKey())
	}
	var placed, refused atomic.Int64
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			_, err := place(fmt.Sprintf("A.nn+%d@gmail.com", i))
			switch {
			case err == nil:
				placed.Add(1)
			case ropeline.CodeOf(err) == ropeline.CodeLimitExceeded:
				refused.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	all.Wait()
	if placed.Load() != 2 || refused.Load() != 6 {
		t.Errorf("%d placed, %d refused", placed.Load(), refused.Load())
	}
	if _, err := place("bob@gmail.com"); err != nil {
		t.Error(err)
	}
	h.limitAcross(e, ropeline.AcrossNone)
	if _, err := place("ann@gmail.com"); err != nil {
		t.Error(err)
	}
	h.audit(e)
}

// A card is known when it is authorized: over the limit the money is let go,
// the hold given back, and the fan told why.
func TestLimitAcrossACard(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Options{}, false)
	e := h.event(kind{50, 2, 2, 100})
	h.limitAcross(e, ropeline.AcrossCard)
	var orders []Order
	for range 3 {
		o := h.order(h.hold(e, fan(), 1))
		orders = append(orders, o)
		h.confirmWith(o, "5555555555554444")
	}
	other := h.order(h.hold(e, fan(), 2))
	h.confirmWith(other, "378282246310005")
	paid, canceled := 0, 0
	h.work("all are at their end", func() bool {
		h.deliver(1)
		paid, canceled = 0, 0
		for _, o := range orders {
			switch now := h.look(o); now.State {
			case OrderPaid:
				paid++
			case OrderCanceled:
				if now.Reason != ropeline.CodeLimitExceeded || now.Message == "" {
					t.Fatalf("not told why: %+v", now)
				}
				if now.Payment.State == PaymentCanceled {
					canceled++
				}
			}
		}
		return paid+canceled == 3 && h.state(other) == OrderPaid
	})
	if paid != 2 || canceled != 1 || h.stock(e, 0).Sold != 4 || h.stock(e, 0).Held != 0 {
		t.Errorf("%d paid, %d canceled, %+v", paid, canceled, h.stock(e, 0))
	}
	h.audit(e)
}
