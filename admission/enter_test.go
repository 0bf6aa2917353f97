package admission

import (
	"testing"
	"time"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/queue"
)

// admitted is an event with n admitted fans.
func (h *house) admitted(n int) (ropeline.EventID, []Shopper) {
	h.t.Helper()
	event := h.event(quick())
	h.join(event, n)
	var shoppers []Shopper
	for _, m := range h.tickNow(event).Admitted {
		shoppers = append(shoppers, h.shopper(event, m.Fan))
	}
	if len(shoppers) != n {
		h.t.Fatalf("%d of %d are admitted", len(shoppers), n)
	}
	return event, shoppers
}

func (h *house) expect(code ropeline.Code, s Shopper) {
	h.t.Helper()
	if got, err := h.enterNow(s); ropeline.CodeOf(err) != code || err == nil {
		h.t.Errorf("entered as %+v, %v; want %s", got, err, code)
	}
}

func TestEnterOnce(t *testing.T) {
	h := newHouse(t)
	event, shoppers := h.admitted(1)
	s := shoppers[0]
	h.wait(10 * time.Second)
	entered, err := h.enterNow(s)
	if err != nil || entered.State != StateEntered || !entered.ShopUntil.Equal(h.now.Add(10*time.Minute)) || entered.PassID != s.PassID {
		t.Fatalf("%+v, %v", entered, err)
	}
	h.wait(10 * time.Second)
	if again, err := h.enterNow(s); err != nil || again != entered {
		t.Errorf("the same fan again: %+v, %v", again, err)
	}
	if got := h.shopper(event, s.Fan); got != entered {
		t.Errorf("the record says %+v", got)
	}
	if err := h.Done(t.Context(), event, s.Fan); err != nil {
		t.Fatal(err)
	}
	h.expect(ropeline.CodePassUsed, s)
	if c := h.counts(event); c.Entered != 1 || c.Shoppers != 0 {
		t.Errorf("counts %+v", c)
	}
}

// Many who are done at once, some twice and one who never was a shopper: each
// place is freed once, and the feed names each fan once.
func TestManyAreDoneAtOnce(t *testing.T) {
	h := newHouse(t)
	event, shoppers := h.admitted(20)
	other, others := h.admitted(1)
	if _, err := h.enterNow(shoppers[0]); err != nil {
		t.Fatal(err)
	}
	leaving := []member{{other, others[0].Fan}, {event, ropeline.NewID[ropeline.FanID]()}, {event, shoppers[3].Fan}}
	for _, s := range shoppers {
		leaving = append(leaving, member{event, s.Fan})
	}
	for i, result := range h.done(t.Context(), leaving) {
		if result.Err != nil {
			t.Error(i, result.Err)
		}
	}
	if c := h.counts(event); c.Shoppers != 0 || c.Done != 20 {
		t.Errorf("counts %+v", c)
	}
	if c := h.counts(other); c.Shoppers != 0 || c.Done != 1 {
		t.Errorf("the other event's counts %+v", c)
	}
	told := map[ropeline.FanID]int{}
	for _, e := range feedOf(t, h, event) {
		for _, m := range e.Ended {
			told[m.Fan]++
		}
	}
	for _, s := range shoppers {
		if told[s.Fan] != 1 {
			t.Errorf("the feed tells %d times that %d has ended", told[s.Fan], s.Number)
		}
	}
	if owed, err := h.redis.Read.HGet(t.Context(), keysOf(event).state, "owed").Int(); err != nil || owed != 19 {
		t.Errorf("%d places are given back, %v; 19 never entered", owed, err)
	}
	h.expect(ropeline.CodePassUsed, shoppers[5])
}

func TestEnterRefuses(t *testing.T) {
	h := newHouse(t)
	event, shoppers := h.admitted(3)

	pass, err := h.ParsePass(h.Pass(shoppers[0]), h.now)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.Enter(t.Context(), pass, shoppers[1].Fan, ""); ropeline.CodeOf(err) != ropeline.CodePassInvalid {
		t.Errorf("another fan's pass: %v", err)
	}
	if _, err := h.Enter(t.Context(), Pass{Fan: "x"}, "x", ""); ropeline.CodeOf(err) != ropeline.CodePassInvalid {
		t.Errorf("an empty pass: %v", err)
	}
	if err := h.Done(t.Context(), event, shoppers[1].Fan); err != nil {
		t.Fatal(err)
	}
	h.expect(ropeline.CodePassUsed, shoppers[1]) // gave up before entering

	old := shoppers[2] // a pass that a newer one replaced
	old.Number += 100
	h.expect(ropeline.CodePassInvalid, old)

	h.wait(time.Minute) // Redis' clock says so too, though the node's is late
	if _, err := h.enter(t.Context(), pass, pass.Fan, "", micros(h.now)); ropeline.CodeOf(err) != ropeline.CodePassExpired {
		t.Errorf("too late: %v", err)
	}
	if c := h.counts(event); c.Entered != 0 {
		t.Errorf("counts %+v", c)
	}
}

