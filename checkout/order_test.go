package checkout

import (
	"context"
	cryptorand "crypto/rand"
	"sync"
	"testing"
	"time"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/checkout/payment"
)

func TestOrderIsPaidAndHasTickets(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Options{}, false)
	e := h.event(kind{10, 4, 4, 2500}, kind{10, 4, 4, 1000})
	f := fan()
	q := ask(e, f, 2)
	q.Items = append(q.Items, ropeline.Item{TicketType: e.TicketTypes[1].ID, Quantity: 1})
	r, err := h.Reserve(t.Context(), q, 5*time.Second)
	must(t, err)
	o := h.order(r)
	if o.State != OrderPending || o.Total.Minor != 6000 || o.Payment.State != PaymentPending || o.Payment.ClientSecret == "" || o.Payment.Provider != "sandbox" {
		t.Fatalf("placed: %+v", o)
	}
	h.confirm(o, "approve")
	if n := h.deliver(1); n != 1 {
		t.Fatalf("%d webhooks", n)
	}
	h.work("paid", func() bool { return h.state(o) == OrderPaid })
	o = h.look(o)
	if len(o.Tickets) != 3 || o.Payment.State != PaymentConfirmed {
		t.Fatalf("paid: %+v", o)
	}
	codes := map[string]bool{}
	for _, ticket := range o.Tickets {
		facts, err := ParseCode(h.keys, ticket.Code)
		if err != nil || facts != (TicketFacts{e.ID, ticket.ID, 1}) || ticket.State != TicketIssued || ticket.Name != "stalls" {
			t.Errorf("%v: %+v from %+v", err, facts, ticket)
		}
		codes[ticket.Code] = true
		one, err := h.Ticket(t.Context(), ticket.ID, f)
		if err != nil || one.Code != ticket.Code {
			t.Errorf("read alone: %v %+v", err, one)
		}
		_, err = h.Ticket(t.Context(), ticket.ID, fan())
		wantCode(t, err, ropeline.CodeTicketNotFound)
	}
	mine, err := h.Tickets(t.Context(), f)
	if err != nil || len(mine) != 3 || len(codes) != 3 {
		t.Errorf("%v: %d tickets, %d codes", err, len(mine), len(codes))
	}
	_, err = h.Order(t.Context(), o.ID, fan())
	wantCode(t, err, ropeline.CodeOrderNotFound)
	totals, err := h.Totals(t.Context(), e.ID)
	if err != nil || totals.Tickets != 3 || totals.Orders[OrderPaid] != 1 || len(totals.Revenue) != 1 || totals.Revenue[0].Minor != 6000 || totals.Reservations[ReservationConverted] != 1 {
		t.Errorf("%v %+v", err, totals)
	}
	var card, level string
	var score int
	must(t, h.pair.Pool.QueryRow(t.Context(), "select card_brand || ' ' || card_last4 || ' ' || card_country || ' ' || card_fingerprint, risk_score, risk_level from payments where order_id = $1", o.ID).
		Scan(&card, &score, &level))
	if card != "visa 4242 US sbf_52732deed8f96f62" || score != 10 || level != "normal" {
		t.Errorf("the card is kept as %s, its risk as %d %s", card, score, level)
	}
	// The gateway tells that it was captured; that is no news.
	h.deliver(2)
	if h.state(o) != OrderPaid {
		t.Error("changed by old news")
	}
	h.audit(e)
}

func TestFreeOrderNeedsNoGateway(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Options{}, false)
	e := h.event(kind{10, 4, 4, 0})
	o := h.order(h.hold(e, fan(), 2))
	h.work("paid", func() bool { return h.state(o) == OrderPaid })
	if o = h.look(o); len(o.Tickets) != 2 || o.Payment.Provider != NoProvider || o.Payment.State != PaymentConfirmed {
		t.Errorf("%+v", o)
	}
	if n := count(t, h.pair.Pool, "select count(*) from sandbox_intents"); n != 0 {
		t.Errorf("%d intents", n)
	}
	h.audit(e)
}

