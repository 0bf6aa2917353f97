package queue

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"pgregory.net/rapid"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/queue/draw"
)

// lobby makes an event whose lobby is open and whose drop has come: the draw
// runs as soon as somebody takes its steps.
func (h *house) lobby(p Plan) ropeline.EventID {
	h.t.Helper()
	event := h.event()
	err := pgx.BeginFunc(context.Background(), h.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(context.Background(), "update events set lobby_at = drop_at - interval '1 hour' where id = $1", event); err != nil {
			return err
		}
		return h.line.OpenLobby(context.Background(), tx, event, p)
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return event
}

// secret is the draw's row, seed and all.
func (h *house) secret(event ropeline.EventID) Draw {
	h.t.Helper()
	d, err := readDraw(context.Background(), h.pool, event, "")
	if err != nil {
		h.t.Fatal(err)
	}
	return d
}

// finish takes the steps of a draw until it is done.
func (h *house) finish(event ropeline.EventID) Draw {
	h.t.Helper()
	eventually(h.t, "the draw is done", func() bool {
		if err := h.line.takeSteps(context.Background(), event); err != nil {
			h.t.Logf("a step: %v", err)
		}
		return h.secret(event).is() == stateDone
	})
	return h.secret(event)
}

// numbers are what Redis holds: fan → number.
func (h *house) numbers(event ropeline.EventID) map[ropeline.FanID]int64 {
	h.t.Helper()
	all, err := h.redis.Read.ZRangeWithScores(context.Background(), KeysOf(event).Waiting, 0, -1).Result()
	if err != nil {
		h.t.Fatal(err)
	}
	numbers := map[ropeline.FanID]int64{}
	for _, z := range all {
		numbers[ropeline.FanID(z.Member.(string))] = int64(z.Score)
	}
	return numbers
}

// want is what anybody computes from the public record.
func want(d Draw, fans []ropeline.FanID) map[ropeline.FanID]int64 {
	entrants := draw.NewEntrants(slices.Clone(fans))
	numbers := map[ropeline.FanID]int64{}
	for number, index := range draw.Order(d.Seed, draw.Hash(d.Entropy), entrants) {
		numbers[ropeline.FanID(entrants.At(int(index)))] = int64(number)
	}
	return numbers
}

func checkNumbers(t testing.TB, got, want map[ropeline.FanID]int64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d fans have a number, want %d", len(got), len(want))
	}
	for fan, number := range want {
		if have, waits := got[fan]; !waits || have != number {
			t.Fatalf("%s has number %d (%v), want %d", fan, have, waits, number)
		}
	}
}

func TestTheLobbyIsDrawnByThePublishedRule(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	event, crowd := h.lobby(Plan{}), fans(300)
	var grown atomic.Int64
	h.line.OnGrowth(func(which ropeline.EventID) {
		if which == event {
			grown.Add(1)
		}
	})
	for _, p := range joinAll(t, event, []*Line{h.line}, crowd, nil) {
		if !p.InLobby() || p.Epoch != 1 {
			t.Fatalf("a place in the lobby: %+v", p)
		}
	}
	if n := grown.Load(); n != 0 {
		t.Errorf("the line has grown %d times while there is only a lobby", n)
	}
	s := h.snapshot(event)
	if s.Lobby != LobbyOpen || s.Waiting != 300 || s.Next != 0 {
		t.Fatalf("the lobby: %+v", s)
	}
	if d, err := h.line.Draw(ctx, event); err != nil || d.Seed != nil || len(d.Commitment) != 32 || d.Root != nil {
		t.Fatalf("published before the drop: %+v, %v", d, err)
	}
	d := h.finish(event)
	if c := draw.Commitment(d.Seed); string(c[:]) != string(d.Commitment) {
		t.Error("the seed is not the one that was committed to")
	}
	if root := draw.Root(draw.NewEntrants(slices.Clone(crowd))); string(root[:]) != string(d.Root) || d.Entrants != 300 {
		t.Error("the root is not the entrants'")
	}
	checkNumbers(t, h.numbers(event), want(d, crowd))
	if n := grown.Load(); n != 1 {
		t.Errorf("the line has grown %d times by the draw", n)
	}

	late := h.join(event, fans(1)[0], nil)
	if late.Number != 300 {
		t.Errorf("who comes late gets number %d", late.Number)
	}
	if n := grown.Load(); n != 2 {
		t.Errorf("told of %d times that the line has grown", n)
	}
	s = h.snapshot(event)
	if s.Lobby != NoLobby || s.Waiting != 301 || s.Position(300) != 300 || s.Position(7) != 7 {
		t.Errorf("after the draw: %+v", s)
	}
	place, found, err := h.line.Number(ctx, event, crowd[5])
	if err != nil || !found || place.Number != want(d, crowd)[crowd[5]] {
		t.Errorf("a fan who comes back: %+v, %v, %v", place, found, err)
	}
	if n, err := h.redis.Read.Exists(ctx, KeysOf(event).Lobby, KeysOf(event).Leavers).Result(); err != nil || n != 0 {
		t.Errorf("%d sets of the lobby are left, %v", n, err)
	}
	if settle := h.redis.Read.HGet(ctx, KeysOf(event).Meta, "settle").Val(); settle != "0" {
		t.Errorf("admission waits until %s", settle)
	}
}

