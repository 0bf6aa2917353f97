package checkout

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/internal/engines"
)

// requests pushes n requests of one ticket each, without waiting.
func (h *house) requests(e ropeline.Event, n int) []Reservation {
	h.t.Helper()
	all := make([]Reservation, n)
	var pushing sync.WaitGroup
	for i := range all {
		pushing.Go(func() {
			var err error
			if all[i], err = h.Reserve(h.t.Context(), ask(e, fan(), 1), 0); err != nil {
				h.t.Error(err)
			}
		})
	}
	pushing.Wait()
	return all
}

// decidedAll tells whether none is queued any more.
func (h *house) decidedAll(e ropeline.Event, n int) bool {
	return count(h.t, h.pair.Pool, "select count(*) from reservations where event_id = $1", e.ID) == n
}

func (h *house) lengthOf(e ropeline.Event) int64 {
	h.t.Helper()
	n, err := h.redis.Read.LLen(context.Background(), keysOf(e.ID).letters).Result()
	must(h.t, err)
	return n
}

// lay puts a letter of any kind straight into the mailbox.
func (h *house) lay(e ropeline.Event, id, body string) {
	h.t.Helper()
	k := keysOf(e.ID)
	must(h.t, h.redis.Write.HSet(h.t.Context(), k.bodies, id, body).Err())
	must(h.t, h.redis.Write.RPush(h.t.Context(), k.letters, id).Err())
}

// A clerk that dies between commit and trim: the next one answers the same
// letters with what is stored.
func TestCrashBetweenCommitAndTrim(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Options{}, true)
	e := h.event(kind{5, 1, 1, 100})
	asked := h.requests(e, 8)
	ctx := t.Context()

	dead := &service{Checkout: h.Checkout, event: e.ID, token: "dead"}
	held, err := h.mailbox.lease(ctx, e.ID, dead.token, true)
	if err != nil || !held {
		t.Fatal(held, err)
	}
	dead.fence, err = dead.raiseFence(ctx)
	must(t, err)
	letters, _, err := h.mailbox.trim(ctx, e.ID, dead.token, nil, batchSize)
	must(t, err)
	err = dead.batch(ctx, letters)
	must(t, err)
	// Here it dies: no trim, and its lease ends.
	must(t, h.redis.Write.Del(ctx, keysOf(e.ID).lease).Err())
	states := map[ropeline.ReservationID]ReservationState{}
	for _, r := range asked {
		states[r.ID] = h.reservationState(r)
	}

	answers, leave := h.waiters.join(string(asked[0].ID))
	defer leave()
	must(t, h.Serve(ctx, e.ID, nil))
	eventually(t, "an answer", func() bool { return len(answers) == 1 })
	if got := <-answers; got.State != states[asked[0].ID] {
		t.Errorf("answered %s, stored %s", got.State, states[asked[0].ID])
	}
	for _, r := range asked {
		if got := h.reservationState(r); got != states[r.ID] {
			t.Errorf("%s became %s", states[r.ID], got)
		}
	}
	if n := h.lengthOf(e); n != 0 {
		t.Errorf("%d letters left", n)
	}
	if !h.decidedAll(e, 8) {
		t.Error("rows are missing, or there are too many")
	}
	h.audit(e)
}

// A request that is repeated after its answer was told, while its letter is not
// trimmed yet, is answered at once: nobody will tell it again.
func TestRepeatBetweenTellingAndTrim(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Options{}, true)
	e := h.event(kind{2, 1, 1, 100})
	q := ask(e, fan(), 1)
	asked, err := h.Reserve(t.Context(), q, 0)
	must(t, err)
	held, err := h.Reserve(t.Context(), ask(h.event(kind{2, 1, 1, 100}), fan(), 1), 0)
	must(t, err)
	must(t, h.Serve(t.Context(), held.Event, nil))
	if _, _, err := h.mailbox.push(t.Context(), held.Event, []letter{{Kind: letterRelease, Reservation: held.ID, Fan: held.Fan}}); err != nil {
		t.Fatal(err)
	}
	for event, repeat := range map[ropeline.EventID]func() (ReservationState, error){
		e.ID: func() (ReservationState, error) {
			r, err := h.Reserve(t.Context(), q, 30*time.Second)
			return r.State, err
		},
		held.Event: func() (ReservationState, error) {
			return ReservationReleased, h.giveUp(t.Context(), held.ID, held.Fan, 30*time.Second)
		},
	} {
		s := h.clerk(ropeline.Event{ID: event}, "clerk")
		letters, _, err := h.mailbox.trim(t.Context(), event, s.token, nil, batchSize)
		must(t, err)
		err = s.batch(t.Context(), letters)
		must(t, err)
		begin := time.Now()
		state, err := repeat()
		if err != nil || state == ReservationQueued || time.Since(begin) > 20*time.Second {
			t.Errorf("%s: %v, %v, after %v", event, state, err, time.Since(begin))
		}
	}
	if got := h.reservationState(asked); got != ReservationHeld {
		t.Errorf("it is %s", got)
	}
	h.audit(e)
}

