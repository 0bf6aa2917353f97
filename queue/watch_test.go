package queue

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/internal/engines"
)

// heard collects what a watch tells.
type heard struct {
	mu      sync.Mutex
	entries []FeedEntry
}

func (h *heard) hear(e FeedEntry) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.entries = append(h.entries, e)
}

func (h *heard) kinds() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var kinds []string
	for _, e := range h.entries {
		kinds = append(kinds, e.Kind)
	}
	return kinds
}

func (h *heard) count(kind string) int {
	n := 0
	for _, k := range h.kinds() {
		if k == kind {
			n++
		}
	}
	return n
}

func (h *house) watch(event ropeline.EventID) (*Watch, *heard) {
	ears := &heard{}
	w := NewWatch(h.line, event, ears.hear)
	runUntilEnd(h.t, w.Run)
	eventually(h.t, "the watch begins with a resync", func() bool { return ears.count(KindResync) == 1 })
	return w, ears
}

func TestWatchTellsTheFeedAndKeepsASnapshot(t *testing.T) {
	h := newHouse(t)
	event, crowd := h.event(), fans(5)
	w, ears := h.watch(event)
	for _, fan := range crowd {
		h.join(event, fan, nil)
	}
	for _, fan := range crowd[1:3] {
		if err := h.line.Leave(t.Context(), event, fan, ""); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "two leaves are heard", func() bool { return ears.count(KindLeft) == 2 })
	if e := ears.entries[1]; !slices.Equal(e.Left, []Member{{1, crowd[1]}}) || e.ID != "1-2" || e.At.IsZero() {
		t.Errorf("heard %+v", e)
	}
	eventually(t, "the snapshot follows", func() bool {
		s := w.Snapshot()
		return s.Waiting == 3 && s.Gone(1) && s.Position(4) == 2
	})
}