func TestLeavingAndReturningInTheLobbyChangesNobodysChance(t *testing.T) {
	h := newHouse(t)
	rapid.Check(t, func(rt *rapid.T) {
		event, crowd := h.lobby(Plan{}), fans(8)
		in := map[ropeline.FanID]bool{}
		for range rapid.IntRange(0, 30).Draw(rt, "moves") {
			fan := rapid.SampledFrom(crowd).Draw(rt, "fan")
			if rapid.Bool().Draw(rt, "joins") {
				if p := h.join(event, fan, nil); !p.InLobby() {
					rt.Fatalf("a number in the lobby: %+v", p)
				}
				in[fan] = true
				continue
			}
			if err := h.line.Leave(context.Background(), event, fan, ""); err != nil {
				rt.Fatal(err)
			}
			delete(in, fan)
		}
		if s := h.snapshot(event); s.Waiting != int64(len(in)) {
			rt.Fatalf("%d in the lobby, want %d", s.Waiting, len(in))
		}
		var rest []ropeline.FanID
		for fan := range in {
			rest = append(rest, fan)
		}
		d := h.finish(event)
		checkNumbers(t, h.numbers(event), want(d, rest))
	})
}

func TestOneDrawByTenNodes(t *testing.T) {
	h := newHouse(t)
	event, crowd := h.lobby(Plan{}), fans(2500)
	joinAll(t, event, []*Line{h.line}, crowd, nil)
	var all sync.WaitGroup
	for range 10 {
		node := h.node()
		all.Go(func() {
			for h.secret(event).is() != stateDone {
				if err := node.takeSteps(context.Background(), event); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	checkNumbers(t, h.numbers(event), want(h.secret(event), crowd))
}

func TestRunDrawsMakesThoseThatAreDue(t *testing.T) {
	h := newHouse(t)
	event, crowd := h.lobby(Plan{}), fans(10)
	early := h.lobby(Plan{})
	if _, err := h.pool.Exec(t.Context(), "update events set drop_at = now() + interval '1 hour' where id = $1", early); err != nil {
		t.Fatal(err)
	}
	joinAll(t, event, []*Line{h.line}, crowd, nil)
	for range 2 {
		runUntilEnd(t, h.node().RunDraws)
	}
	eventually(t, "the draw is done", func() bool { return h.secret(event).is() == stateDone })
	checkNumbers(t, h.numbers(event), want(h.secret(event), crowd))
	if d := h.secret(early); d.is() != stateOpen {
		t.Errorf("a draw before its drop is %s", d.State)
	}
}

// A node that dies anywhere in a step, and a Redis that is lost between steps
// once the entrants are written down, change nothing about the outcome.
func TestADrawIsResumedWhereverItStopped(t *testing.T) {
	h := newHouse(t)
	for round := range 6 {
		event, crowd := h.lobby(Plan{}), fans(3500)
		joinAll(t, event, []*Line{h.line}, crowd, nil)
		rng := rand.New(rand.NewPCG(uint64(round), 7))
		stops := 0
		eventually(t, "the draw is done", func() bool {
			// Whoever is cut off keeps the lock until Postgres notices, so not every try is one.
			ctx, cancel := context.WithTimeout(context.Background(), time.Duration(rng.IntN(12_000+1000*stops))*time.Microsecond)
			if err := h.line.takeSteps(ctx, event); err != nil {
				stops++
			}
			cancel()
			if s := h.secret(event).is(); (s == stateClosed || s == stateMixed) && rng.IntN(4) == 0 {
				h.lose()
			}
			return h.secret(event).is() == stateDone
		})
		t.Logf("round %d: stopped %d times", round, stops)
		checkNumbers(t, h.numbers(event), want(h.secret(event), crowd))
		if s := h.snapshot(event); s.Waiting != 3500 || s.Position(1234) != 1234 || s.Gone(0) {
			t.Fatalf("after the draw: %+v", s)
		}
	}
}

func TestWhoComesLateOrLeavesWhileTheDrawWaits(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	event, crowd := h.lobby(Plan{Source: draw.Public, Promise: "the lottery", Wait: time.Hour}), fans(50)
	joinAll(t, event, []*Line{h.line}, crowd, nil)
	if err := h.line.takeSteps(ctx, event); err != nil {
		t.Fatal(err)
	}
	if d, err := h.line.Draw(ctx, event); err != nil || d.is() != stateClosed || d.Seed != nil || d.Entrants != 50 {
		t.Fatalf("while it waits: %+v, %v", d, err)
	}
	if s := h.snapshot(event); s.Lobby != LobbyClosed || s.Waiting != 50 || s.Next != 50 {
		t.Fatalf("while it waits: %+v", s)
	}
	if again := h.join(event, crowd[0], nil); !again.InLobby() {
		t.Errorf("an entrant joins again and gets %+v", again)
	}
	late := h.join(event, fans(1)[0], nil)
	if late.Number != 50 || h.snapshot(event).Position(50) != 50 {
		t.Errorf("who comes late: %+v", late)
	}
	for range 2 {
		if err := h.line.Leave(ctx, event, crowd[1], ""); err != nil {
			t.Fatal(err)
		}
	}
	back := h.join(event, crowd[1], nil)
	if back.Number != 51 {
		t.Errorf("who left the lobby comes back as %+v", back)
	}
	if err := h.line.Leave(ctx, event, crowd[2], ""); err != nil {
		t.Fatal(err)
	}
	if _, err := h.pool.Exec(ctx, "update draws set closed_at = closed_at - interval '2 hours' where event_id = $1", event); err != nil {
		t.Fatal(err)
	}
	d := h.finish(event)
	if d.MixedFrom != draw.FromRoot || d.Value != fmt.Sprintf("%x", d.Root) {
		t.Errorf("the value did not come: %s, %s", d.MixedFrom, d.Value)
	}
	expected := want(d, crowd)
	gone := []int64{expected[crowd[1]], expected[crowd[2]]}
	delete(expected, crowd[2])
	expected[crowd[1]], expected[late.Fan] = 51, 50
	checkNumbers(t, h.numbers(event), expected)
	s := h.snapshot(event)
	for _, n := range gone {
		if !s.Gone(n) {
			t.Errorf("number %d of a fan who left waits", n)
		}
	}
	if s.Waiting != 50 || s.Position(51) != 49 || s.Left != 2 {
		t.Errorf("after the draw: %+v", s)
	}
}

func TestALostLobbyWaitsForItsFans(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	event, crowd := h.lobby(Plan{}), fans(40)
	places := joinAll(t, event, []*Line{h.line}, crowd, nil)
	h.line.back = time.Hour
	h.lose()
	back := h.join(event, crowd[0], &places[0])
	if !back.InLobby() || back.Epoch != 2 {
		t.Fatalf("back in the lobby: %+v", back)
	}
	if err := h.line.takeSteps(ctx, event); err != nil {
		t.Fatal(err)
	}
	if d := h.secret(event); d.is() != stateOpen {
		t.Fatalf("the draw did not wait: %s", d.State)
	}
	joinAll(t, event, []*Line{h.line}, crowd[1:30], places[1:30])
	if err := h.redis.Write.HSet(ctx, KeysOf(event).Meta, "returning", 0).Err(); err != nil {
		t.Fatal(err)
	}
	d := h.finish(event)
	checkNumbers(t, h.numbers(event), want(d, crowd[:30]))
	if late := h.join(event, crowd[35], &places[35]); late.Number != 30 {
		t.Errorf("who came back too late: %+v", late)
	}
}

// Redis is lost right after the draw: fans who never heard of their number
// come back to it with the place of the lobby, or with none when that answer
// was lost too. A node hears of the loss from the first of them whom it serves.
func TestTheDrawsNumbersSurviveALossOfRedis(t *testing.T) {
	h := newHouse(t)
	nodes := []*Line{h.line, h.node()}
	event, crowd := h.lobby(Plan{}), fans(60)
	places := joinAll(t, event, nodes, crowd, nil)
	expected := want(h.finish(event), crowd)
	h.lose()
	for at, i := range rand.Perm(60) {
		claim := &places[i]
		if at%2 == 0 {
			claim = nil
		}
		p, err := nodes[at%4/2].Join(t.Context(), event, crowd[i], claim)
		if err != nil {
			t.Fatal(err)
		}
		if p.Number != expected[crowd[i]] {
			t.Fatalf("%s comes back as %d, want %d", crowd[i], p.Number, expected[crowd[i]])
		}
	}
	checkNumbers(t, h.numbers(event), expected)
}

func TestNobodyComesOrGoesWhileTheEntrantsAreWrittenDown(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	event, crowd := h.lobby(Plan{}), fans(2)
	h.join(event, crowd[0], nil)
	keys := KeysOf(event)
	if _, err := h.line.callDraw(ctx, "close", h.line.scripts.close, []string{keys.Meta, keys.Lobby}, 3); err != nil {
		t.Fatal(err)
	}
	for what, err := range map[string]error{
		"join":  func() error { _, err := h.line.Join(ctx, event, crowd[1], nil); return err }(),
		"leave": h.line.Leave(ctx, event, crowd[0], ""),
	} {
		if e, ok := errors.AsType[*ropeline.Error](err); !ok || e.Code != ropeline.CodeNotOpen || e.RetryAfter == 0 {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestAnEmptyLobby(t *testing.T) {
	h := newHouse(t)
	event := h.lobby(Plan{})
	d := h.finish(event)
	if d.Entrants != 0 || len(d.Root) != 32 {
		t.Errorf("%+v", d)
	}
	if p := h.join(event, fans(1)[0], nil); p.Number != 0 {
		t.Errorf("the first fan gets %+v", p)
	}
}

func TestPlans(t *testing.T) {
	h := newHouse(t)
	for _, p := range []Plan{
		{Source: "dice"}, {Promise: "something"}, {Source: draw.Public}, {Source: draw.Public, Promise: " "},
		{Wait: -time.Second}, {Wait: 8 * 24 * time.Hour},
	} {
		err := pgx.BeginFunc(t.Context(), h.pool, func(tx pgx.Tx) error { return h.line.OpenLobby(t.Context(), tx, h.event(), p) })
		if ropeline.CodeOf(err) != ropeline.CodeInvalidRequest {
			t.Errorf("%+v: %v", p, err)
		}
	}
	if _, err := h.line.Draw(t.Context(), h.event()); ropeline.CodeOf(err) != ropeline.CodeNotFound {
		t.Errorf("a line without a lobby: %v", err)
	}
}

func TestThePromisedValueCounts(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	event, crowd := h.lobby(Plan{Source: draw.Public, Promise: "the lottery of Sunday", Wait: time.Hour}), fans(20)
	joinAll(t, event, []*Line{h.line}, crowd, nil)
	give := func(value string) ropeline.Code {
		err := h.line.GiveEntropy(ctx, event, value)
		if err == nil {
			return ""
		}
		return ropeline.CodeOf(err)
	}
	if code := give("1 2 3"); code != ropeline.CodeNotOpen {
		t.Errorf("before the lobby closed: %s", code)
	}
	if err := h.line.takeSteps(ctx, event); err != nil {
		t.Fatal(err)
	}
	if code := give(" 1 2 3"); code != ropeline.CodeInvalidRequest {
		t.Errorf("with spaces: %s", code)
	}
	if code := give("1 2 3"); code != "" {
		t.Fatalf("in time: %s", code)
	}
	if code := give("4 5 6"); code != ropeline.CodeSaleClosed {
		t.Errorf("a second one: %s", code)
	}
	d := h.finish(event)
	if d.MixedFrom != draw.Public || d.Value != "1 2 3" {
		t.Errorf("%s %s", d.MixedFrom, d.Value)
	}
	checkNumbers(t, h.numbers(event), want(d, crowd))
	if _, err := d.Record().Verify(draw.NewEntrants(slices.Clone(crowd))); err != nil {
		t.Error(err)
	}

	old := h.lobby(Plan{Source: draw.Drand, Promise: "1000", Wait: time.Hour})
	if err := h.line.takeSteps(ctx, old); err != nil {
		t.Fatal(err)
	}
	err := h.line.GiveEntropy(ctx, old, "b44679b9a59af2ec876b1a6b1ad52ea9b1615fc3982b19576350f93447cb1125e342b73a8dd2bacbe47e4b6b63ed5e39")
	if ropeline.CodeOf(err) != ropeline.CodeSaleClosed {
		t.Errorf("a round that was public before: %v", err)
	}
}