func TestPlaceOrderOnce(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Options{}, false)
	e := h.event(kind{10, 4, 4, 100})
	f := fan()
	r := h.hold(e, f, 1)
	key := newKey()
	var all sync.WaitGroup
	var mu sync.Mutex
	orders := map[ropeline.OrderID]bool{}
	for range 16 {
		all.Go(func() {
			o, err := h.PlaceOrder(t.Context(), f, r.ID, "a@example.com", key)
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			orders[o.ID] = true
		})
	}
	all.Wait()
	if len(orders) != 1 {
		t.Fatalf("%d orders", len(orders))
	}
	if n := count(t, h.pair.Pool, "select count(*) from sandbox_intents"); n != 1 {
		t.Errorf("%d intents", n)
	}
	_, err := h.PlaceOrder(t.Context(), f, r.ID, "b@example.com", key)
	wantCode(t, err, ropeline.CodeKeyReused)
	_, err = h.PlaceOrder(t.Context(), f, h.hold(e, f, 1).ID, "a@example.com", key)
	wantCode(t, err, ropeline.CodeKeyReused)
	_, err = h.PlaceOrder(t.Context(), f, r.ID, "a@example.com", newKey())
	wantCode(t, err, ropeline.CodeOrderExists)
	_, err = h.PlaceOrder(t.Context(), fan(), r.ID, "a@example.com", newKey())
	wantCode(t, err, ropeline.CodeReservationNotFound)
	_, err = h.PlaceOrder(t.Context(), f, ropeline.NewReservationID(e.ID, [16]byte{}), "a@example.com", newKey())
	wantCode(t, err, ropeline.CodeReservationNotFound)
	_, err = h.PlaceOrder(t.Context(), f, r.ID, "nobody", newKey())
	wantCode(t, err, ropeline.CodeInvalidEmail)
	_, err = h.PlaceOrder(t.Context(), f, r.ID, "a@example.com", "")
	wantCode(t, err, ropeline.CodeInvalidKey)
	h.audit(e)
}

// newKey is an Idempotency-Key that nobody has used.
func newKey() string { return cryptorand.Text() }

func TestOrderOfAnEndedReservation(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Options{Hold: 50 * time.Millisecond}, false)
	e := h.event(kind{10, 4, 4, 100})
	r := h.hold(e, fan(), 1)
	eventually(t, "deadline", func() bool { return time.Now().After(r.Deadline) })
	_, err := h.PlaceOrder(t.Context(), r.Fan, r.ID, "a@example.com", newKey())
	wantCode(t, err, ropeline.CodeReservationExpired) // even before the clerk has ended it
	h.work("expired", func() bool { return h.reservationState(r) == ReservationExpired })
	_, err = h.PlaceOrder(t.Context(), r.Fan, r.ID, "a@example.com", newKey())
	wantCode(t, err, ropeline.CodeReservationExpired)
	h.audit(e)
}

// An order is being placed while the clerk ends its hold: whoever comes first,
// no order is left pending without a hold.
func TestOrderAgainstExpiry(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Options{Hold: 2 * time.Second}, true)
	e := h.event(kind{10, 4, 4, 100})
	q := ask(e, fan(), 1)
	r, err := h.Reserve(t.Context(), q, 0)
	must(t, err)
	must(t, h.Serve(t.Context(), e.ID, nil))
	tx, err := h.pair.Pool.Begin(t.Context())
	must(t, err)
	defer tx.Rollback(context.Background())
	placed, err := h.place(t.Context(), tx, Placing{Fan: r.Fan, Reservation: r.ID, Email: "a@example.com", Key: newKey()})
	must(t, err)
	eventually(t, "due", func() bool { due, err := h.DueEvents(t.Context()); must(t, err); return len(due) == 1 })
	must(t, h.Nudge(t.Context(), e.ID))
	served := make(chan error, 1)
	go func() { served <- h.Serve(h.ctx, e.ID, nil) }()
	eventually(t, "the clerk waits for the order, or is done", func() bool {
		return len(served) == 1 || h.lengthOf(e) == 0 ||
			count(t, h.pair.Pool, "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'") > 0
	})
	must(t, tx.Commit(t.Context()))
	must(t, <-served)
	o, err := h.Order(t.Context(), placed.order, r.Fan)
	if err != nil || o.State != OrderExpired {
		t.Errorf("%v: the order is %s", err, o.State)
	}
	h.audit(e)
}

