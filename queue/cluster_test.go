package queue

import (
	"context"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/internal/engines"
)

func TestTheLineOnACluster(t *testing.T) {
	cluster := engines.TestCluster(t)
	h := houseOn(t, engines.Test(t).Pool, cluster.URL())
	slots := map[int64]bool{}
	for range 6 {
		event, crowd := h.event(), fans(20)
		_, ears := h.watch(event)
		places := joinAll(t, event, []*Line{h.line, h.node()}, crowd, nil)
		if err := h.line.Leave(t.Context(), event, places[3].Fan, "op"); err != nil {
			t.Fatal(err)
		}
		called := h.admit(event, 2)
		if s := h.snapshot(event); s.Waiting != 17 || s.Next != 20 || !s.Gone(called[0].Number) || !s.Gone(places[3].Number) {
			t.Errorf("snapshot %+v", s)
		}
		if _, found, err := h.line.Number(t.Context(), event, called[0].Fan); found || err != nil {
			t.Errorf("an admitted fan stands in the line: %v, %v", found, err)
		}
		eventually(t, "the leave is heard", func() bool { return ears.count(KindLeft) == 1 })
		slots[slotOfAll(t, h, event)] = true
	}
	if len(slots) < 2 {
		t.Error("all events fell into one slot: the test has shown nothing")
	}

	event, crowd := h.event(), fans(2)
	place := h.join(event, crowd[0], nil)
	err := h.redis.Write.(*redis.ClusterClient).ForEachMaster(t.Context(), func(ctx context.Context, node *redis.Client) error {
		return node.FlushAll(ctx).Err()
	})
	if err != nil {
		t.Fatal(err)
	}
	if newcomer := h.join(event, crowd[1], nil); newcomer.Number != block {
		t.Errorf("after a loss a newcomer got %+v", newcomer)
	}
	if back := h.join(event, crowd[0], &place); back.Number != place.Number || back.Epoch != 2 {
		t.Errorf("after a loss %+v came back as %+v", place, back)
	}
}

// slotOfAll checks that the keys of an event live in one slot.
func slotOfAll(t *testing.T, h *house, event ropeline.EventID) int64 {
	t.Helper()
	keys := KeysOf(event)
	var slot int64
	for i, key := range []string{keys.Meta, keys.Waiting, keys.Gone, keys.Lost, keys.Feed, operation(event, "op")} {
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
