package queue

import (
	"context"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/ropeline/ropeline"
)

// model is the line as a child would draw it: who waits with which number.
type model struct {
	waiting map[ropeline.FanID]int64
	places  map[ropeline.FanID]Place // what each fan holds in the hand
	lost    map[int64]bool           // numbers that may be taken back
	taken   map[int64]ropeline.FanID
	next    int64
	epoch   int64
}

func (m *model) joined(t *rapid.T, fan ropeline.FanID, got Place) {
	want := Place{Event: got.Event, Fan: fan, Number: m.next, Epoch: m.epoch}
	if number, waits := m.waiting[fan]; waits {
		want.Number = number
	} else if held, has := m.places[fan]; has && m.lost[held.Number] {
		want.Number = held.Number
		delete(m.lost, held.Number)
	} else {
		m.next++
	}
	if got != want {
		t.Fatalf("joined as %+v, want %+v", got, want)
	}
	if other, taken := m.taken[got.Number]; taken && other != fan {
		t.Fatalf("number %d belonged to %s", got.Number, other)
	}
	m.waiting[fan], m.places[fan], m.taken[got.Number] = got.Number, got, fan
}

func (m *model) gone(fan ropeline.FanID) { delete(m.waiting, fan) }

func TestTheLineIsLikeItsModel(t *testing.T) {
	h := newHouse(t)
	ctx := context.Background()
	crowd := fans(12)
	rapid.Check(t, func(t *rapid.T) {
		event := h.event()
		m := &model{
			waiting: map[ropeline.FanID]int64{},
			places:  map[ropeline.FanID]Place{},
			lost:    map[int64]bool{},
			taken:   map[int64]ropeline.FanID{},
			epoch:   1,
		}
		h.snapshot(event)
		t.Repeat(map[string]func(*rapid.T){
			"join": func(t *rapid.T) {
				var joins []joining
				for _, fan := range rapid.SliceOfN(rapid.SampledFrom(crowd), 1, 6).Draw(t, "fans") {
					j := joining{event: event, fan: fan}
					if held, has := m.places[fan]; has {
						j.claim = &held
					}
					joins = append(joins, j)
				}
				for i, r := range h.line.joinBatch(ctx, joins) {
					if r.Err != nil {
						t.Fatal(r.Err)
					}
					m.joined(t, joins[i].fan, r.Value)
				}
			},
			"leave": func(t *rapid.T) {
				fan := rapid.SampledFrom(crowd).Draw(t, "fan")
				if err := h.line.Leave(ctx, event, fan, ""); err != nil {
					t.Fatal(err)
				}
				m.gone(fan)
			},
			"admit": func(t *rapid.T) {
				order := slices.SortedFunc(maps.Keys(m.waiting), func(a, b ropeline.FanID) int { return int(m.waiting[a] - m.waiting[b]) })
				n := rapid.IntRange(0, 3).Draw(t, "n")
				if n == 0 {
					return
				}
				for i, member := range h.admit(event, int64(n)) {
					if member.Fan != order[i] {
						t.Fatalf("admitted %+v before %s", member, order[i])
					}
					m.gone(member.Fan)
				}
			},
			"lose": func(t *rapid.T) {
				if rapid.IntRange(0, 3).Draw(t, "rarely") > 0 {
					return
				}
				keys := KeysOf(event)
				if err := h.redis.Write.Del(ctx, keys.Meta, keys.Waiting, keys.Gone, keys.Lost, keys.Feed).Err(); err != nil {
					t.Fatal(err)
				}
				h.line.ahead.Wait() // a block that is just being reserved belongs to the old numbers
				_, highWater, _ := h.row(event)
				for n := range highWater {
					m.lost[n] = true
				}
				clear(m.waiting)
				if highWater > 0 {
					m.epoch++
				}
				m.next = highWater
			},
			"": func(t *rapid.T) {
				s := h.snapshot(event)
				if s.Epoch != m.epoch || s.Next != m.next || s.Waiting != int64(len(m.waiting)) {
					t.Fatalf("snapshot %+v, want epoch %d, next %d, waiting %d", s, m.epoch, m.next, len(m.waiting))
				}
				numbers := slices.Sorted(maps.Values(m.waiting))
				for fan, number := range m.waiting {
					ahead, _ := slices.BinarySearch(numbers, number)
					if s.Gone(number) || s.Position(number) != int64(ahead) {
						t.Fatalf("%s with number %d: gone %v, position %d, want %d", fan, number, s.Gone(number), s.Position(number), ahead)
					}
				}
				for number, fan := range m.taken {
					if now, waits := m.waiting[fan]; !s.Gone(number) && (!waits || now != number) {
						t.Fatalf("number %d of %s still waits", number, fan)
					}
				}
			},
		})
	})
}