func TestAnEnterSeenAgainIsTheSame(t *testing.T) {
	h := newHouse(t)
	event, shoppers := h.admitted(1)
	s := shoppers[0]
	pass, err := h.ParsePass(h.Pass(s), h.now)
	if err != nil {
		t.Fatal(err)
	}
	first, err := h.Enter(t.Context(), pass, s.Fan, "op")
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Done(t.Context(), event, s.Fan); err != nil {
		t.Fatal(err)
	}
	if again, err := h.Enter(t.Context(), pass, s.Fan, "op"); err != nil || again != first {
		t.Errorf("the same operation: %+v, %v", again, err)
	}
	if _, err := h.Enter(t.Context(), pass, s.Fan, "another"); ropeline.CodeOf(err) != ropeline.CodePassUsed {
		t.Errorf("another operation: %v", err)
	}
}

func TestAPassOutlivesALostRedis(t *testing.T) {
	h := newHouse(t)
	event, shoppers := h.admitted(2)
	if err := h.redis.Write.FlushDB(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	entered, err := h.enterNow(shoppers[0])
	if err != nil || entered.Number != shoppers[0].Number || entered.State != StateEntered {
		t.Fatalf("%+v, %v", entered, err)
	}
	if again, err := h.enterNow(shoppers[0]); err != nil || again != entered {
		t.Errorf("again: %+v, %v", again, err)
	}
	if err := h.Done(t.Context(), event, shoppers[0].Fan); err != nil {
		t.Fatal(err)
	}
	h.expect(ropeline.CodePassUsed, shoppers[0])
	h.wait(time.Minute)
	h.expect(ropeline.CodePassExpired, shoppers[1])
}

func TestATickRestoresWhatRedisLost(t *testing.T) {
	h := newHouse(t)
	rules := quick()
	rules.RatePerMinute, rules.Burst = 600, 2
	event := h.event(rules)
	places := h.join(event, 6)
	if ticked := h.tickNow(event); len(ticked.Admitted) != 2 || ticked.AdmittedHigh != 1 {
		t.Fatalf("%+v", ticked)
	}
	if err := h.line.RecordAdmitted(t.Context(), event, 1); err != nil {
		t.Fatal(err)
	}
	if err := h.redis.Write.FlushDB(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	if ticked := h.tickNow(event); ticked.Epoch != 2 || len(ticked.Admitted) != 0 || ticked.Version != 1 {
		t.Fatalf("the first tick after the loss: %+v", ticked)
	}
	for i, p := range []queue.Place{places[4], places[3], places[5], places[2]} { // who comes back first is not served first
		back, err := h.line.Join(t.Context(), event, p.Fan, &p)
		if err != nil || back.Number != p.Number {
			t.Fatalf("%d came back as %+v, %v", i, back, err)
		}
	}
	h.wait(time.Second)
	if ticked := h.tickNow(event); len(ticked.Admitted) != 0 {
		t.Errorf("admitted while the line settles: %+v", ticked)
	}
	h.wait(10 * time.Second)
	if ticked := h.tickNow(event); len(ticked.Admitted) != 2 || ticked.Admitted[0].Number != 2 || ticked.Admitted[1].Number != 3 {
		t.Errorf("after it has settled: %+v", ticked)
	}
}

// A new epoch begins with an empty bucket: a loss is no second burst.
func TestALossIsNoSecondBurst(t *testing.T) {
	h := newHouse(t)
	rules := quick()
	rules.RatePerMinute, rules.Burst = 60, 50
	event := h.event(rules)
	h.join(event, 60)
	if ticked := h.tickNow(event); len(ticked.Admitted) != 50 {
		t.Fatalf("%+v", ticked)
	}
	// The server restarted with all data: only the life is another.
	if err := h.redis.Write.HSet(t.Context(), queue.KeysOf(event).Meta, "life", "before").Err(); err != nil {
		t.Fatal(err)
	}
	if ticked := h.tickNow(event); ticked.Epoch != 2 || len(ticked.Admitted) != 0 || ticked.Waiting != 10 {
		t.Errorf("%+v", ticked)
	}
	h.wait(3 * time.Second)
	if ticked := h.tickNow(event); len(ticked.Admitted) != 3 || ticked.Admitted[0].Number != 50 {
		t.Errorf("three seconds later: %+v", ticked)
	}
}
