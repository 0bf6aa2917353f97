package worker

import (
	"errors"
	"testing"
	"time"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/catalog"
	"github.com/ropeline/ropeline/checkout"
	"github.com/ropeline/ropeline/notify"
)

// Of an event that is canceled nothing is told that sounds as if it took place.
func TestNothingElseIsToldOfACanceledEvent(t *testing.T) {
	o := newOffice(t, checkout.Options{})
	o.work(Options{})
	e := o.event(1)
	line, _ := o.line(e)
	order := o.orderAs(e, "fan@example.com")
	o.confirm(order, "approve")
	o.ends(order, checkout.OrderPaid)
	fan := ropeline.NewID[ropeline.FanID]()
	_, err := line.Join(t.Context(), e.ID, fan, nil)
	must(t, err)
	all := []notify.Notice{
		{Kind: notify.EventChanged, Event: e.ID, Data: notify.Data{Order: order.ID, Fields: []string{"name"}}},
		{Kind: notify.TurnNear, Event: e.ID, Data: notify.Data{Fan: fan}},
		{Kind: notify.Tickets, Event: e.ID, Data: notify.Data{Order: order.ID}},
	}
	for _, n := range all {
		_, err := Facts(o.Checkout, catalog.New(o.pair.Pool), line, "https://house.example")(t.Context(), n)
		must(t, err)
	}
	_, err = o.pair.Pool.Exec(t.Context(), "update events set canceled_at = now() where id = $1", e.ID)
	must(t, err)
	for _, n := range all {
		if _, err := Facts(o.Checkout, catalog.New(o.pair.Pool), line, "https://house.example")(t.Context(), n); !errors.Is(err, notify.ErrMoot) {
			t.Errorf("%s: %v", n.Kind, err)
		}
	}
}

// What waited for the mail server says how many are ahead now, and nothing to a
// fan who has left the line, or when the sale is over.
func TestTurnIsToldAsItIs(t *testing.T) {
	o := newOffice(t, checkout.Options{})
	e := o.event(1)
	line, _ := o.line(e)
	var fans []ropeline.FanID
	for range 4 {
		fan := ropeline.NewID[ropeline.FanID]()
		_, err := line.Join(t.Context(), e.ID, fan, nil)
		must(t, err)
		fans = append(fans, fan)
	}
	ahead := func(posted time.Time) (int64, error) {
		facts, err := Facts(o.Checkout, catalog.New(o.pair.Pool), line, "https://house.example")(t.Context(), notify.Notice{
			Kind: notify.TurnNear, Event: e.ID, Data: notify.Data{Fan: fans[3], Ahead: 3}, Posted: posted})
		return facts.Ahead, err
	}
	if n, err := ahead(time.Now()); n != 3 || err != nil {
		t.Error(n, err)
	}
	must(t, line.Leave(t.Context(), e.ID, fans[0], "op"))
	if n, err := ahead(time.Now().Add(-time.Hour)); n != 2 || err != nil {
		t.Error(n, err)
	}
	closes := func(at string) {
		_, err := o.pair.Pool.Exec(t.Context(), "update events set closes_at = now() + $2::interval where id = $1", e.ID, at)
		must(t, err)
	}
	closes("0 seconds")
	if _, err := ahead(time.Now()); !errors.Is(err, notify.ErrMoot) {
		t.Error("the sale is over", err)
	}
	closes("1 hour")
	must(t, line.Leave(t.Context(), e.ID, fans[3], "op2"))
	if _, err := ahead(time.Now()); !errors.Is(err, notify.ErrMoot) {
		t.Error("the fan has left", err)
	}
}
