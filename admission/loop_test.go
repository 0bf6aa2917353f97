package admission

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/internal/engines"
)

// list is the events that a loop serves, as a test changes it.
type list struct {
	mu     sync.Mutex
	events []ropeline.EventID
	err    error
	asked  int // since the last change
}

func (l *list) set(err error, events ...ropeline.EventID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.events, l.err, l.asked = events, err, 0
}

func (l *list) get(context.Context) ([]ropeline.EventID, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asked++
	return l.events, l.err
}

func (l *list) wasAsked() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.asked > 3 // by three nodes
}

func TestRunAdmitsHealsAndRecords(t *testing.T) {
	h := newHouse(t)
	event, other := h.event(quick()), h.event(quick())
	h.join(event, 10)
	h.join(other, 1)
	var served list
	served.set(nil, event)
	for range 3 { // nodes
		runUntilEnd(t, func(ctx context.Context) error { return h.Run(ctx, served.get) })
	}
	admitted := func(event ropeline.EventID, want int64) func() bool {
		return func() bool { return h.counts(event).Admitted == want }
	}
	eventually(t, "ten are admitted", admitted(event, 10))
	eventually(t, "Postgres knows how far", func() bool {
		var high int64
		err := h.pool.QueryRow(t.Context(), "select admitted_high from lines where event_id = $1", event).Scan(&high)
		return err == nil && high == 9
	})

	// A node wrote new rules and died before it told Redis.
	paused := quick()
	paused.Version, paused.Paused = 2, true
	err := pgx.BeginFunc(t.Context(), h.pool, func(tx pgx.Tx) error {
		_, err := insertRules(t.Context(), tx, event, paused, "who died")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the new rules are in force", func() bool {
		return h.redis.Read.HGet(t.Context(), keysOf(event).rules, "paused").Val() == "1"
	})

	if c := h.counts(other); c.Admitted != 0 {
		t.Errorf("an event that is not listed is served: %+v", c)
	}
	served.set(errors.New("no list"))
	eventually(t, "the list has failed", served.wasAsked)
	served.set(nil, other)
	eventually(t, "the other event is served", admitted(other, 1))
}

func TestRunGoesOnAfterRedisDied(t *testing.T) {
	pair, server := engines.Test(t), engines.TestRedis(t)
	h := houseOn(t, pair.Pool, server.URL())
	event := h.event(quick())
	h.join(event, 3)
	var served list
	served.set(nil, event)
	runUntilEnd(t, func(ctx context.Context) error { return h.Run(ctx, served.get) })
	eventually(t, "three are admitted", func() bool { return h.counts(event).Admitted == 3 })
	server.Lose()
	place := h.join(event, 1)[0]
	if place.Epoch != 2 {
		t.Errorf("after the loss: %+v", place)
	}
	eventually(t, "who came after the loss is admitted", func() bool {
		_, found, err := h.Shopper(t.Context(), event, place.Fan)
		return err == nil && found
	})
}

func TestRunEndsWithItsTicks(t *testing.T) {
	h := newHouse(t)
	event := h.event(quick())
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		done <- h.Run(ctx, func(context.Context) ([]ropeline.EventID, error) {
			return []ropeline.EventID{event, ropeline.NewID[ropeline.EventID]()}, nil
		})
	}()
	eventually(t, "it ticks", func() bool { return h.redis.Read.Exists(t.Context(), keysOf(event).state).Val() == 1 })
	cancel()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("it does not end")
	}
}

// A line that nobody waits in is ticked once a second, and at the next moment once
// somebody has joined.
func TestIdleLinesTickSeldom(t *testing.T) {
	h := newHouse(t)
	event := h.event(quick())
	l := &ticking{admission: h.Admission, event: event, high: -1}
	h.Admission.loops.Store(event, l)
	soon := func() bool { return l.due(l.last.Add(tickEvery)) }
	l.runOnce(t.Context())
	if soon() || l.due(l.last.Add(idleEvery/2)) || !l.due(l.last.Add(idleEvery)) {
		t.Error("nobody waits: it is not once a second")
	}
	h.join(event, 1)
	if !soon() || soon() {
		t.Error("somebody has joined: it is not the next moment, and that one")
	}
	rules := quick()
	rules.Version, rules.Paused = 2, true
	if err := h.push(t.Context(), event, rules, ""); err != nil {
		t.Fatal(err)
	}
	l.runOnce(t.Context())
	for range 2 {
		if !soon() {
			t.Error("somebody waits: it is not each moment")
		}
	}
	rules.Version, rules.Paused, rules.ShowUp = 3, false, time.Millisecond
	h.Publish(t.Context(), event, rules)
	l.runOnce(t.Context()) // lets the fan in
	if !soon() || soon() {
		t.Error("there are new rules: it is not the next moment, and that one")
	}
	time.Sleep(5 * time.Millisecond) // the pass runs out
	l.runOnce(t.Context())
	for range 2 {
		if !soon() {
			t.Error("somebody's time was over: it is not each moment")
		}
	}
	l.runOnce(t.Context())
	if soon() {
		t.Error("nobody is left, and it is each moment")
	}
}
