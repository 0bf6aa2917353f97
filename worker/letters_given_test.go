package worker

import (
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/checkout"
	"github.com/ropeline/ropeline/internal/outbox"
)

// Both sides hear of a ticket that was given away, each what is theirs; who has
// it hears when it is issued anew, ends, or when the event changes.
func TestBothSidesHearOfATicketGivenAway(t *testing.T) {
	o := newOffice(t, checkout.Options{})
	p := &postman{}
	o.work(Options{Letters: o.letters(p)})
	e := o.event(10)
	order := o.order(o.reserve(e, 5*time.Second))
	o.confirm(order, "approve")
	within(t, 20*time.Second, "tickets sent", func() bool { return len(p.about("Your tickets for")) == 1 })
	bought := o.look(order).Tickets[0]
	in := func(do func(pgx.Tx) error) {
		t.Helper()
		must(t, pgx.BeginFunc(t.Context(), o.pair.Pool, do))
	}
	var given checkout.Given
	in(func(tx pgx.Tx) (err error) {
		given, err = o.Transfer(t.Context(), tx, bought.ID, order.Fan, "bob@example.org")
		return err
	})
	anew, err := o.HeldTicket(t.Context(), given.To)
	must(t, err)
	within(t, 20*time.Second, "both told", func() bool { return len(p.about("You were given a ticket")) == 1 && len(p.about("You gave away")) == 1 })
	to, from := p.about("You were given a ticket")[0], p.about("You gave away")[0]
	if to.To != "bob@example.org" || len(to.Inline) != 1 || !strings.Contains(to.Text, anew.Code) || !strings.Contains(to.Text, "fan@example.com") ||
		strings.Contains(to.Text+to.HTML, string(order.ID)) || strings.Contains(to.Text, bought.Code) {
		t.Errorf("to %s: %s", to.To, to.Text)
	}
	if from.To != "fan@example.com" || len(from.Inline) != 0 || !strings.Contains(from.Text, "bob@example.org") || !strings.Contains(from.Text, "/orders/"+string(order.ID)) ||
		strings.Contains(from.Text+from.HTML, anew.Code) {
		t.Errorf("to %s: %s", from.To, from.Text)
	}

	in(func(tx pgx.Tx) error {
		_, err := o.Reissue(t.Context(), tx, given.To, "shown around", "olga@example.org")
		return err
	})
	within(t, 20*time.Second, "the new code", func() bool { return len(p.about("You were given a ticket")) == 2 })
	if again := p.about("You were given a ticket")[1]; again.To != "bob@example.org" || strings.Contains(again.Text, anew.Code) {
		t.Errorf("to %s: %s", again.To, again.Text)
	}
	in(func(tx pgx.Tx) error {
		n, err := outbox.New(outbox.EventChanged, e.ID, string(e.ID), outbox.Change{Note: "An hour later."})
		if err != nil {
			return err
		}
		batch := &pgx.Batch{}
		n.Queue(batch)
		return tx.SendBatch(t.Context(), batch).Close()
	})
	within(t, 20*time.Second, "the word is told to both", func() bool { return len(p.about("A word about e")) == 2 })
	in(func(tx pgx.Tx) error {
		_, _, err := o.AskRefund(t.Context(), tx, checkout.Refunding{Order: order.ID, Tickets: []ropeline.TicketID{given.To}, Reason: "a test", By: "olga@example.org"})
		return err
	})
	within(t, 20*time.Second, "who has it, and who paid", func() bool {
		return len(p.about("Your ticket for e is not valid any more")) == 1 && len(p.about("Your refund for e")) == 1
	})
	if void := p.about("Your ticket for e is not valid")[0]; void.To != "bob@example.org" || !strings.Contains(void.Text, "went back to whoever had paid") || strings.Contains(void.Text, string(order.ID)) {
		t.Errorf("to %s: %s", void.To, void.Text)
	}
	if refund := p.about("Your refund for e")[0]; refund.To != "fan@example.com" {
		t.Errorf("the money is told to %s", refund.To)
	}
}