// A clerk that another has overtaken is stopped by its next batch, and does
// not trim what it has not decided.
func TestFenceStopsTheOlderClerk(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Options{}, true)
	e := h.event(kind{5, 1, 1, 100})
	h.requests(e, 3)
	old := &service{Checkout: h.Checkout, event: e.ID, token: "old"}
	_, err := h.mailbox.lease(t.Context(), e.ID, old.token, true)
	must(t, err)
	old.fence, err = old.raiseFence(t.Context())
	must(t, err)
	young := &service{Checkout: h.Checkout, event: e.ID, token: "young"}
	_, err = young.raiseFence(t.Context())
	must(t, err)
	letters, _, err := h.mailbox.trim(t.Context(), e.ID, old.token, nil, batchSize)
	must(t, err)
	if err = old.batch(t.Context(), letters); err != errFenced {
		t.Fatalf("got %v", err)
	}
	if n := count(t, h.pair.Pool, "select count(*) from reservations"); n != 0 || h.lengthOf(e) != 3 {
		t.Errorf("%d rows, %d letters", n, h.lengthOf(e))
	}
}

// Clerks that take the lease from one another all the time: nothing is
// oversold, lost or decided twice.
func TestManyClerksAtOnce(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Options{}, true)
	e := h.event(kind{700, 1, 1, 100})
	const fans = 1500
	ctx, stop := context.WithCancel(t.Context())
	var clerks, crowd sync.WaitGroup
	var turns atomic.Int64
	for range 3 {
		clerks.Go(func() {
			for ctx.Err() == nil {
				if err := h.Serve(ctx, e.ID, func(Batch) { turns.Add(1) }); err != nil && ctx.Err() == nil {
					t.Logf("clerk: %v", err)
				}
				pause(ctx, time.Millisecond)
			}
		})
	}
	clerks.Go(func() { breakLeases(ctx, h, &turns, e) })
	asked := make([]Reservation, fans)
	for i := range asked {
		crowd.Go(func() {
			var err error
			if asked[i], err = h.Reserve(t.Context(), ask(e, fan(), 1), 0); err != nil {
				t.Error(err)
			}
		})
	}
	crowd.Wait()
	within(t, 60*time.Second, "all decided", func() bool { return h.decidedAll(e, fans) && h.lengthOf(e) == 0 })
	stop()
	clerks.Wait()
	held := 0
	for _, r := range asked {
		if h.reservationState(r) == ReservationHeld {
			held++
		}
	}
	if held != 700 {
		t.Errorf("%d held", held)
	}
	t.Logf("%d batches", turns.Load())
	h.audit(e)
}

