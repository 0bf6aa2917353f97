package crowd

import (
	"context"
	"path"
	"time"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/loadtest/record"
)

// settling bounds how long a fan looks whether a payment has become tickets.
const settling = 60 * time.Second

// lateMoney is how long it goes on looking at an order that has expired.
const lateMoney = 10 * time.Second

// buy orders what is held, pays at the sandbox's own address as a card form
// would, and looks until the order has ended.
func (f *fan) buy(ctx context.Context, held reservationAnswer) record.Outcome {
	order, a := create(ctx, f, request{
		step: record.StepOrder, method: "POST", path: "/orders",
		body: map[string]string{"reservation": held.ID, "email": f.email()},
	}, f.key(), orderAnswer.facts)
	switch {
	case a.ok():
	case a.code == string(ropeline.CodeReservationExpired), a.code == string(ropeline.CodeReservationEnded):
		return record.Late
	default:
		return f.stuck(ctx)
	}
	if order.State != "paid" { // free orders are, at once
		if order, a = f.untilPayable(ctx, order); !a.ok() {
			return f.stuck(ctx)
		}
		if order.State == "pending" && !f.pay(ctx, order) {
			if ctx.Err() != nil {
				return record.Cut
			}
			f.release(ctx, held)
			return record.Declined
		}
	}
	return f.settle(ctx, order)
}

// untilPayable waits for the gateway's page, which may lag behind the order.
func (f *fan) untilPayable(ctx context.Context, order orderAnswer) (orderAnswer, answer) {
	a := answer{status: 200}
	for began := time.Now(); order.State == "pending" && order.Payment.Page == ""; {
		if time.Since(began) > settling || !f.rest(ctx, 300*time.Millisecond) {
			return order, answer{code: "transport"}
		}
		secret := order.Payment.ClientSecret
		if order, a = look(ctx, f, record.StepOrderLook, "/orders/"+order.ID, orderAnswer.facts); !a.ok() {
			return order, a
		}
		if order.Payment.ClientSecret == "" {
			order.Payment.ClientSecret = secret
		}
	}
	return order, a
}

// pay tries the cards until one is taken. States are the gateway's: an intent
// that still wants to be confirmed was declined, or asks for a second step.
func (f *fan) pay(ctx context.Context, order orderAnswer) bool {
	cards := f.plan.Is.Cards
	if len(cards) == 0 {
		cards = []string{"approve"}
	}
	for _, card := range cards {
		var got struct {
			State string `json:"state"`
		}
		a := f.ask(ctx, request{
			step: record.StepPay, method: "POST", path: "/sandbox/intents/" + path.Base(order.Payment.Page) + "/confirm",
			body: map[string]string{"client_secret": order.Payment.ClientSecret, "outcome": card}, into: &got,
		}, func(o *record.Observation) { o.Sale = &record.SaleFacts{Order: order.ID, Payment: got.State} })
		switch got.State {
		case "processing", "requires_capture", "authorized", "succeeded", "captured":
			return true
		}
		if a.status == 0 || !f.rest(ctx, f.plan.Think/2) {
			return false
		}
	}
	return false
}

// settle looks at the order until it is paid or has ended, and then at the
// fan's tickets. An order that expired while the money was on its way may
// still be fulfilled, so a fan who has paid looks a while longer.
func (f *fan) settle(ctx context.Context, order orderAnswer) record.Outcome {
	pause, patience := 150*time.Millisecond, settling
	for began := time.Now(); ; pause = min(pause*3/2, 2*time.Second) {
		money := order.Payment.State
		switch {
		case order.State == "expired" && money != "canceled" && money != "failed":
			patience = min(patience, time.Since(began)+lateMoney)
		case order.State != "pending":
			began = time.Time{} // nothing more will come
		}
		if time.Since(began) > patience {
			break
		}
		if !f.rest(ctx, pause) {
			return record.Cut
		}
		if got, a := look(ctx, f, record.StepOrderLook, "/orders/"+order.ID, orderAnswer.facts); a.ok() {
			order = got
		}
	}
	if order.State != "paid" {
		return record.Late
	}
	type wallet struct {
		Tickets []ticketAnswer `json:"tickets"`
	}
	look(ctx, f, record.StepTickets, "/users/me/tickets", func(w wallet) *record.SaleFacts { return &record.SaleFacts{Tickets: ticketFacts(w.Tickets)} })
	return record.Bought
}