func TestHoldEndsInTimeWithItsOrder(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Options{Hold: 300 * time.Millisecond}, false)
	e := h.event(kind{1, 1, 1, 100})
	o := h.order(h.hold(e, fan(), 1))
	h.work("expired", func() bool { return h.state(o) == OrderExpired })
	if late := time.Since(o.Deadline); late > 5*time.Second {
		t.Errorf("ended %v after the deadline", late)
	}
	h.hold(e, fan(), 1)
	h.audit(e)
}

// Money that comes after the hold has ended buys the ticket if one is left…
func TestLatePaymentWithStock(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Options{Hold: 200 * time.Millisecond}, false)
	e := h.event(kind{1, 1, 1, 100})
	o := h.order(h.hold(e, fan(), 1))
	h.confirm(o, "late:400ms")
	h.work("expired", func() bool { return h.state(o) == OrderExpired })
	h.work("paid", func() bool { h.deliver(1); return h.state(o) == OrderPaid })
	if n := len(h.look(o).Tickets); n != 1 {
		t.Errorf("%d tickets", n)
	}
	h.audit(e)
}

// …and goes back if none is.
func TestLatePaymentWithoutStock(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Options{Hold: 200 * time.Millisecond}, false)
	e := h.event(kind{1, 1, 1, 100})
	o := h.order(h.hold(e, fan(), 1))
	h.confirm(o, "late:400ms")
	h.work("expired", func() bool { return h.state(o) == OrderExpired })
	quick := h.order(h.hold(e, fan(), 1))
	h.confirm(quick, "approve")
	h.work("voided", func() bool { h.deliver(1); return h.look(o).Payment.State == PaymentCanceled })
	h.work("the other is paid", func() bool { h.deliver(1); return h.state(quick) == OrderPaid })
	if h.state(o) != OrderExpired {
		t.Errorf("the order is %s", h.state(o))
	}
	object, err := h.sandbox.Get(t.Context(), o.Payment.Ref)
	if err != nil || object.Status != payment.StatusCanceled {
		t.Errorf("at the gateway: %v %+v", err, object)
	}
	h.audit(e)
}

// keep gives a hold all the time that a slow machine may need.
func (h *house) keep(r Reservation) Reservation {
	h.t.Helper()
	_, err := h.pair.Pool.Exec(h.t.Context(), "update reservations set deadline = deadline + interval '1 minute' where id = $1 and state = 'held'", r.ID)
	must(h.t, err)
	return r
}

// A late payment does not lift a fan over the limit.
func TestLatePaymentOverTheLimit(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Options{Hold: 200 * time.Millisecond}, false)
	e := h.event(kind{10, 1, 1, 100})
	o := h.order(h.hold(e, fan(), 1))
	h.confirm(o, "late:400ms")
	h.work("expired", func() bool { return h.state(o) == OrderExpired })
	second := h.order(h.keep(h.hold(e, o.Fan, 1)))
	h.confirm(second, "approve")
	h.work("paid", func() bool { h.deliver(1); return h.state(second) == OrderPaid })
	h.work("voided", func() bool { h.deliver(1); return h.look(o).Payment.State == PaymentCanceled })
	h.audit(e)
}

// Money captured behind our back for an order without stock is refunded.
func TestCapturedWithoutStockIsRefunded(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Options{Hold: 200 * time.Millisecond}, false)
	e := h.event(kind{1, 1, 1, 100})
	o := h.order(h.hold(e, fan(), 1))
	h.work("expired", func() bool { return h.state(o) == OrderExpired })
	h.keep(h.hold(e, fan(), 1))
	h.confirm(o, "approve")
	_, err := h.sandbox.Capture(t.Context(), o.Payment.Ref, "somebody else")
	must(t, err)
	refunded := func() bool {
		h.deliver(1)
		return count(t, h.pair.Pool, "select count(*) from refunds where payment_id = $1 and state = 'done'", o.Payment.ID) == 1
	}
	h.work("refunded", refunded)
	if n := count(t, h.pair.Pool, "select refunded_minor from sandbox_intents"); n != 100 {
		t.Errorf("refunded %d", n)
	}
	h.audit(e)
}

