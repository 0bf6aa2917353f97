package checkout

import (
	"maps"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ropeline/ropeline"
)

func TestStockLine(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := &ledger{shelves: map[ropeline.TicketTypeID]*shelf{}}
		want := map[ropeline.TicketTypeID]Stock{}
		for range rapid.IntRange(1, 5).Draw(t, "types") {
			id, n := ropeline.NewID[ropeline.TicketTypeID](), rapid.IntRange(0, 1<<20)
			s := Stock{Capacity: n.Draw(t, "capacity"), Held: n.Draw(t, "held"), Sold: n.Draw(t, "sold")}
			l.shelves[id], want[id] = &shelf{capacity: s.Capacity, held: s.Held, sold: s.Sold, moved: true}, s
		}
		got, ok := parseStockLine(l.stockLine(7))
		if !ok || got.Version != 7 || !maps.Equal(got.Types, want) {
			t.Fatalf("%v %+v", ok, got)
		}
		parseStockLine(rapid.String().Draw(t, "anything"))
	})
}

// A node that has looked at an event once hears of its stock at once, also
// what another node's clerk did, and reads nothing for it.
func TestOtherNodesHearOfTheStock(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Options{}, false)
	other := houseOver(t, h.pair, h.pair.RedisURL, Options{}, true)
	e := h.event(kind{50, 1, 1, 0})
	must(t, h.pair.Pool.Ping(t.Context()))
	eventually(t, "the other node listens", func() bool {
		if _, err := other.Available(t.Context(), e.ID); err != nil {
			t.Fatal(err)
		}
		h.hold(e, fan(), 1)
		sold := h.stock(e, 0).Held
		for deadline := time.Now().Add(300 * time.Millisecond); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
			if seen, known := other.Seen(e.ID); known && seen.Types[e.TicketTypes[0].ID].Held == sold {
				return true
			}
		}
		return false
	})
	if _, known := other.Seen(ropeline.NewID[ropeline.EventID]()); known {
		t.Error("an event that nobody looked at")
	}
}
