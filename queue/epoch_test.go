package queue

import (
	"context"
	"sync"
	"testing"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/internal/engines"
)

func TestNumbersSurviveALostRedis(t *testing.T) {
	h := newHouse(t)
	event, crowd := h.event(), fans(300)
	nodes := []*Line{h.line, h.node(), h.node()}
	before := joinAll(t, event, nodes, crowd[:200], nil)
	h.lose()

	// Newcomers and returning fans come at once, over all nodes.
	var all sync.WaitGroup
	var newcomers, returned []Place
	all.Go(func() { newcomers = joinAll(t, event, nodes, crowd[200:], nil) })
	all.Go(func() { returned = joinAll(t, event, nodes, crowd[:200], before) })
	all.Wait()

	if epoch, _, _ := h.row(event); epoch != 2 {
		t.Errorf("one loss led to epoch %d", epoch)
	}
	for i, p := range returned {
		if p.Number != before[i].Number || p.Epoch != 2 {
			t.Fatalf("%+v came back as %+v", before[i], p)
		}
	}
	seen := map[int64]bool{}
	for _, p := range append(newcomers, returned...) {
		if seen[p.Number] {
			t.Fatalf("number %d was given to two fans", p.Number)
		}
		seen[p.Number] = true
	}
	for _, p := range newcomers {
		if p.Number < block {
			t.Fatalf("a newcomer got number %d, below the high-water mark", p.Number)
		}
	}
	s := h.snapshot(event)
	ahead := int64(0)
	for n := range s.Next { // positions know the gap between the old and the new numbers
		if s.Gone(n) == seen[n] || seen[n] && s.Position(n) != ahead {
			t.Fatalf("number %d: gone %v, position %d, want %v, %d", n, s.Gone(n), s.Position(n), !seen[n], ahead)
		}
		if seen[n] {
			ahead++
		}
	}
}

func TestLossInTheMiddleOfJoining(t *testing.T) {
	h := newHouse(t)
	event := h.event()
	nodes := []*Line{h.line, h.node()}
	crowd := fans(6000)
	given := make([]Place, len(crowd))
	half := make(chan struct{})
	var all, started sync.WaitGroup
	started.Add(len(crowd) / 4)
	next := make(chan int)
	for worker := range 32 {
		all.Go(func() {
			for i := range next {
				place, err := nodes[worker%2].Join(context.Background(), event, crowd[i], nil)
				if err != nil {
					t.Errorf("join: %v", err)
				}
				given[i] = place
				if i < len(crowd)/4 {
					started.Done()
				}
			}
		})
	}
	all.Go(func() {
		started.Wait()
		h.lose()
		close(half)
	})
	for i := range crowd {
		if i == len(crowd)/2 {
			<-half // so that the loss falls among joins, not after them
		}
		next <- i
	}
	close(next)
	all.Wait()

	// Two fans never held one number, over both epochs.
	holders := map[int64]ropeline.FanID{}
	for _, p := range given {
		if other, taken := holders[p.Number]; taken {
			t.Fatalf("number %d was given to %s and %s", p.Number, other, p.Fan)
		}
		holders[p.Number] = p.Fan
	}
	// And everybody comes back to the number they hold.
	for i, p := range joinAll(t, event, nodes, crowd, given) {
		if p.Number != given[i].Number || p.Epoch != 2 {
			t.Fatalf("%+v came back as %+v", given[i], p)
		}
	}
	if epoch, _, _ := h.row(event); epoch != 2 {
		t.Errorf("epoch %d", epoch)
	}
	if s := h.snapshot(event); s.Waiting != int64(len(crowd)) {
		t.Errorf("%d of %d fans stand in the line", s.Waiting, len(crowd))
	}
}

func TestWhatAPlaceIsGoodForAfterALoss(t *testing.T) {
	h := newHouse(t)
	event, crowd := h.event(), fans(6)
	var places []Place
	for _, fan := range crowd {
		places = append(places, h.join(event, fan, nil))
	}
	if err := h.line.RecordAdmitted(t.Context(), event, 1); err != nil {
		t.Fatal(err)
	}
	if err := h.line.RecordAdmitted(t.Context(), event, 0); err != nil {
		t.Fatal(err)
	}
	h.lose()
	if p := h.join(event, crowd[1], &places[1]); p.Number != block {
		t.Errorf("who was admitted before the loss comes back to %d, not the end", p.Number)
	}
	if p := h.join(event, crowd[2], &places[2]); p.Number != 2 {
		t.Errorf("who waited comes back to %d", p.Number)
	}
	if err := h.line.Leave(t.Context(), event, crowd[2], ""); err != nil {
		t.Fatal(err)
	}
	if p := h.join(event, crowd[2], &places[2]); p.Number != block+1 {
		t.Errorf("a place was good twice: number %d", p.Number)
	}
	if called := h.admit(event, 1); called[0].Fan != crowd[1] {
		t.Errorf("admitted %+v", called)
	}
	late := places[3]
	if p := h.join(event, crowd[3], &late); p.Number != 3 {
		t.Errorf("who comes late comes back to %d", p.Number)
	}
	stranger := fans(1)[0]
	if p := h.join(event, stranger, &Place{Event: event, Fan: stranger, Number: 4, Epoch: 9}); p.Number != block+2 {
		t.Errorf("a place of an epoch to come gave number %d", p.Number)
	}
	if p := h.join(event, crowd[5], &Place{Event: event, Fan: crowd[5], Number: 1 << 40, Epoch: 1}); p.Number != block+3 {
		t.Errorf("a number that was never given is now %d", p.Number)
	}
}