// breakLeases breaks whoever's lease it is, once a batch: now between commit and
// trim, now before a commit. A batch is waited for, so that somebody gets on
// however slow the machine is.
func breakLeases(ctx context.Context, h *house, batches *atomic.Int64, events ...ropeline.Event) {
	for i := 0; ctx.Err() == nil; i++ {
		for seen, waited := batches.Load(), 0; batches.Load() == seen && waited < 500 && ctx.Err() == nil; waited++ {
			pause(ctx, time.Millisecond)
		}
		pause(ctx, time.Duration(i%8)*3*time.Millisecond)
		h.redis.Write.Del(ctx, keysOf(events[i%len(events)].ID).lease)
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// Letters that cannot be read, or that Postgres would refuse, are dropped, and
// those around them are decided.
func TestPoisonIsDropped(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Options{}, true)
	e := h.event(kind{10, 1, 1, 100})
	other := h.event(kind{10, 1, 1, 100})
	first := h.requests(e, 1)
	good := letter{Kind: letterReserve, Fan: fan(), Pass: "p", Items: []ropeline.Item{{TicketType: e.TicketTypes[0].ID, Quantity: 1}}}
	id := func(l letter, event ropeline.EventID, n byte) letter {
		l.Reservation = ropeline.NewReservationID(event, [16]byte{n})
		return l
	}
	h.lay(e, "junk", "not a letter at all")
	h.lay(e, "empty", "")
	h.lay(e, "half", "0011223344556677{")
	unknown := id(good, e.ID, 1)
	unknown.Kind = "dance"
	h.lay(e, unknown.id(), unknown.body())
	zero := id(good, e.ID, 2)
	zero.Pass = "\x00"
	h.lay(e, zero.id(), zero.body())
	foreign := id(good, other.ID, 3)
	h.lay(e, foreign.id(), foreign.body())
	h.lay(e, "a false name", id(good, e.ID, 4).body())
	big := id(good, e.ID, 5)
	big.Items = []ropeline.Item{{TicketType: e.TicketTypes[0].ID, Quantity: 1 << 40}}
	h.lay(e, big.id(), big.body())
	must(t, h.redis.Write.RPush(t.Context(), keysOf(e.ID).letters, "without a body").Err())
	last := h.requests(e, 1)
	must(t, h.Serve(t.Context(), e.ID, nil))
	if h.reservationState(first[0]) != ReservationHeld || h.reservationState(last[0]) != ReservationHeld {
		t.Error("a good letter was not decided")
	}
	if n := h.lengthOf(e); n != 0 || !h.decidedAll(e, 2) {
		t.Errorf("%d letters left, or a bad one has a row", n)
	}
	h.audit(e)
}

// What only Postgres refuses is found by halving and dropped alone.
func TestSpoiledLetterIsFoundAlone(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Options{}, true)
	e := h.event(kind{100, 1, 1, 100})
	bad := fan()
	_, err := h.pair.Pool.Exec(t.Context(), fmt.Sprintf("alter table reservations add check (fan_id <> '%s')", bad))
	must(t, err)
	good := h.requests(e, 10)
	spoiled, err := h.Reserve(t.Context(), ask(e, bad, 1), 0)
	must(t, err)
	good = append(good, h.requests(e, 10)...)
	must(t, h.Serve(t.Context(), e.ID, nil))
	for _, r := range good {
		if h.reservationState(r) != ReservationHeld {
			t.Fatal("a good letter was not decided")
		}
	}
	_, err = h.Reservation(t.Context(), spoiled.ID, bad)
	wantCode(t, err, ropeline.CodeReservationNotFound)
	h.audit(e)
}

// Letters for an event without a sale do not stay for ever.
func TestLettersWithoutASale(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Options{}, true)
	nowhere := ropeline.Event{ID: ropeline.NewID[ropeline.EventID]()}
	h.lay(nowhere, "due", letter{Kind: letterDue}.body())
	must(t, h.Serve(t.Context(), nowhere.ID, nil))
	if n := h.lengthOf(nowhere); n != 0 {
		t.Errorf("%d letters left", n)
	}
}

// A clerk that is told to stop gives its lease back and wakes a successor.
func TestStopHandsOver(t *testing.T) {
	t.Parallel()
	var woken atomic.Int64
	h := newHouse(t, Options{Wake: func(context.Context, ropeline.EventID, int64) error { woken.Add(1); return nil }}, true)
	e := h.event(kind{10, 1, 1, 100})
	ctx, stop := context.WithCancel(t.Context())
	serving := make(chan error, 1)
	go func() { serving <- h.Serve(ctx, e.ID, func(Batch) { stop() }) }()
	eventually(t, "a lease", func() bool { return h.redis.Read.Exists(t.Context(), keysOf(e.ID).lease).Val() == 1 })
	h.requests(e, 2)
	must(t, <-serving)
	if h.redis.Read.Exists(t.Context(), keysOf(e.ID).lease).Val() != 0 {
		t.Error("the lease is still there")
	}
	if h.lengthOf(e) > 0 && woken.Load() == 0 {
		t.Error("letters are left and nobody was woken")
	}
}

// Bursts with gaps as long as a clerk lingers, so that pushes meet closes: no
// request waits for a sweep, because there is none.
func TestNoWakeUpIsLost(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Options{}, false)
	e := h.event(kind{10_000, 1, 1, 100})
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for round := range 12 {
				// Just around the moment when the clerk closes.
				pause(t.Context(), linger+time.Duration(i*3+round-16)*time.Millisecond)
				r, err := h.Reserve(t.Context(), ask(e, fan(), 1), 4*time.Second)
				if err != nil || r.State != ReservationHeld {
					t.Errorf("%v %+v", err, r)
				}
			}
		})
	}
	all.Wait()
	h.audit(e)
}

