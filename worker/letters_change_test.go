package worker

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/catalog"
	"github.com/ropeline/ropeline/checkout"
	"github.com/ropeline/ropeline/internal/outbox"
	"github.com/ropeline/ropeline/notify"
)

// A change is told once to everybody whom it concerns, in the words of after;
// another time of the drop only to those who asked to be told of their turn.
func TestChangesAreTold(t *testing.T) {
	o := newOffice(t, checkout.Options{})
	p := &postman{}
	l := o.letters(p)
	e := o.event(10)
	at := func(email string) checkout.Order {
		r := o.reserve(e, 5*time.Second)
		order, err := o.PlaceOrder(t.Context(), r.Fan, r.ID, email, email+string(r.ID))
		must(t, err)
		return order
	}
	o.work(Options{Letters: l})
	o.work(Options{Letters: l})
	o.confirm(at("ann@example.com"), "approve")
	o.confirm(at("Ann@example.com"), "approve") // the same person
	at("bob@example.com")                       // has not paid yet
	within(t, 20*time.Second, "tickets sent", func() bool { return len(p.about("Your tickets for")) == 2 })
	for _, to := range []string{"cat@example.com", "ann@example.com"} {
		must(t, l.Notify.SetAlert(t.Context(), notify.Alert{Event: e.ID, Fan: ropeline.NewID[ropeline.FanID](), Channel: notify.Email, To: to}))
	}
	name, later := "Later", time.Now().Add(48*time.Hour)
	change := func() (fields []string) {
		t.Helper()
		must(t, pgx.BeginFunc(t.Context(), o.pair.Pool, func(tx pgx.Tx) error {
			var err error
			_, _, fields, err = l.Catalog.Change(t.Context(), tx, e.ID, catalog.Change{Name: &name, StartsAt: &later})
			return err
		}))
		return fields
	}
	if fields := change(); strings.Join(fields, " ") != "name starts_at" {
		t.Fatal(fields)
	}
	within(t, 20*time.Second, "all told", func() bool { return len(p.about("Later has changed")) == 3 })
	if fields := change(); len(fields) != 0 {
		t.Fatal(fields)
	}
	for _, m := range p.about("Later has changed") {
		if !strings.Contains(m.Text, later.UTC().Format("15:04 MST")) || strings.Contains(m.Text, "/orders/") == strings.HasPrefix(m.To, "cat@") {
			t.Errorf("to %s: %s", m.To, m.Text)
		}
	}
	closes := time.Now().Add(5 * time.Hour)
	must(t, pgx.BeginFunc(t.Context(), o.pair.Pool, func(tx pgx.Tx) error {
		_, _, err := l.Catalog.Reschedule(t.Context(), tx, e.ID, catalog.StepMove, catalog.Moves{ClosesAt: &closes})
		return err
	}))
	within(t, 20*time.Second, "those who asked", func() bool { return len(p.about("Later has changed")) >= 5 })
	for _, m := range p.about("Later has changed")[3:] {
		if !strings.Contains(m.Text, "ends "+closes.UTC().Format("Monday, 2 January 2006, 15:04 MST")) || strings.HasPrefix(m.To, "bob@") {
			t.Errorf("to %s: %s", m.To, m.Text)
		}
	}
	var rows int
	must(t, o.pair.Pool.QueryRow(t.Context(), "select count(*) from notifications where kind = 'event_changed'").Scan(&rows))
	if rows != 5 {
		t.Errorf("%d messages", rows)
	}
}

// Changes that follow each other before their messages are sent are one message
// to each person.
func TestQuickChangesAreToldTogether(t *testing.T) {
	o := newOffice(t, checkout.Options{})
	stop := o.work(Options{})
	l := o.letters(&postman{})
	e := o.event(10)
	for _, email := range []string{"ann@example.com", "bob@example.com"} {
		o.confirm(o.orderAs(e, email), "approve")
	}
	must(t, l.Notify.SetAlert(t.Context(), notify.Alert{Event: e.ID, Fan: ropeline.NewID[ropeline.FanID](), Channel: notify.Email, To: "cat@example.com"}))
	stop()
	w := New(o.Checkout, o.redis, o.pair.Pool, o.client, slog.New(slog.DiscardHandler), Options{Letters: l})
	for seq, field := range []string{"name", "starts_at", "venue", "name", "starts_at"} {
		must(t, w.tellChange(t.Context(), outbox.Event{Event: e.ID, Seq: int64(seq + 1)}, outbox.Change{Fields: []string{field}}))
	}
	counts, err := l.Notify.Counts(t.Context())
	must(t, err)
	if counts[notify.StateQueued] != 3 {
		t.Errorf("%v wait", counts)
	}
}
