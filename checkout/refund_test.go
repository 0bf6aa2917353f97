package checkout

import (
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
)

// paid is an order of so many tickets that was paid.
func (h *house) paid(e ropeline.Event, quantity int) Order {
	h.t.Helper()
	o := h.order(h.hold(e, fan(), quantity))
	if o.Total.Minor > 0 {
		h.confirm(o, "approve")
	}
	h.work("paid", func() bool { h.deliver(1); return h.state(o) == OrderPaid })
	return h.look(o)
}

func (h *house) refund(q Refunding) (r Refund, tickets []ropeline.TicketID, err error) {
	h.t.Helper()
	if q.Reason == "" {
		q.Reason, q.By = "it rains", "ann@example.com"
	}
	err = pgx.BeginFunc(context.Background(), h.pair.Pool, func(tx pgx.Tx) error {
		r, tickets, err = h.AskRefund(context.Background(), tx, q)
		return err
	})
	return r, tickets, err
}

func (h *house) cancelOrder(o Order, restock bool) error {
	return pgx.BeginFunc(h.t.Context(), h.pair.Pool, func(tx pgx.Tx) error {
		return h.CancelOrder(h.t.Context(), tx, o.ID, "wrong night", "ann@example.com", restock)
	})
}

func (h *house) revokedTickets(o Order) (n int) {
	for _, t := range h.look(o).Tickets {
		if t.State == TicketRevoked {
			n++
		}
	}
	return n
}

func TestRefunds(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Options{}, false)
	e := h.event(kind{10, 4, 4, 1000})
	o := h.paid(e, 4)

	// Money alone revokes nothing.
	r, tickets, err := h.refund(Refunding{Order: o.ID, Minor: 150})
	if err != nil || len(tickets) != 0 || r.Amount.Minor != 150 || h.revokedTickets(o) != 0 {
		t.Fatalf("%+v %v %v", r, tickets, err)
	}
	// Tickets carry their price, and end; their stock goes back when that is wanted.
	r, tickets, err = h.refund(Refunding{Order: o.ID, Tickets: []ropeline.TicketID{o.Tickets[0].ID}, Restock: true})
	if err != nil || len(tickets) != 1 || r.Amount.Minor != 1000 || h.revokedTickets(o) != 1 {
		t.Fatalf("%+v %v %v", r, tickets, err)
	}
	h.work("the stock is back", func() bool { return h.stock(e, 0).Sold == 3 })
	_, _, err = h.refund(Refunding{Order: o.ID, Tickets: []ropeline.TicketID{o.Tickets[0].ID}})
	wantCode(t, err, ropeline.CodeNotRefundable)
	if _, _, err = h.refund(Refunding{Order: o.ID, Tickets: []ropeline.TicketID{o.Tickets[1].ID}}); err != nil {
		t.Fatal(err)
	}
	// Never more than was taken.
	_, _, err = h.refund(Refunding{Order: o.ID, Minor: 1851})
	wantCode(t, err, ropeline.CodeRefundTooHigh)
	_, _, err = h.refund(Refunding{Order: o.ID, Minor: 10, Restock: true})
	wantCode(t, err, ropeline.CodeInvalidRequest)
	_, _, err = h.refund(Refunding{Order: o.ID, Tickets: []ropeline.TicketID{"nothing"}})
	wantCode(t, err, ropeline.CodeTicketNotFound)
	// The rest of it all.
	r, tickets, err = h.refund(Refunding{Order: o.ID})
	if err != nil || r.Amount.Minor != 1850 || len(tickets) != 2 || h.revokedTickets(o) != 4 {
		t.Fatalf("%+v %v %v", r, tickets, err)
	}
	_, _, err = h.refund(Refunding{Order: o.ID})
	wantCode(t, err, ropeline.CodeNotRefundable)
	h.work("all are done", func() bool {
		for _, r := range h.look(o).Refunds {
			if r.State != RefundDone {
				return false
			}
		}
		return true
	})
	if n := count(t, h.pair.Pool, "select refunded_minor::int from sandbox_intents"); n != 4000 {
		t.Errorf("%d went back", n)
	}
	if s := h.stock(e, 0); s.Sold != 3 {
		t.Errorf("what was not to be restocked was: %+v", s)
	}
	h.audit(e)
	// What stays sold to the fan counts for the limit, what was returned does not.
	if r, err := h.Reserve(t.Context(), ask(e, o.Fan, 1), 5*time.Second); err != nil || r.State != ReservationHeld {
		t.Errorf("%+v %v", r, err)
	}
}

