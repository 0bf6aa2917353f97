package admission

import (
	"context"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/admission/pace"
	"github.com/ropeline/ropeline/queue"
)

// The script and Decide are one bucket: the same ticks, rule changes, stock
// and shoppers lead to the same admissions and the same content, to the unit.
func TestTheScriptTicksLikeDecide(t *testing.T) {
	h := newHouse(t)
	ctx := context.Background()
	rapid.Check(t, func(t *rapid.T) {
		rules := drawRules(t)
		rules.ShowUp = 1000 * time.Hour // sweeping has its own test
		event := h.event(quick())
		rules.Version = 2 // put in force past the checks that organizers' rules go through
		if err := h.push(ctx, event, rules, ""); err != nil {
			t.Fatal(err)
		}
		h.join(event, rapid.IntRange(0, 40).Draw(t, "fans"))
		now := time.Now().UnixMicro()
		rules.Schedule = drawSchedule(t, now)
		rules.Version++
		if err := h.push(ctx, event, rules, ""); err != nil {
			t.Fatal(err)
		}
		var model State
		var shoppers []queue.Member
		var d Demand
		waiting, err := h.redis.Read.ZCard(ctx, queue.KeysOf(event).Waiting).Result()
		if err != nil {
			t.Fatal(err)
		}
		d.Waiting = waiting
		version := int64(0)
		for i := range rapid.IntRange(1, 12).Draw(t, "ticks") {
			now += drawStep(t)
			if i == 0 {
				model = pace.Full(rules, now)
			}
			switch rapid.IntRange(0, 4).Draw(t, "meanwhile") {
			case 0:
				next := drawRules(t)
				next.Schedule = drawSchedule(t, now)
				next.ShowUp, next.Version = rules.ShowUp, rules.Version+1
				if err := h.push(ctx, event, next, micros(time.UnixMicro(now))); err != nil {
					t.Fatal(err)
				}
				if i > 0 { // before the first tick there is no bucket
					model = pace.Refill(model, rules, now)
					model.Tokens, model.Ceiling = min(model.Tokens, int64(next.Burst)*Unit), min(model.Ceiling, int64(next.Burst)*Unit)
				} else {
					model = pace.Full(next, now)
				}
				rules = next
			case 2:
				if len(shoppers) > 0 { // who gives up an unused pass gives back
					if err := h.Done(ctx, event, shoppers[0].Fan); err != nil {
						t.Fatal(err)
					}
					shoppers = shoppers[1:]
					d.Shoppers--
					d.NoShows++
				}
			case 1:
				version++
				d.Left, d.LeftKnown = rapid.Int64Range(0, 60).Draw(t, "left"), true
				if err := h.Stock(ctx, event, d.Left, version, nil, nil); err != nil {
					t.Fatal(err)
				}
			}
			var want int64
			model, want = pace.Decide(model, rules, now, d)
			ticked, err := h.tick(ctx, event, string(ropeline.NewID[ropeline.FanID]()), micros(time.UnixMicro(now)))
			if err != nil {
				t.Fatal(err)
			}
			d.NoShows = 0
			d.Waiting -= want
			d.Shoppers += want
			shoppers = append(shoppers, ticked.Admitted...)
			if int64(len(ticked.Admitted)) != want || ticked.Waiting != d.Waiting || ticked.Shoppers != d.Shoppers || ticked.Version != rules.Version {
				t.Fatalf("tick %d: %+v, want %d admitted, %+v", i, ticked, want, d)
			}
			var got State
			if err := h.redis.Read.HMGet(ctx, keysOf(event).state, "tokens", "ceiling", "owed", "at").Scan(&struct {
				Tokens  *int64 `redis:"tokens"`
				Ceiling *int64 `redis:"ceiling"`
				Owed    *int64 `redis:"owed"`
				At      *int64 `redis:"at"`
			}{&got.Tokens, &got.Ceiling, &got.Owed, &got.At}); err != nil {
				t.Fatal(err)
			}
			if got != model {
				t.Fatalf("tick %d: the bucket is %+v, want %+v", i, got, model)
			}
		}
	})
}