func TestDeclinedCardMayTryAgain(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Options{}, false)
	e := h.event(kind{1, 1, 1, 100})
	o := h.order(h.hold(e, fan(), 1))
	h.confirm(o, "decline")
	h.deliver(1)
	if o = h.look(o); o.Payment.State != PaymentPending || o.Payment.Failure != "card_declined" {
		t.Fatalf("%+v", o.Payment)
	}
	h.confirm(o, "approve")
	h.deliver(1)
	h.work("paid", func() bool { return h.state(o) == OrderPaid })
	h.audit(e)
}

func TestThreeDSecure(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Options{}, false)
	e := h.event(kind{1, 1, 1, 100})
	o := h.order(h.hold(e, fan(), 1))
	h.confirm(o, "three_d_secure")
	h.deliver(1)
	if o = h.look(o); o.Payment.State != PaymentPending {
		t.Fatalf("%+v", o.Payment)
	}
	h.confirm(o, "three_d_secure")
	h.deliver(1)
	h.work("paid", func() bool { return h.state(o) == OrderPaid })
	h.audit(e)
}

// A capture that is refused for good ends the order and gives the stock back.
func TestCaptureRefused(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Options{}, false)
	e := h.event(kind{1, 1, 1, 100})
	o := h.order(h.hold(e, fan(), 1))
	h.confirm(o, "capture_fails")
	h.deliver(1)
	h.work("canceled", func() bool { return h.state(o) == OrderCanceled })
	if o = h.look(o); o.Payment.State != PaymentFailed || len(o.Tickets) != 0 {
		t.Errorf("%+v", o)
	}
	h.hold(e, o.Fan, 1)
	h.audit(e)
}

// The same for an order that was accepted late: it stays expired.
func TestLateCaptureRefused(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Options{Hold: 200 * time.Millisecond}, false)
	e := h.event(kind{1, 1, 1, 100})
	o := h.order(h.hold(e, fan(), 1))
	h.work("expired", func() bool { return h.state(o) == OrderExpired })
	h.confirm(o, "capture_fails")
	h.deliver(1)
	h.work("failed and given back", func() bool {
		return h.look(o).Payment.State == PaymentFailed && count(t, h.pair.Pool, "select sold from stock where event_id = $1", e.ID) == 0
	})
	if h.state(o) != OrderExpired {
		t.Errorf("the order is %s", h.state(o))
	}
	h.hold(e, o.Fan, 1)
	h.audit(e)
}

// A fan who gives the reservation back while the money arrives: either the
// order is paid with tickets, or it is canceled and the money is let go.
func TestCancelAgainstSuccess(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Options{}, false)
	e := h.event(kind{100, 1, 100, 100})
	ends := map[OrderState]int{}
	for range 12 {
		o := h.order(h.hold(e, fan(), 1))
		h.confirm(o, "approve")
		var all sync.WaitGroup
		all.Go(func() { h.deliver(1) })
		all.Go(func() { _ = h.giveUp(t.Context(), o.Reservation, o.Fan, 5*time.Second) })
		all.Wait()
		h.work("an end", func() bool {
			o = h.look(o)
			return o.State == OrderPaid && o.Payment.State == PaymentConfirmed || o.State == OrderCanceled && o.Payment.State == PaymentCanceled
		})
		if (o.State == OrderPaid) != (len(o.Tickets) == 1) {
			t.Fatalf("%+v", o)
		}
		ends[o.State]++
	}
	t.Log(ends)
	h.audit(e)
}

// A payment that nobody made is closed at the gateway, long after the order.
func TestAbandonedPayment(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Options{Hold: 600 * time.Millisecond, Watch: 20 * time.Millisecond, Abandon: 100 * time.Millisecond}, false)
	e := h.event(kind{1, 1, 1, 100})
	o := h.order(h.hold(e, fan(), 1))
	h.work("canceled", func() bool { return h.look(o).Payment.State == PaymentCanceled })
	if h.state(o) != OrderExpired {
		t.Errorf("the order is %s", h.state(o))
	}
	_, err := h.sandbox.Confirm(t.Context(), o.Payment.Ref, o.Payment.ClientSecret, "approve")
	wantCode(t, err, ropeline.CodeOrderEnded)
	h.audit(e)
}