// Many at once: together never more than was taken. The constraint holds it
// also against who does not ask first.
func TestRefundsAtOnce(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Options{}, false)
	e := h.event(kind{10, 4, 4, 1000})
	o := h.paid(e, 1)
	var all sync.WaitGroup
	var given atomic.Int64
	for range 8 {
		all.Go(func() {
			r, _, err := h.refund(Refunding{Order: o.ID, Minor: 300})
			if err == nil {
				given.Add(r.Amount.Minor)
			} else if ropeline.CodeOf(err) != ropeline.CodeRefundTooHigh {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if given.Load() != 900 {
		t.Errorf("%d given", given.Load())
	}
	_, err := h.pair.Pool.Exec(t.Context(), `
		insert into refunds (id, payment_id, idempotency_key, state, amount_minor, currency, reason) values ('x', $1, 'x', 'created', 101, 'EUR', 'r')`, o.Payment.ID)
	if err == nil {
		t.Error("the constraint let too much through")
	}
	if _, err = h.pair.Pool.Exec(t.Context(), "update refunds set amount_minor = 1"); err == nil {
		t.Error("an amount was changed")
	}
	h.audit(e)
}

func TestCancelOrders(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Options{}, false)
	e := h.event(kind{20, 4, 4, 1000}, kind{5, 4, 4, 0})
	pending := h.order(h.hold(e, fan(), 2))
	must(t, h.cancelOrder(pending, true))
	h.work("the hold is gone", func() bool {
		o := h.look(pending)
		return o.State == OrderCanceled && o.Payment.State == PaymentCanceled
	})
	if h.stock(e, 0).Held != 0 {
		t.Errorf("%+v", h.stock(e, 0))
	}
	paid, kept := h.paid(e, 2), h.paid(e, 3)
	must(t, h.cancelOrder(paid, true))
	must(t, h.cancelOrder(paid, true)) // once
	must(t, h.cancelOrder(kept, false))
	h.work("refunded", func() bool {
		for _, o := range []Order{paid, kept} {
			now := h.look(o)
			if now.State != OrderCanceled || len(now.Refunds) != 1 || now.Refunds[0].State != RefundDone {
				return false
			}
		}
		return h.stock(e, 0).Sold == 3
	})
	if h.revokedTickets(paid) != 2 || h.revokedTickets(kept) != 3 {
		t.Error("tickets are still good")
	}
	// Accepted, and not captured yet: it ends when it is paid.
	o := h.order(h.hold(e, fan(), 1))
	h.confirm(o, "approve")
	h.deliver(1)
	eventually(t, "accepted", func() bool {
		return count(t, h.pair.Pool, "select count(*) from orders where id = $1 and accepted_at is not null", o.ID) == 1
	})
	must(t, h.cancelOrder(o, true))
	h.work("ended", func() bool {
		_, err := h.CancelDue(t.Context(), 10)
		must(t, err)
		now := h.look(o)
		return now.State == OrderCanceled && len(now.Refunds) == 1 && now.Refunds[0].State == RefundDone && h.stock(e, 0).Sold == 3
	})
	h.audit(e)
}

func TestCancelEvent(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Options{}, false)
	e := h.event(kind{100, 4, 4, 1000})
	free := h.event(kind{10, 2, 2, 0})
	gratis := h.paid(free, 2)
	var paid []Order
	for range 5 {
		paid = append(paid, h.paid(e, 1))
	}
	held := h.hold(e, fan(), 2)
	open := h.order(h.hold(e, fan(), 1))
	authorized := h.order(h.hold(e, fan(), 1))
	h.confirm(authorized, "approve")
	for _, event := range []ropeline.Event{e, free} {
		must(t, pgx.BeginFunc(t.Context(), h.pair.Pool, func(tx pgx.Tx) error {
			return h.CancelEvent(t.Context(), tx, event.ID, "The singer is ill.", "ann@example.com")
		}))
		must(t, h.Nudge(t.Context(), event.ID))
	}
	eventually(t, "sales have stopped", func() bool {
		r, err := h.Reserve(t.Context(), ask(e, fan(), 1), 5*time.Second)
		must(t, err)
		return r.State == ReservationRejected && r.Reason == ropeline.CodeSaleClosed
	})
	eventually(t, "the hold is gone", func() bool { return h.reservationState(held) == ReservationReleased })
	must(t, h.refuseFirst(paid[0]))
	steps := 0
	h.work("finished", func() bool {
		h.deliver(1)
		if n, err := h.CancelDue(t.Context(), 2); err != nil || n > 2 {
			t.Fatal(n, err)
		} else if n > 0 {
			steps++
		}
		_, err := h.FinishCancellations(t.Context())
		must(t, err)
		x, err := h.CancellationOf(t.Context(), e.ID)
		must(t, err)
		y, err := h.CancellationOf(t.Context(), free.ID)
		must(t, err)
		return x.FinishedAt != nil && y.FinishedAt != nil
	})
	x, err := h.CancellationOf(t.Context(), e.ID)
	must(t, err)
	if x.Done+x.Failed != x.Total || x.Failed != 1 || x.Total < 5 || steps < 3 {
		t.Errorf("%+v in %d steps", x, steps)
	}
	for _, o := range paid[1:] {
		if now := h.look(o); now.State != OrderCanceled || now.Refunds[0].State != RefundDone || now.Message == "" || h.revokedTickets(o) != 1 {
			t.Errorf("%+v", now)
		}
	}
	if now := h.look(open); now.State != OrderCanceled || now.Payment.State != PaymentCanceled {
		t.Errorf("%+v", now)
	}
	if now := h.look(authorized); now.State != OrderCanceled || now.Payment.State == PaymentAuthorized || now.Payment.State == PaymentPending {
		t.Errorf("%+v", now)
	}
	if h.look(gratis).State != OrderCanceled || h.revokedTickets(gratis) != 2 {
		t.Errorf("%+v", h.look(gratis))
	}
	// What the gateway refused can be asked for again.
	if _, _, err := h.refund(Refunding{Order: paid[0].ID, Minor: 1000}); err != nil {
		t.Error(err)
	}
	h.audit(e)
	h.audit(free)
}

// refuseFirst makes the gateway refuse the order's refund for good.
func (h *house) refuseFirst(o Order) error {
	_, err := h.pair.Pool.Exec(h.t.Context(), "update sandbox_intents set refunded_minor = amount_minor where ref = $1", o.Payment.Ref)
	return err
}

func TestOrderDesk(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Options{}, false)
	e := h.event(kind{10, 4, 4, 1000})
	o, other := h.paid(e, 2), h.paid(e, 1)
	_, _, err := h.refund(Refunding{Order: o.ID, Tickets: []ropeline.TicketID{o.Tickets[0].ID}, Restock: true})
	must(t, err)
	for query, want := range map[string][]ropeline.OrderID{
		"": {other.ID, o.ID}, "FAN@exam": {other.ID, o.ID}, "f%": nil, "nobody@": nil, string(o.ID): {o.ID},
		string(other.Tickets[0].ID): {other.ID}, string(o.Fan): {o.ID}, string(o.Payment.ID): {o.ID},
		string(o.ID)[18:]: {o.ID}, o.Payment.Ref: {o.ID}, strings.ToLower(other.Tickets[0].Code): {other.ID},
	} {
		lines, err := h.Orders(t.Context(), OrderSearch{Event: e.ID, Query: query}, 10)
		must(t, err)
		if len(lines) != len(want) {
			t.Errorf("%q finds %d", query, len(lines))
			continue
		}
		for i := range want {
			if lines[i].Order != want[i] {
				t.Errorf("%q finds %v", query, lines[i])
			}
		}
	}
	first, err := h.Orders(t.Context(), OrderSearch{}, 1)
	must(t, err)
	second, err := h.Orders(t.Context(), OrderSearch{After: OrderCursor{Placed: first[0].Placed, Order: first[0].Order}}, 1)
	if err != nil || first[0].Order != other.ID || second[0].Order != o.ID || second[0].Refunded != 1000 || second[0].Tickets != 1 {
		t.Errorf("%v %v %v", first, second, err)
	}
	f, err := h.OrderFile(t.Context(), o.ID)
	must(t, err)
	if len(f.Payments) != 1 || len(f.History[string(f.Payments[0].ID)]) < 3 || len(f.Refunds) != 1 || len(f.Tickets) != 2 || len(f.News) < 5 ||
		len(f.Returns) != 1 || f.Hold.State != ReservationConverted {
		t.Errorf("%+v", f)
	}
	_, err = h.OrderFile(t.Context(), "nothing")
	wantCode(t, err, ropeline.CodeOrderNotFound)
}

