package worker

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/catalog"
	"github.com/ropeline/ropeline/checkout"
	"github.com/ropeline/ropeline/notify"
)

// to lists the subjects of what an address was sent.
func (p *postman) to(address string) (subjects []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, m := range p.got {
		if m.To == address {
			subjects = append(subjects, m.Subject)
		}
	}
	return subjects
}

func (p *postman) says(address, words string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, m := range p.got {
		if m.To == address && strings.Contains(m.Text, words) && strings.Contains(m.HTML, words) {
			return true
		}
	}
	return false
}

// judging is an office whose verdict hangs on the event.
func judging(t *testing.T) (o *office, judge func(ropeline.Event, checkout.Verdict)) {
	var verdicts sync.Map
	o = newOffice(t, checkout.Options{Assess: func(_ context.Context, a checkout.Authorized) checkout.Verdict {
		if v, judged := verdicts.Load(a.Event); judged {
			return v.(checkout.Verdict)
		}
		return checkout.Verdict{Decision: checkout.RiskAllow}
	}})
	return o, func(e ropeline.Event, v checkout.Verdict) { verdicts.Store(e.ID, v) }
}

func (o *office) orderAs(e ropeline.Event, email string) checkout.Order {
	o.t.Helper()
	r := o.reserve(e, 5*time.Second)
	order, err := o.PlaceOrder(o.t.Context(), r.Fan, r.ID, email, email+string(r.ID))
	must(o.t, err)
	return order
}

// reviewed brings an order to where it waits for a person.
func (o *office) reviewed(e ropeline.Event, email string) checkout.Order {
	o.t.Helper()
	order := o.orderAs(e, email)
	o.confirm(order, "approve")
	within(o.t, 20*time.Second, "in review", func() bool { return o.look(order).UnderReview() })
	return order
}

func (o *office) ends(order checkout.Order, state checkout.OrderState) {
	o.t.Helper()
	within(o.t, 20*time.Second, "the order is "+string(state), func() bool { return o.look(order).State == state })
}

func (o *office) cancel(order checkout.Order, reason string) {
	o.t.Helper()
	must(o.t, pgx.BeginFunc(o.t.Context(), o.pair.Pool, func(tx pgx.Tx) error {
		return o.CancelOrder(o.t.Context(), tx, order.ID, reason, "desk@example.com", false)
	}))
}

// told waits until every domain event was read and every message sent, and
// returns what an address got.
func (o *office) told(p *postman, address string) string {
	o.t.Helper()
	within(o.t, 20*time.Second, "all is told", func() (over bool) {
		must(o.t, o.pair.Pool.QueryRow(o.t.Context(), `
			select coalesce((select seq from outbox_cursors where consumer = $1) >= (select max(seq) from outbox), false)
				and not exists (select from notifications where due_at is not null)`, consumerLetters).Scan(&over))
		return over
	})
	return strings.Join(p.to(address), " | ")
}

const notFilled, canceledOrder = "Your order for e could not be filled", "Your order for e was canceled"

