package queue

import (
	"context"
	"log/slog"
	"slices"
	"testing"

	"github.com/ropeline/ropeline"
)

func TestJoinGivesDenseNumbersOnce(t *testing.T) {
	h := newHouse(t)
	event, crowd := h.event(), fans(12_345) // more than a block
	nodes := []*Line{h.line, h.node(), h.node()}
	places := joinAll(t, event, nodes, crowd, nil)

	numbers := make([]int64, len(places))
	for i, p := range places {
		numbers[i] = p.Number
		if p.Event != event || p.Fan != crowd[i] || p.Epoch != 1 {
			t.Fatalf("fan %d got %+v", i, p)
		}
	}
	slices.Sort(numbers)
	for i, n := range numbers {
		if n != int64(i) {
			t.Fatalf("number %d is missing or given twice (found %d)", i, n)
		}
	}
	for i, p := range joinAll(t, event, nodes, crowd, nil) {
		if p != places[i] {
			t.Fatalf("joining again moved %+v to %+v", places[i], p)
		}
	}
	s := h.snapshot(event)
	if s.Next != 12_345 || s.Waiting != 12_345 || s.Position(12_344) != 12_344 {
		t.Errorf("snapshot %+v", s)
	}
	if _, highWater, _ := h.row(event); highWater < 12_345 || highWater > 30_000 {
		t.Errorf("Postgres covers numbers below %d", highWater)
	}
}

func TestOneFanManyTimesInOneBatch(t *testing.T) {
	h := newHouse(t)
	event, fan := h.event(), fans(1)[0]
	crowd := slices.Repeat([]ropeline.FanID{fan}, 500)
	for _, p := range joinAll(t, event, []*Line{h.line, h.node()}, crowd, nil) {
		if p.Number != 0 {
			t.Fatalf("one fan got %+v", p)
		}
	}
	if s := h.snapshot(event); s.Next != 1 || s.Waiting != 1 {
		t.Errorf("snapshot %+v", s)
	}
}

// Those who stand in line already, those who come twice and those who are new
// share a batch: the new ones' numbers follow each other without a gap.
func TestOldAndNewFansShareABatch(t *testing.T) {
	h := newHouse(t)
	event, crowd := h.event(), fans(30)
	old := h.line.joinBatch(t.Context(), asJoins(event, crowd[:10]))
	mixed := slices.Concat(crowd[20:], crowd[5:15], crowd[25:], crowd[:5])
	seen := map[ropeline.FanID]int64{}
	for i, r := range h.line.joinBatch(t.Context(), asJoins(event, mixed)) {
		if r.Err != nil || r.Value.Fan != mixed[i] {
			t.Fatalf("fan %d: %+v %v", i, r.Value, r.Err)
		}
		if before, again := seen[mixed[i]]; again && before != r.Value.Number {
			t.Errorf("fan %d has the numbers %d and %d", i, before, r.Value.Number)
		}
		seen[mixed[i]] = r.Value.Number
	}
	for i, r := range old {
		if seen[crowd[i]] != r.Value.Number {
			t.Errorf("fan %d was moved from %d to %d", i, r.Value.Number, seen[crowd[i]])
		}
	}
	numbers := map[int64]bool{}
	for _, n := range seen {
		numbers[n] = true
	}
	if s := h.snapshot(event); len(seen) != 25 || len(numbers) != 25 || s.Next != 25 || s.Waiting != 25 {
		t.Errorf("%d fans have %d numbers: %+v", len(seen), len(numbers), s)
	}
}

func asJoins(event ropeline.EventID, crowd []ropeline.FanID) []joining {
	joins := make([]joining, len(crowd))
	for i, fan := range crowd {
		joins[i] = joining{event: event, fan: fan}
	}
	return joins
}

func TestJoinsOfManyEventsShareABatch(t *testing.T) {
	h := newHouse(t)
	events := []ropeline.EventID{h.event(), h.event(), h.event()}
	joins := make([]joining, 0, 30)
	crowd := fans(10)
	for i := range 30 {
		joins = append(joins, joining{event: events[i%3], fan: crowd[i/3]})
	}
	joins = append(joins, joining{event: ropeline.NewID[ropeline.EventID](), fan: crowd[0]})
	results := h.line.joinBatch(t.Context(), joins)
	for i, r := range results[:30] {
		if r.Err != nil || r.Value.Event != events[i%3] || r.Value.Number != int64(i/3) || r.Value.Fan != crowd[i/3] {
			t.Errorf("join %d: %+v, %v", i, r.Value, r.Err)
		}
	}
	if code := ropeline.CodeOf(results[30].Err); code != ropeline.CodeEventNotFound {
		t.Errorf("an unknown event: %v", results[30].Err)
	}
}

