package checkout

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
)

// kindsOf are the ledger's kinds for an event, in order.
func (h *house) kindsOf(e ropeline.Event) []string {
	h.t.Helper()
	rows, err := h.pair.Pool.Query(h.t.Context(), "select kind from stock_ledger where event_id = $1 order by seq", e.ID)
	must(h.t, err)
	kinds, err := pgx.CollectRows(rows, pgx.RowTo[string])
	must(h.t, err)
	return kinds
}

// Each way that stock can go leaves its rows, one for each kind of ticket.
func TestLedgerTellsEveryChange(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Options{Hold: time.Second}, false)
	e := h.event(kind{5, 2, 2, 100}, kind{5, 2, 2, 100})
	both := ask(e, fan(), 1)
	both.Items = append(both.Items, ropeline.Item{TicketType: e.TicketTypes[1].ID, Quantity: 2})
	r, err := h.Reserve(t.Context(), both, 5*time.Second)
	must(t, err)
	must(t, h.giveUp(t.Context(), r.ID, r.Fan, 5*time.Second))
	paid := h.order(h.hold(e, fan(), 2))
	h.confirm(paid, "approve")
	h.deliver(1)
	h.work("paid", func() bool { return h.state(paid) == OrderPaid })
	lapsed := h.hold(e, fan(), 1)
	h.work("expired", func() bool { return h.reservationState(lapsed) == ReservationExpired })
	want := []string{"capacity", "capacity", "reserve", "reserve", "release", "release", "reserve", "settle", "reserve", "expire"}
	if got := h.kindsOf(e); !slices.Equal(got, want) {
		t.Errorf("the ledger has %v", got)
	}
	h.audit(e)
}

func TestHistoriesCannotBeChanged(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Options{}, false)
	e := h.event(kind{5, 2, 2, 0})
	o := h.order(h.hold(e, fan(), 2))
	h.work("paid", func() bool { return h.state(o) == OrderPaid })
	for _, sql := range []string{
		"update stock_ledger set delta_held = 0", "delete from stock_ledger", "truncate stock_ledger",
		"update payment_history set state = 'failed'", "delete from payment_history", "truncate payment_history", "delete from payments",
	} {
		if _, err := h.pair.Pool.Exec(t.Context(), sql); err == nil || !strings.Contains(err.Error(), "append-only") {
			t.Errorf("%s: %v", sql, err)
		}
	}
	h.audit(e)
}