// A fan who first comes back without the place, as another device of an
// account does, keeps the number from before the loss all the same.
func TestTheEarlierNumberCountsAfterALoss(t *testing.T) {
	h := newHouse(t)
	event, crowd := h.event(), fans(3)
	var places []Place
	for _, fan := range crowd {
		places = append(places, h.join(event, fan, nil))
	}
	h.lose()
	for i, fan := range crowd {
		if p := h.join(event, fan, nil); p.Number != int64(block+i) {
			t.Fatalf("without its place fan %d came back to %d", i, p.Number)
		}
	}
	for range 2 { // the second time changes nothing
		if p := h.join(event, crowd[1], &places[1]); p.Number != 1 || p.Epoch != 2 {
			t.Errorf("with its place it came back to %+v", p)
		}
	}
	s := h.snapshot(event)
	for n, gone := range map[int64]bool{0: true, 1: false, 2: true, block: false, block + 1: true, block + 2: false} {
		if s.Gone(n) != gone {
			t.Errorf("number %d: gone %v", n, s.Gone(n))
		}
	}
	called := h.admit(event, 3)
	if len(called) != 3 || called[0].Fan != crowd[1] || called[1].Fan != crowd[0] || called[2].Fan != crowd[2] {
		t.Errorf("admitted %+v", called)
	}
}

func TestEveryoneWhoLooksRestoresTheLine(t *testing.T) {
	h := newHouse(t)
	event, fan := h.event(), fans(1)[0]
	h.join(event, fan, nil)
	looks := []func() error{
		func() error { _, err := h.line.Snapshot(t.Context(), event); return err },
		func() error { _, _, err := h.line.Number(t.Context(), event, fan); return err },
		func() error { return h.line.Leave(t.Context(), event, fan, "") },
		func() error { return h.line.Restore(t.Context(), event) },
	}
	for i, look := range looks {
		h.lose()
		for range 3 { // only the first finds something to do
			if err := look(); err != nil {
				t.Fatal(err)
			}
		}
		if epoch, _, _ := h.row(event); epoch != int64(i+2) {
			t.Errorf("look %d led to epoch %d", i, epoch)
		}
	}
	if s := h.snapshot(event); s.Epoch != 5 || s.Next != block {
		t.Errorf("after four losses: %+v", s)
	}
}

func TestARestoreThatPostgresForgotGivesNothingTwice(t *testing.T) {
	h := newHouse(t)
	event := h.event()
	first := h.join(event, fans(1)[0], nil)
	h.lose()
	// A node restored the line in Redis and died before it committed.
	keys := KeysOf(event)
	err := h.line.scripts.restore.Run(t.Context(), h.redis.Write,
		[]string{keys.Meta, keys.Waiting, keys.Gone, keys.Lost, keys.Feed, keys.Lobby, keys.Leavers}, 2, block, -1, 0, "", 0, 0).Err()
	if err != nil {
		t.Fatal(err)
	}
	second := h.join(event, fans(1)[0], nil)
	h.lose()
	third := h.join(event, fans(1)[0], nil)
	if first.Number != 0 || second.Number != block || third.Number != 2*block {
		t.Errorf("numbers %d, %d, %d", first.Number, second.Number, third.Number)
	}
}

func TestEpochsRiseThoughPostgresForgotOne(t *testing.T) {
	h := newHouse(t)
	event := h.event()
	h.join(event, fans(1)[0], nil)
	// Redis is two epochs ahead of what was committed, and begins another life.
	if err := h.redis.Write.HSet(t.Context(), KeysOf(event).Meta, "epoch", 4, "life", "before").Err(); err != nil {
		t.Fatal(err)
	}
	if s := h.snapshot(event); s.Epoch != 5 || s.Waiting != 1 || s.Offset != "5-1" {
		t.Errorf("snapshot %+v", s)
	}
	if epoch, _, _ := h.row(event); epoch != 5 {
		t.Errorf("Postgres knows epoch %d", epoch)
	}
}

// A server that comes back may have forgotten its last writes. The test makes
// it forget on purpose, by writing into its data what an older one would hold.
func TestANewLifeOfTheServerIsANewEpoch(t *testing.T) {
	pair, server := engines.Test(t), engines.TestRedis(t)
	h := houseOn(t, pair.Pool, server.URL())
	event, crowd := h.event(), fans(12)
	var places []Place
	for _, fan := range crowd[:10] {
		places = append(places, h.join(event, fan, nil))
	}
	keys := KeysOf(event)
	for _, p := range places[7:] { // the last three joins did not reach the disk
		h.redis.Write.ZRem(t.Context(), keys.Waiting, string(p.Fan))
	}
	h.redis.Write.HSet(t.Context(), keys.Meta, "next", 7)
	server.Kill()
	if _, err := h.line.Join(t.Context(), event, crowd[10], nil); ropeline.CodeOf(err) != ropeline.CodeUnavailable {
		t.Errorf("without Redis: %v", err)
	}
	server.Restart()

	if p := h.join(event, crowd[10], nil); p.Number != block || p.Epoch != 2 {
		t.Errorf("a newcomer after the restart got %+v", p)
	}
	for i, p := range places { // the first seven still stand there, the others come back
		if got := h.join(event, p.Fan, &places[i]); got.Number != p.Number || got.Epoch != 2 {
			t.Errorf("%+v came back as %+v", p, got)
		}
	}
	s := h.snapshot(event)
	if s.Waiting != 11 || s.Position(block) != 10 || s.Position(9) != 9 {
		t.Errorf("after the restart: waiting %d, positions %d and %d", s.Waiting, s.Position(block), s.Position(9))
	}
	server.Lose()
	if p := h.join(event, crowd[3], &places[3]); p.Number != 3 || p.Epoch != 3 {
		t.Errorf("after a lost disk: %+v", p)
	}
}