func TestJoinRefuses(t *testing.T) {
	h := newHouse(t)
	event, crowd := h.event(), fans(2)
	claim := h.join(event, crowd[0], nil)
	if _, err := h.line.Join(t.Context(), event, crowd[1], &claim); ropeline.CodeOf(err) != ropeline.CodePlaceInvalid {
		t.Errorf("another fan's place: %v", err)
	}
	if _, err := h.line.Join(t.Context(), h.event(), crowd[0], &claim); ropeline.CodeOf(err) != ropeline.CodePlaceInvalid {
		t.Errorf("another event's place: %v", err)
	}
	if _, err := h.line.Join(t.Context(), event, "short", nil); ropeline.CodeOf(err) != ropeline.CodeInvalidID {
		t.Errorf("a fan without a proper id: %v", err)
	}
	if s := h.snapshot(event); s.Waiting != 1 {
		t.Errorf("refused joins left %d fans", s.Waiting)
	}
	closed := New(h.redis, h.pool, h.keys, slog.Default())
	over, cancel := context.WithCancel(t.Context())
	cancel()
	closed.Run(over)
	if _, err := closed.Join(t.Context(), event, crowd[1], nil); ropeline.CodeOf(err) != ropeline.CodeUnavailable {
		t.Errorf("a line that has stopped: %v", err)
	}
}

func TestNumber(t *testing.T) {
	h := newHouse(t)
	event, crowd := h.event(), fans(3)
	for _, fan := range crowd[:2] {
		h.join(event, fan, nil)
	}
	got, found, err := h.line.Number(t.Context(), event, crowd[1])
	if want := (Place{Event: event, Fan: crowd[1], Number: 1, Epoch: 1}); err != nil || !found || got != want {
		t.Errorf("number %+v, %v, %v", got, found, err)
	}
	if _, found, err := h.line.Number(t.Context(), event, crowd[2]); found || err != nil {
		t.Errorf("a stranger: %v, %v", found, err)
	}
	if _, found, err := h.line.Number(t.Context(), h.event(), crowd[0]); found || err != nil {
		t.Errorf("a line that nobody has joined: %v, %v", found, err)
	}
	if _, _, err := h.line.Number(t.Context(), ropeline.NewID[ropeline.EventID](), crowd[0]); ropeline.CodeOf(err) != ropeline.CodeEventNotFound {
		t.Errorf("an unknown event: %v", err)
	}
}

func TestBlocksAreFetchedAhead(t *testing.T) {
	h := newHouse(t)
	event := h.event()
	joinAll(t, event, []*Line{h.line}, fans(block-lowWater+300), nil)
	eventually(t, "Postgres covers a second block", func() bool {
		_, highWater, _ := h.row(event)
		return highWater == 2*block
	})
	// Numbers go on without Postgres when the first block is used up.
	h.pool.Close()
	joinAll(t, event, []*Line{h.line}, fans(lowWater), nil)
	if s := h.snapshot(event); s.Next != block+300 {
		t.Errorf("the next number is %d", s.Next)
	}
}

func TestLeave(t *testing.T) {
	h := newHouse(t)
	event, crowd := h.event(), fans(3)
	for _, fan := range crowd {
		h.join(event, fan, nil)
	}
	leave := func(op string) {
		t.Helper()
		if err := h.line.Leave(t.Context(), event, crowd[1], op); err != nil {
			t.Fatal(err)
		}
	}
	leave("first")
	leave("again")
	s := h.snapshot(event)
	if s.Waiting != 2 || s.Left != 1 || !s.Gone(1) || s.Gone(0) || s.Gone(2) || s.Position(2) != 1 {
		t.Errorf("after leaving: %+v", s)
	}
	if back := h.join(event, crowd[1], &Place{Event: event, Fan: crowd[1], Number: 1, Epoch: 1}); back.Number != 3 {
		t.Errorf("who left and comes again gets number %d, not the end", back.Number)
	}
	leave("first") // repeated late: it must not cost the new place
	if s := h.snapshot(event); s.Waiting != 3 || s.Gone(3) {
		t.Errorf("a repeated leave took the new place: %+v", s)
	}
	if err := h.line.Leave(t.Context(), ropeline.NewID[ropeline.EventID](), crowd[0], ""); ropeline.CodeOf(err) != ropeline.CodeEventNotFound {
		t.Errorf("an unknown event: %v", err)
	}
}

// BenchmarkJoin is the line without HTTP: 64 fans at a time.
func BenchmarkJoin(b *testing.B) {
	h := newHouse(b)
	event := h.event()
	b.SetParallelism(32)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := h.line.Join(context.Background(), event, ropeline.NewID[ropeline.FanID](), nil); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkEvalPerJoin is its reference: one EVALSHA for each fan.
func BenchmarkEvalPerJoin(b *testing.B) {
	h := newHouse(b)
	event := h.event()
	h.join(event, fans(1)[0], nil)
	h.line.blocks.learn(event, 100_000_000)
	b.SetParallelism(32)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			fan := ropeline.NewID[ropeline.FanID]()
			if _, err := h.line.callJoin(context.Background(), event, string(fan), "", 1); err != nil {
				b.Fatal(err)
			}
		}
	})
}
