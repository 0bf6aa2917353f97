package admission

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/ropeline/ropeline"
)

// Every node that ticks tells which rules it applies; one that has died is not
// waited for, and one that ends says so.
func TestNodesConfirmTheRules(t *testing.T) {
	h := newHouse(t)
	event := h.event(quick())
	ctx := t.Context()
	note := func(a *Admission, node, version, paused string) {
		t.Helper()
		other := &Admission{redis: a.redis, scripts: a.scripts, node: node}
		if err := other.note(ctx, event, version, paused); err != nil {
			t.Fatal(err)
		}
	}
	look := func(version int64, paused bool) (by, of int) {
		t.Helper()
		applied, err := h.Admission.Applied(ctx, event)
		if err != nil {
			t.Fatal(err)
		}
		return applied.By(Rules{Version: version, Paused: paused}), applied.Nodes
	}
	if by, of := look(1, false); by != 0 || of != 0 {
		t.Errorf("before any tick: %d of %d", by, of)
	}
	note(h.Admission, "one", "1", "0")
	note(h.Admission, "two", "1", "0")
	if by, of := look(1, false); by != 2 || of != 2 {
		t.Errorf("both apply version 1: %d of %d", by, of)
	}
	note(h.Admission, "one", "1", "1") // stopped in Redis, before the rules say so
	if by, of := look(1, true); by != 1 || of != 2 {
		t.Errorf("one has stopped: %d of %d", by, of)
	}
	note(h.Admission, "one", "2", "1")
	note(h.Admission, "two", "3", "0")
	if by, of := look(2, true); by != 2 || of != 2 {
		t.Errorf("a newer version counts as the old one: %d of %d", by, of)
	}
	note(h.Admission, "two", "", "")
	if by, of := look(2, true); by != 1 || of != 1 {
		t.Errorf("one has ended: %d of %d", by, of)
	}
	dead := time.Now().Add(-noteLife - time.Second).UnixMilli()
	if err := h.redis.Write.HSet(ctx, keysOf(event).nodes, "dead", "1:0:"+strconv.FormatInt(dead, 10)).Err(); err != nil {
		t.Fatal(err)
	}
	if by, of := look(2, true); by != 1 || of != 1 {
		t.Errorf("one has died: %d of %d", by, of)
	}
}

// A running loop confirms within a tick or two, and an emergency stop as well.
func TestRunConfirms(t *testing.T) {
	h := newHouse(t)
	event := h.event(quick())
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- h.Run(ctx, func(context.Context) ([]ropeline.EventID, error) { return []ropeline.EventID{event}, nil })
	}()
	confirmed := func(r Rules, nodes int) func() bool {
		return func() bool {
			applied, err := h.Applied(t.Context(), event)
			return err == nil && applied.Nodes == nodes && applied.By(r) == nodes
		}
	}
	rules, err := h.Rules(t.Context(), event)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the first rules are confirmed", confirmed(rules, 1))
	stopped, err := h.Stop(t.Context(), event, "test")
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the stop is confirmed", confirmed(stopped, 1))
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	eventually(t, "nobody is waited for", confirmed(stopped, 0))
}