// I2 and I3 with several nodes at once: ticking, leaving and joining race.
func TestNobodyIsAdmittedAfterAHigherNumber(t *testing.T) {
	h := newHouse(t)
	rules := quick()
	rules.RatePerMinute, rules.Burst, rules.Batch = 60_000, 30, 7
	event := h.event(rules)
	ctx := context.Background()
	places := h.join(event, 300)
	first, err := h.redis.Read.Time(ctx).Result()
	if err != nil {
		t.Fatal(err)
	}

	var all sync.WaitGroup
	var mu sync.Mutex
	admitted := map[ropeline.FanID]int64{}
	gone := make(chan struct{}) // everybody was admitted or has left
	var once sync.Once
	for range 4 {
		all.Go(func() {
			for {
				select {
				case <-gone:
					return
				default:
				}
				ticked, err := h.Tick(ctx, event)
				if err != nil {
					t.Errorf("tick: %v", err)
					once.Do(func() { close(gone) })
					return
				}
				mu.Lock()
				for _, m := range ticked.Admitted {
					if before, twice := admitted[m.Fan]; twice {
						t.Errorf("%s was admitted with %d and %d", m.Fan, before, m.Number)
					}
					admitted[m.Fan] = m.Number
				}
				mu.Unlock()
			}
		})
	}
	var left sync.Map
	var moving sync.WaitGroup
	for worker := range 3 {
		moving.Go(func() {
			for i := 299 - worker; i > 0; i -= 9 {
				if err := h.line.Leave(ctx, event, places[i].Fan, ""); err != nil {
					t.Errorf("leave: %v", err)
				}
				left.Store(places[i].Fan, true)
				if _, err := h.line.Join(ctx, event, ropeline.NewID[ropeline.FanID](), nil); err != nil {
					t.Errorf("join: %v", err)
				}
			}
		})
	}
	all.Go(func() {
		moving.Wait()
		eventually(t, "the line is empty", func() bool {
			s, err := h.line.Snapshot(ctx, event)
			return err != nil || s.Waiting == 0
		})
		once.Do(func() { close(gone) })
	})
	all.Wait()

	entries := feedOf(t, h, event)
	highest, total := int64(-1), 0
	type mark struct {
		at time.Time
		n  int
	}
	marks := []mark{{first, 0}}
	for _, e := range entries {
		for _, m := range e.Admitted {
			if m.Number <= highest { // dense numbers given in order: whoever comes later has a higher one
				t.Fatalf("number %d was admitted after %d", m.Number, highest)
			}
			highest = m.Number
			total++
		}
		if len(e.Admitted) > 0 {
			marks = append(marks, mark{e.At, len(e.Admitted)})
		}
	}
	if total != len(admitted) {
		t.Errorf("the feed tells %d admissions, the ticks %d", total, len(admitted))
	}
	for i := range marks {
		sum := 0
		for _, m := range marks[i:] {
			sum += m.n
			if bound := m.at.Sub(marks[i].at).Microseconds()*int64(rules.RatePerMinute) + int64(rules.Burst)*Unit; int64(sum)*Unit > bound {
				t.Fatalf("%d admitted within %v", sum, m.at.Sub(marks[i].at))
			}
		}
	}
	for _, p := range places { // I4
		_, wasAdmitted := admitted[p.Fan]
		if _, hasLeft := left.Load(p.Fan); !wasAdmitted && !hasLeft {
			t.Errorf("%+v was lost", p)
		}
	}
}

