package admission

import (
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/internal/engines"
	"github.com/ropeline/ropeline/queue"
)

func TestAdmissionOnACluster(t *testing.T) {
	cluster := engines.TestCluster(t)
	h := houseOn(t, engines.Test(t).Pool, cluster.URL())
	slots := map[int64]bool{}
	for range 5 {
		rules := quick()
		rules.StockGate = true
		event := h.event(rules)
		fans := h.join(event, 5)
		h.tickNow(event)
		if err := h.Stock(t.Context(), event, 3, 1, []ropeline.FanID{fans[0].Fan}, nil); err != nil {
			t.Fatal(err)
		}
		if ticked := h.tickNow(event); len(ticked.Admitted) != 3 || ticked.Waiting != 2 {
			t.Errorf("%+v", ticked)
		}
		if _, err := h.enterNow(h.shopper(event, fans[1].Fan)); err != nil {
			t.Error(err)
		}
		if err := h.Done(t.Context(), event, fans[1].Fan); err != nil {
			t.Error(err)
		}
		rules.StockGate = false
		if _, err := h.SetRules(t.Context(), event, rules, 1, "ada"); err != nil {
			t.Error(err)
		}
		h.wait(time.Second)
		if ticked := h.tickNow(event); len(ticked.Admitted) != 2 || ticked.Version != 2 {
			t.Errorf("%+v", ticked)
		}
		if c := h.counts(event); c.Admitted != 5 || c.Entered != 1 || c.Done != 1 || c.Shoppers != 4 {
			t.Errorf("%+v", c)
		}
		slots[slotOfAll(t, h, event)] = true
	}
	if len(slots) < 2 {
		t.Error("all events fell into one slot: the test has shown nothing")
	}
}

// slotOfAll checks that admission's keys live in the slot of the line's.
func slotOfAll(t *testing.T, h *house, event ropeline.EventID) int64 {
	t.Helper()
	keys := keysOf(event)
	var slot int64
	for i, key := range []string{queue.KeysOf(event).Meta, keys.rules, keys.state, keys.shoppers, keys.deadlines,
		keys.holding, keys.redeemed, operation(event, "op")} {
		got, err := h.redis.Read.(*redis.ClusterClient).ClusterKeySlot(t.Context(), key).Result()
		if err != nil {
			t.Fatal(err)
		}
		if i > 0 && got != slot {
			t.Errorf("%s is in another slot", key)
		}
		slot = got
	}
	return slot
}