// A bank sends a refund back that was told as done: it does not count any more,
// the order and its tickets stay as they are, and it is asked for again.
func TestRefundSentBack(t *testing.T) {
	t.Parallel()
	l, fake := stripeTillOver(t, Options{})
	e := l.event(kind{10, 4, 4, 4250})
	o := l.order(l.hold(e, fan(), 1))
	l.approve(o)
	l.settle("paid", func() bool { return l.state(o) == OrderPaid })
	must(t, l.cancelOrder(o, false))
	first := func() RefundState { return l.look(o).Refunds[0].State }
	l.settle("refunded", func() bool { return l.state(o) == OrderCanceled && first() == RefundDone })
	for l.take() != nil { // what has been told of it is not of its end
	}
	calls := fake.Calls("GET /v1/refunds/:id")
	must(t, fake.FailRefund(texts(t, l.house, "select provider_ref from refunds")[0]))
	l.settle("sent back", func() bool { return first() == RefundFailed })
	if n := fake.Calls("GET /v1/refunds/:id") - calls; n != 1 {
		t.Errorf("asked %d times", n)
	}
	if now := l.look(o); now.State != OrderCanceled || l.revokedTickets(o) != 1 || !slices.Equal(l.broken(e), []string{"I6"}) {
		t.Errorf("%+v, the audit says %v", now, l.broken(e))
	}
	if report, kinds := l.house.reconcile(ScopeOpen); kinds[RefusedRefund] != 1 || report.Alerts != 1 {
		t.Errorf("%+v", report)
	}
	if _, tickets, err := l.house.refund(Refunding{Order: o.ID}); err != nil || len(tickets) != 1 {
		t.Fatal(tickets, err)
	}
	l.settle("refunded again", func() bool { return l.look(o).Refunds[1].State == RefundDone })
	if left := l.left(o); left != 0 {
		t.Errorf("%d is kept", left)
	}
	l.audit(e)
}