func TestWatchResyncsWhenTheFeedIsTrimmed(t *testing.T) {
	h := newHouse(t)
	event := h.event()
	_, ears := h.watch(event)
	// Two entries of which the first is gone before anybody reads it.
	keys := KeysOf(event)
	entry := func(id string) *redis.XAddArgs {
		return &redis.XAddArgs{Stream: keys.Feed, ID: id, Values: []any{"kind", "left", "at", "1", "fans", ""}}
	}
	_, err := h.redis.Write.TxPipelined(t.Context(), func(pipe redis.Pipeliner) error {
		pipe.HSet(t.Context(), keys.Meta, "seq", 3)
		pipe.XAdd(t.Context(), entry("1-2"))
		pipe.XAdd(t.Context(), entry("1-3"))
		pipe.XDel(t.Context(), keys.Feed, "1-2")
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the gap is told", func() bool { return ears.count(KindResync) == 2 })
	if err := h.line.Leave(t.Context(), event, h.join(event, fans(1)[0], nil).Fan, ""); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the feed goes on", func() bool { return ears.count(KindLeft) == 1 })
}

func TestWatchSkipsWhatItCannotRead(t *testing.T) {
	h := newHouse(t)
	event := h.event()
	_, ears := h.watch(event)
	keys := KeysOf(event)
	_, err := h.redis.Write.TxPipelined(t.Context(), func(pipe redis.Pipeliner) error {
		pipe.HSet(t.Context(), keys.Meta, "seq", 2)
		pipe.XAdd(t.Context(), &redis.XAddArgs{Stream: keys.Feed, ID: "1-2", Values: []any{"kind", "of another version"}})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the entry is told as a resync", func() bool { return ears.count(KindResync) == 2 })
	if err := h.line.Leave(t.Context(), event, h.join(event, fans(1)[0], nil).Fan, ""); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the feed goes on", func() bool { return ears.count(KindLeft) == 1 })
}

func TestWatchLivesThroughTheDeathOfRedis(t *testing.T) {
	pair, server := engines.Test(t), engines.TestRedis(t)
	h := houseOn(t, pair.Pool, server.URL())
	event, crowd := h.event(), fans(4)
	place := h.join(event, crowd[0], nil)
	w, ears := h.watch(event)

	server.Kill()
	server.Restart()
	eventually(t, "the new life is told", func() bool {
		s := w.Snapshot()
		return ears.count(KindResync) >= 2 && s.Epoch == 2 && s.Waiting == 1
	})
	server.Lose()
	eventually(t, "the loss is told", func() bool {
		s := w.Snapshot()
		return ears.count(KindResync) >= 3 && s.Epoch == 3 && s.Waiting == 0
	})
	if back := h.join(event, crowd[0], &place); back.Number != place.Number {
		t.Errorf("back with %+v", back)
	}
	if err := h.line.Leave(t.Context(), event, crowd[0], ""); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the feed goes on", func() bool { return ears.count(KindLeft) == 1 })
}

func TestWatchEndsWithoutRedis(t *testing.T) {
	pair, server := engines.Test(t), engines.TestRedis(t)
	h := houseOn(t, pair.Pool, server.URL())
	w := NewWatch(h.line, h.event(), func(FeedEntry) {})
	server.Kill()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- w.Run(ctx) }()
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if w.Snapshot() != nil {
		t.Error("a snapshot came from nowhere")
	}
}

func TestParseMembers(t *testing.T) {
	const fan = "0123456789abcdefghijklmnop"
	got, err := ParseMembers("0:" + fan + ",17:" + fan)
	if err != nil || !slices.Equal(got, []Member{{0, fan}, {17, fan}}) {
		t.Errorf("members %v, %v", got, err)
	}
	for _, bad := range []string{",", "1", "1:", "x:" + fan, "-2:" + fan, "1:short", "1:" + fan + ","} {
		if _, err := ParseMembers(bad); err == nil {
			t.Errorf("%q passed", bad)
		}
	}
}

func TestCatchUp(t *testing.T) {
	h := newHouse(t)
	event, crowd := h.event(), fans(3)
	for _, fan := range crowd {
		h.join(event, fan, nil)
	}
	w := NewWatch(h.line, event, func(FeedEntry) {}) // does not run: only CatchUp reads the line
	w.CatchUp(t.Context(), "1-1")                    // nothing to catch up with yet
	if err := w.take(t.Context()); err != nil {
		t.Fatal(err)
	}
	old := w.Snapshot()
	for _, offset := range []string{old.Offset, "1-0", "0-99", "", "-", "nonsense"} {
		w.CatchUp(t.Context(), offset)
		if w.Snapshot() != old {
			t.Errorf("read the line for %q", offset)
		}
	}
	if err := h.line.Leave(t.Context(), event, crowd[0], ""); err != nil {
		t.Fatal(err)
	}
	told := h.snapshot(event) // what another node told
	if !old.Before(told.Offset) || told.Before(told.Offset) || !old.Before("2-1") {
		t.Fatalf("%s before %s", old.Offset, told.Offset)
	}
	w.CatchUp(t.Context(), told.Offset)
	if s := w.Snapshot(); s.Offset != told.Offset || s.Position(2) != 1 {
		t.Errorf("caught up to %s, not %s", s.Offset, told.Offset)
	}

	// Forged offsets do not make the node read the line more than ten times a second.
	began, s := time.Now(), w.Snapshot()
	reads := 0
	for range 5 {
		var together sync.WaitGroup
		for range 50 {
			together.Go(func() { w.CatchUp(t.Context(), "9-999999") })
		}
		together.Wait()
		if now := w.Snapshot(); now != s {
			reads, s = reads+1, now
		}
	}
	if took := time.Since(began); reads != 5 || took < 4*catchUpEvery {
		t.Errorf("%d reads in %s", reads, took)
	}
}

func TestSnapshotCountsTheLost(t *testing.T) {
	h := newHouse(t)
	event, crowd := h.event(), fans(4)
	var places []Place
	for _, fan := range crowd {
		places = append(places, h.join(event, fan, nil))
	}
	if s := h.snapshot(event); s.Lost != 0 {
		t.Errorf("%d lost in a healthy line", s.Lost)
	}
	if err := h.line.RecordAdmitted(t.Context(), event, 0); err != nil {
		t.Fatal(err)
	}
	h.redis.Write.FlushDB(t.Context())
	before := h.snapshot(event).Lost
	h.join(event, crowd[2], &places[2])
	if after := h.snapshot(event).Lost; before < 3 || after != before-1 {
		t.Errorf("%d lost, and %d after one came back", before, after)
	}
}