// feedOf reads the whole feed of an event.
func feedOf(t testing.TB, h *house, event ropeline.EventID) []queue.FeedEntry {
	t.Helper()
	messages, err := h.redis.Read.XRange(context.Background(), queue.KeysOf(event).Feed, "-", "+").Result()
	if err != nil {
		t.Fatal(err)
	}
	var entries []queue.FeedEntry
	for _, m := range messages {
		fans, err := queue.ParseMembers(m.Values["fans"].(string))
		if err != nil {
			t.Fatal(err)
		}
		at, err := strconv.ParseInt(m.Values["at"].(string), 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		e := queue.FeedEntry{ID: m.ID, Kind: m.Values["kind"].(string), At: time.UnixMicro(at)}
		switch e.Kind {
		case queue.KindAdmitted:
			e.Admitted = fans
		case queue.KindLeft:
			e.Left = fans
		case queue.KindEnded:
			e.Ended = fans
		}
		entries = append(entries, e)
	}
	return entries
}

func TestATickSeenAgainIsTheSameTick(t *testing.T) {
	h := newHouse(t)
	event := h.event(quick())
	h.join(event, 5)
	first, err := h.tick(t.Context(), event, "op", micros(h.now))
	if err != nil || len(first.Admitted) != 5 {
		t.Fatalf("%+v, %v", first, err)
	}
	h.join(event, 3)
	again, err := h.tick(t.Context(), event, "op", micros(h.now.Add(time.Second)))
	if err != nil || !slices.Equal(again.Admitted, first.Admitted) || again.Waiting != 0 {
		t.Errorf("the same operation: %+v, %v", again, err)
	}
	if next := h.tickNow(event); len(next.Admitted) != 3 {
		t.Errorf("another operation: %+v", next)
	}
}

func TestMostShoppersAndNoShows(t *testing.T) {
	h := newHouse(t)
	rules := quick()
	rules.MaxShoppers = 3
	event := h.event(rules)
	places := h.join(event, 8)
	if ticked := h.tickNow(event); len(ticked.Admitted) != 3 || ticked.Shoppers != 3 {
		t.Fatalf("%+v", ticked)
	}
	s, err := h.line.Snapshot(t.Context(), event)
	if err != nil || !s.Gone(2) || s.Gone(3) || s.Position(3) != 0 || s.Position(7) != 4 || s.Admitted != 3 {
		t.Errorf("the line after the tick: %+v, %v", s, err)
	}
	if err := h.Stock(t.Context(), event, 10, 1, []ropeline.FanID{places[1].Fan}, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := h.enterNow(h.shopper(event, places[0].Fan)); err != nil {
		t.Fatal(err)
	}
	h.wait(rules.ShowUp - time.Millisecond)
	if ticked := h.tickNow(event); len(ticked.Admitted) != 0 {
		t.Errorf("before the passes run out: %+v", ticked)
	}
	h.wait(time.Millisecond)
	if ticked := h.tickNow(event); ticked.NoShows != 2 || len(ticked.Admitted) != 2 || ticked.Admitted[0].Number != 3 {
		t.Errorf("when two passes run out: %+v", ticked)
	}
	if _, found, _ := h.Shopper(t.Context(), event, places[1].Fan); found {
		t.Error("a no-show is a shopper still")
	}
	for range 2 {
		if err := h.Done(t.Context(), event, places[3].Fan); err != nil {
			t.Fatal(err)
		}
	}
	if ticked := h.tickNow(event); len(ticked.Admitted) != 1 {
		t.Errorf("after one is done: %+v", ticked)
	}
	h.wait(rules.Shop)
	if ticked := h.tickNow(event); ticked.Ended != 1 || ticked.NoShows != 2 || len(ticked.Admitted) != 2 {
		t.Errorf("after the time to shop: %+v", ticked)
	}
	c := h.counts(event)
	if want := (Counts{Shoppers: 2, Admitted: 8, Entered: 1, NoShows: 4, Ended: 1, Done: 1, Left: 10, LeftKnown: true}); c != want {
		t.Errorf("counts %+v, want %+v", c, want)
	}
	var ended []ropeline.FanID
	for _, e := range feedOf(t, h, event) {
		for _, m := range e.Ended {
			ended = append(ended, m.Fan)
		}
	}
	if len(ended) != 6 {
		t.Errorf("the feed tells of %d ends", len(ended))
	}
}

func TestStockGate(t *testing.T) {
	h := newHouse(t)
	rules := quick()
	rules.StockGate = true
	event := h.event(rules)
	places := h.join(event, 20)
	admitted := func(want int) {
		t.Helper()
		if ticked := h.tickNow(event); len(ticked.Admitted) != want {
			t.Errorf("admitted %d, want %d", len(ticked.Admitted), want)
		}
	}
	stock := func(left, version int64, holding, released []ropeline.FanID) {
		t.Helper()
		if err := h.Stock(t.Context(), event, left, version, holding, released); err != nil {
			t.Fatal(err)
		}
	}
	admitted(0) // nobody knows the stock yet
	stock(5, 7, nil, nil)
	admitted(5)
	admitted(0)
	stock(100, 6, nil, nil) // an older word comes late
	admitted(0)
	holders := []ropeline.FanID{places[0].Fan, places[1].Fan, ropeline.NewID[ropeline.FanID]()}
	stock(5, 8, holders, nil) // two of the five hold something, a stranger counts for nothing
	admitted(2)
	stock(5, 8, holders, nil)
	admitted(0)
	stock(5, 9, nil, holders[:1])
	admitted(0) // one more who may want something: six for five
	if c := h.counts(event); c.Holding != 1 || c.Left != 5 || !c.LeftKnown {
		t.Errorf("counts %+v", c)
	}
	if err := h.Done(t.Context(), event, places[1].Fan); err != nil {
		t.Fatal(err)
	}
	if c := h.counts(event); c.Holding != 0 {
		t.Errorf("who is done holds still: %+v", c)
	}
	many := make([]ropeline.FanID, 3*fansPerCall+1)
	for i := range many {
		many[i] = places[2].Fan
	}
	stock(0, 10, many, many[:1]) // more than one call bears
}

func TestAShopperWhoJoinsAgainKeepsShopping(t *testing.T) {
	h := newHouse(t)
	event := h.event(quick())
	fan := h.join(event, 1)[0].Fan
	h.tickNow(event)
	entered, err := h.enterNow(h.shopper(event, fan))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.line.Join(t.Context(), event, fan, nil); err != nil {
		t.Fatal(err)
	}
	if ticked := h.tickNow(event); len(ticked.Admitted) != 0 || ticked.Lapsed != 1 || ticked.Waiting != 0 {
		t.Errorf("%+v", ticked)
	}
	if s := h.shopper(event, fan); s != entered {
		t.Errorf("the shopper became %+v", s)
	}
}

func TestTickOfAnUnknownEvent(t *testing.T) {
	h := newHouse(t)
	if _, err := h.Tick(t.Context(), ropeline.NewID[ropeline.EventID]()); ropeline.CodeOf(err) != ropeline.CodeEventNotFound {
		t.Error(err)
	}
}

func TestParseTicked(t *testing.T) {
	const good = "1|2|0|3|4|5|0|0|0|5:0123456789abcdefghijklmnop"
	if ticked, err := parseTicked(good); err != nil || ticked.AdmittedHigh != 5 || len(ticked.Admitted) != 1 {
		t.Errorf("%+v, %v", ticked, err)
	}
	for _, bad := range []string{"", "1|2|0|3|4|5|0|0|0", "1|2|x|3|4|5|0|0|0|", good + "|", good + ","} {
		if _, err := parseTicked(bad); err == nil {
			t.Errorf("%q passed", bad)
		}
	}
}

// The events of a node tick at the same moments, whenever each of them began.
func TestEventsTickTogether(t *testing.T) {
	const phase = 37 * time.Millisecond
	begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, began := range []time.Duration{0, time.Millisecond, 37 * time.Millisecond, 38 * time.Millisecond, 99 * time.Millisecond, 12345 * time.Millisecond} {
		now := begin.Add(began)
		wait := untilTick(now, phase)
		if wait < 0 || wait >= tickEvery || now.Add(wait).Sub(begin)%tickEvery != phase {
			t.Errorf("began after %v, ticks first after %v", began, wait)
		}
	}
}