// A refund that is on its way for days is asked after less and less often, until
// the gateway has news.
func TestRefundOnItsWay(t *testing.T) {
	h, b := bankHouse(t, Options{})
	b.slow.Store(true)
	e := h.event(kind{10, 4, 4, 1000})
	o := h.paid(e, 1)
	r, _, err := h.refund(Refunding{Order: o.ID})
	must(t, err)
	pause := func() time.Duration {
		return time.Duration(count(t, h.pair.Pool, "select round(extract(epoch from due_at - changed_at))::int from refunds")) * time.Second
	}
	for n := range 12 {
		_, err := h.pair.Pool.Exec(t.Context(), "update refunds set due_at = now(), changed_at = now()")
		must(t, err)
		must(t, h.PerformRefund(t.Context(), r.ID))
		want := min(15*time.Second<<n, time.Hour)
		if got := pause(); got < want || got > want+5*time.Second {
			t.Errorf("after %d questions: %v, want %v", n, got, want)
		}
	}
	b.slow.Store(false)
	if n := h.deliver(1); n == 0 {
		t.Error("no news")
	}
	h.work("done", func() bool { return h.look(o).Refunds[0].State == RefundDone })
	if due := texts(t, h, "select due_at::text from refunds"); due[0] != "infinity" {
		t.Errorf("asked after %s", due)
	}
	h.audit(e)
}
