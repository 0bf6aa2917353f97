package checkout

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline/checkout/payment"
)

// The bank's complaint about a paid order, told by webhooks that come three
// times and in any order: the order shows the last state, every state is told
// and kept once.
func TestDispute(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Options{}, false)
	e := h.event(kind{10, 1, 1, 100})
	o := h.order(h.hold(e, fan(), 1))
	h.confirm(o, "approve")
	h.deliver(1)
	h.work("paid", func() bool { return h.state(o) == OrderPaid })
	if d := h.look(o).Payment.Disputes; len(d) != 0 {
		t.Fatalf("%+v", d)
	}
	var late [][]byte
	for _, state := range []string{"needs_response", "under_review", "lost"} {
		_, err := h.sandbox.Dispute(t.Context(), o.Payment.Ref, state, "fraudulent")
		must(t, err)
		due, err := h.sandbox.Claim(t.Context(), 100)
		must(t, err)
		for _, d := range due {
			must(t, h.webhook(d.Body))
			late = append(late, d.Body, d.Body)
			must(t, h.sandbox.Delivered(t.Context(), d.Seq))
		}
		got := h.look(o).Payment.Disputes
		if len(got) != 1 || got[0].State != state || got[0].Reason != "fraudulent" || got[0].Amount != o.Total || got[0].Due.IsZero() {
			t.Fatalf("%s: %+v", state, got)
		}
	}
	rand.Shuffle(len(late), func(i, j int) { late[i], late[j] = late[j], late[i] })
	for _, body := range late {
		must(t, h.webhook(body))
	}
	id := h.look(o).Payment.Disputes[0].ID
	want := []string{"needs_response", "under_review", "lost"}
	if got := texts(t, h, "select state from payment_history where kind = 'disputes' and id = $1 order by seq", id); !slices.Equal(got, want) {
		t.Errorf("history: %v", got)
	}
	if got := texts(t, h, "select payload->>'state' from outbox where kind = 'DisputeChanged' and subject = $1 order by seq", id); !slices.Equal(got, want) {
		t.Errorf("told: %v", got)
	}
	if _, err := h.pair.Pool.Exec(t.Context(), "delete from disputes"); err == nil {
		t.Error("a dispute was deleted")
	}
	if h.state(o) != OrderPaid {
		t.Error("the order has changed")
	}
	h.audit(e)
}

func texts(t *testing.T, h *house, sql string, args ...any) []string {
	t.Helper()
	rows, err := h.pair.Pool.Query(t.Context(), sql, args...)
	must(t, err)
	found, err := pgx.CollectRows(rows, pgx.RowTo[string])
	must(t, err)
	return found
}

// A worker asked the gateway, was held up, and writes what it heard after
// another one has written newer news.
func TestOldWordOfADispute(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Options{}, false)
	e := h.event(kind{10, 1, 1, 100})
	o := h.order(h.hold(e, fan(), 1))
	h.confirm(o, "approve")
	h.deliver(1)
	h.work("paid", func() bool { return h.state(o) == OrderPaid })
	now := time.Now()
	tell := func(state string, asked time.Time) {
		must(t, h.learn(t.Context(), o.Payment.ID, news{
			gateway: "sandbox", asked: asked,
			object:   payment.Object{Ref: o.Payment.Ref, Status: payment.StatusCaptured},
			disputes: []payment.Dispute{{Ref: "d", Status: state, Amount: o.Total, Created: now}},
		}))
	}
	tell("needs_response", now)
	tell("won", now.Add(2*time.Second))
	tell("under_review", now.Add(time.Second))
	if d := h.look(o).Payment.Disputes; len(d) != 1 || d[0].State != "won" {
		t.Errorf("%+v", d)
	}
	if n := count(t, h.pair.Pool, "select count(*) from outbox where kind = 'DisputeChanged'"); n != 2 {
		t.Errorf("told %d times", n)
	}
}