// A burst that finds nobody serving wakes once, not once a push; after a lost
// wake-up the next push wakes again, with a new generation.
func TestOneWakeUpForABurst(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var generations []int64
	h := newHouse(t, Options{Wake: func(_ context.Context, _ ropeline.EventID, generation int64) error {
		mu.Lock()
		defer mu.Unlock()
		generations = append(generations, generation)
		return nil
	}}, true)
	e := h.event(kind{10_000, 1, 1, 100})
	h.requests(e, 500)
	if len(generations) != 1 {
		t.Fatalf("%d wake-ups", len(generations))
	}
	eventually(t, "another wake-up after a lost one", func() bool {
		must(t, h.Nudge(t.Context(), e.ID))
		return len(generations) == 2
	})
	if generations[1] <= generations[0] {
		t.Errorf("generations %v", generations)
	}
}

// A killed clerk: it neither renews nor closes. Its lease ends by itself, and
// the sweep finds the mailbox.
func TestKilledClerkIsReplaced(t *testing.T) {
	t.Parallel()
	var h *house
	var serving sync.WaitGroup
	h = newHouse(t, Options{Wake: func(_ context.Context, event ropeline.EventID, _ int64) error {
		serving.Go(func() { _ = h.Serve(h.ctx, event, nil) })
		return nil
	}}, true)
	defer serving.Wait()
	e := h.event(kind{10, 1, 1, 100})
	_, err := h.mailbox.lease(t.Context(), e.ID, "killed", true)
	must(t, err)
	begin := time.Now()
	r := h.requests(e, 1)[0]
	within(t, 5*time.Second, "served again", func() bool {
		if time.Since(begin) > time.Second { // the sweep's part, twice a second and more often
			_, err := h.WakeUnserved(t.Context(), []SaleStock{{Event: e.ID}})
			must(t, err)
		}
		return h.reservationState(r) == ReservationHeld
	})
	if since := time.Since(begin); since < 2*time.Second {
		t.Errorf("the lease held only %v", since)
	}
}

// The whole mailbox on a real Redis Cluster.
func TestMailboxOnACluster(t *testing.T) {
	t.Parallel()
	pair := engines.Test(t)
	cluster := engines.TestCluster(t)
	h := houseOver(t, pair, cluster.URL(), Options{Hold: 500 * time.Millisecond}, false)
	var all sync.WaitGroup
	for range 4 { // several events, so that several nodes have mailboxes
		all.Go(func() {
			e := h.event(kind{30, 1, 1, 100})
			var fans sync.WaitGroup
			var held, rejected atomic.Int64
			for range 60 {
				fans.Go(func() {
					r, err := h.Reserve(t.Context(), ask(e, fan(), 1), 10*time.Second)
					switch {
					case err != nil:
						t.Error(err)
					case r.State == ReservationHeld:
						held.Add(1)
					case r.State == ReservationRejected:
						rejected.Add(1)
					}
				})
			}
			fans.Wait()
			if held.Load() != 30 || rejected.Load() != 30 {
				t.Errorf("%d held, %d rejected", held.Load(), rejected.Load())
			}
			within(t, 10*time.Second, "the holds end", func() bool {
				must(t, h.Nudge(t.Context(), e.ID))
				return count(t, pair.Pool, "select count(*) from reservations where event_id = $1 and state = 'expired'", e.ID) == 30
			})
			h.audit(e)
		})
	}
	all.Wait()
}

// Redis that loses everything in the middle of a sale: waiting requests are
// repeated by their callers, and what is held stays held.
func TestRedisForgets(t *testing.T) {
	t.Parallel()
	pair := engines.Test(t)
	server := engines.TestRedis(t)
	h := houseOver(t, pair, server.URL(), Options{}, false)
	e := h.event(kind{10, 1, 1, 100})
	before := h.hold(e, fan(), 1)
	q := ask(e, fan(), 1)
	server.Kill()
	_, err := h.Reserve(t.Context(), q, time.Second)
	wantCode(t, err, ropeline.CodeUnavailable)
	server.Lose()
	eventually(t, "the same request again", func() bool {
		r, err := h.Reserve(t.Context(), q, 2*time.Second)
		return err == nil && r.State == ReservationHeld
	})
	if got := h.reservationState(before); got != ReservationHeld {
		t.Errorf("what was held is %s", got)
	}
	h.audit(e)
}