// However an order ends against its fan's wish, the fan hears of it once.
func TestOrdersThatEndAreTold(t *testing.T) {
	o, judge := judging(t)
	p := &postman{}
	o.work(Options{Letters: o.letters(p)})
	plain, suspect, hasty, bad, free := o.event(20), o.event(20), o.event(20), o.event(20), o.event(20)
	judge(suspect, checkout.Verdict{Decision: checkout.RiskReview, ReviewSeconds: 3600, AtDeadline: checkout.RiskReject})
	judge(hasty, checkout.Verdict{Decision: checkout.RiskReview, ReviewSeconds: 1, AtDeadline: checkout.RiskReject})
	judge(bad, checkout.Verdict{Decision: checkout.RiskReject})
	_, err := o.pair.Pool.Exec(t.Context(), "update ticket_types set price_minor = 0 where event_id = $1", free.ID)
	must(t, err)
	expire := func(order checkout.Order) {
		_, err := o.pair.Pool.Exec(t.Context(), "update reservations set deadline = clock_timestamp() where id = $1", order.Reservation)
		must(t, err)
		o.ends(order, checkout.OrderExpired)
	}
	const reason = "Two of these seats do not exist."
	for _, c := range []struct {
		name string
		run  func(email string)
		want string
		says string
	}{
		{"rejected by an organizer", func(email string) {
			order := o.reviewed(suspect, email)
			must(t, pgx.BeginFunc(t.Context(), o.pair.Pool, func(tx pgx.Tx) error {
				_, err := o.Review(t.Context(), tx, order.ID, checkout.RiskReject, "desk@example.com", "")
				return err
			}))
			o.ends(order, checkout.OrderCanceled)
		}, notFilled, "No money is kept"},
		{"rejected at the deadline", func(email string) {
			order := o.orderAs(hasty, email)
			o.confirm(order, "approve")
			o.ends(order, checkout.OrderCanceled)
		}, notFilled, "No money is kept"},
		{"rejected at once", func(email string) {
			order := o.orderAs(bad, email)
			o.confirm(order, "approve")
			o.ends(order, checkout.OrderCanceled)
		}, notFilled, "No money is kept"},
		{"canceled under review", func(email string) {
			order := o.reviewed(suspect, email)
			o.cancel(order, reason)
			o.ends(order, checkout.OrderCanceled)
		}, canceledOrder, reason},
		{"canceled before it was paid", func(email string) {
			order := o.orderAs(plain, email)
			o.cancel(order, reason)
			o.ends(order, checkout.OrderCanceled)
		}, canceledOrder, reason},
		{"canceled, and nothing was paid", func(email string) {
			order := o.orderAs(free, email)
			o.ends(order, checkout.OrderPaid)
			o.told(p, email)
			o.cancel(order, reason)
			o.ends(order, checkout.OrderCanceled)
		}, "Your tickets for e | " + canceledOrder, reason},
		{"canceled after it was paid", func(email string) {
			order := o.orderAs(plain, email)
			o.confirm(order, "approve")
			o.ends(order, checkout.OrderPaid)
			o.told(p, email)
			o.cancel(order, reason)
			within(t, 20*time.Second, "given back", func() bool { return len(p.to(email)) > 1 })
		}, "Your tickets for e | Your refund for e", reason},
		{"ran out after a card was declined", func(email string) {
			order := o.orderAs(plain, email)
			o.confirm(order, "decline")
			within(t, 20*time.Second, "declined", func() bool { return o.look(order).Payment.Failure != "" })
			expire(order)
		}, "Your payment for e did not go through", "No money was taken"},
		{"ran out", func(email string) { expire(o.orderAs(plain, email)) }, "", ""},
		{"given back by its fan", func(email string) {
			order := o.orderAs(plain, email)
			_, err := o.Release(t.Context(), order.Reservation, order.Fan, 5*time.Second)
			must(t, err)
			o.ends(order, checkout.OrderCanceled)
		}, "", ""},
	} {
		email := strings.ReplaceAll(c.name, " ", "-") + "@example.com"
		email = strings.ReplaceAll(email, ",", "")
		c.run(email)
		if got := o.told(p, email); got != c.want {
			t.Errorf("%s: told %q, want %q", c.name, got, c.want)
		}
		if c.says != "" && !p.says(email, c.says) {
			t.Errorf("%s: not told %q", c.name, c.says)
		}
	}
}

// That an event is canceled ends its orders, also those that have no tickets
// yet; each hears of it once, with the reason, and of money that goes back.
func TestOrdersOfACanceledEventAreTold(t *testing.T) {
	o, judge := judging(t)
	p := &postman{}
	o.work(Options{Letters: o.letters(p)})
	e, suspect := o.event(20), o.event(20)
	judge(suspect, checkout.Verdict{Decision: checkout.RiskReview, ReviewSeconds: 3600, AtDeadline: checkout.RiskReject})
	paid, open, checked := o.orderAs(e, "paid@example.com"), o.orderAs(e, "open@example.com"), o.reviewed(suspect, "checked@example.com")
	o.confirm(paid, "approve")
	given := o.orderAs(e, "given@example.com")
	_, err := o.Release(t.Context(), given.Reservation, given.Fan, 5*time.Second)
	must(t, err)
	o.ends(paid, checkout.OrderPaid)
	o.ends(given, checkout.OrderCanceled)
	o.told(p, "")
	for _, event := range []ropeline.Event{e, suspect} {
		must(t, pgx.BeginFunc(t.Context(), o.pair.Pool, func(tx pgx.Tx) error {
			return o.CancelEvent(t.Context(), tx, event.ID, "The hall is flooded.", "desk@example.com")
		}))
	}
	for _, order := range []checkout.Order{paid, open, checked} {
		o.ends(order, checkout.OrderCanceled)
	}
	within(t, 20*time.Second, "given back", func() bool { return len(p.to("paid@example.com")) == 3 })
	for email, want := range map[string]string{"paid": "Your tickets for e | e is canceled | Your refund for e", "open": "e is canceled", "checked": "e is canceled", "given": ""} {
		email += "@example.com"
		if got := o.told(p, email); got != want {
			t.Errorf("%s was told %q, want %q", email, got, want)
		}
		if want != "" && !p.says(email, "The hall is flooded.") {
			t.Errorf("%s was not told why", email)
		}
	}
}

// Who paid late, after the order had run out, has tickets and hears of no failure.
func TestFailureIsNotToldOfAnOrderThatIsPaid(t *testing.T) {
	o := newOffice(t, checkout.Options{})
	o.work(Options{})
	order := o.orderAs(o.event(1), "fan@example.com")
	n := notify.Notice{Kind: notify.PaymentFailed, Event: order.Event, Data: notify.Data{Order: order.ID}}
	facts := Facts(o.Checkout, catalog.New(o.pair.Pool), nil, "https://house.example")
	if _, err := facts(t.Context(), n); err != nil {
		t.Error(err)
	}
	o.confirm(order, "approve")
	o.ends(order, checkout.OrderPaid)
	if _, err := facts(t.Context(), n); err != notify.ErrMoot {
		t.Error(err)
	}
}
