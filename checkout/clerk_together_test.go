package checkout

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/internal/engines"
)

// clerk is a clerk in charge of an event, who has not read its mailbox yet.
func (h *house) clerk(e ropeline.Event, token string) *service {
	h.t.Helper()
	s := &service{Checkout: h.Checkout, event: e.ID, token: token}
	held, err := h.mailbox.lease(h.t.Context(), e.ID, token, true)
	if err != nil || !held {
		h.t.Fatal(held, err)
	}
	s.fence, err = s.raiseFence(h.t.Context())
	must(h.t, err)
	return s
}

// fetch reads the mailbox of a clerk.
func (s *service) fetch(t *testing.T) *turn {
	t.Helper()
	letters, held, err := s.mailbox.trim(t.Context(), s.event, s.token, nil, batchSize)
	if err != nil || !held {
		t.Fatal(held, err)
	}
	return s.due(letters)
}

// due is a batch of letters, or of nothing but what is due.
func (s *service) due(letters []envelope) *turn {
	if t := s.turn(letters, nil); t != nil {
		return t
	}
	return &turn{event: s.event, fence: s.fence, looks: !s.looked}
}

// batch commits letters that a clerk has read.
func (s *service) batch(ctx context.Context, letters []envelope) error {
	t := s.due(letters)
	return s.finish(ctx, t, s.commitTurns(ctx, []*turn{t})[0])
}

// several is so many events, each with a capacity of its own, and clerks who
// have read the requests of four fans.
func several(t *testing.T, h *house, n int) (events []ropeline.Event, clerks []*service, turns []*turn) {
	t.Helper()
	for i := range n {
		e := h.event(kind{i + 1, 1, 1, 100})
		h.requests(e, 4)
		s := h.clerk(e, "clerk")
		events, clerks, turns = append(events, e), append(clerks, s), append(turns, s.fetch(t))
	}
	return events, clerks, turns
}

func states(answers []answer) (all []ReservationState) {
	for _, a := range answers {
		all = append(all, a.State)
	}
	return all
}

// Batches of several events are one transaction, and each is decided against
// its own stock, its own fans and its own ledger.
func TestBatchesShareATransaction(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Options{}, true)
	events, _, turns := several(t, h, 5)
	late := h.event(kind{3, 1, 1, 100}) // its hold has run out, and it has no letters
	gone := h.requests(late, 1)
	must(t, h.Serve(t.Context(), late.ID, nil))
	_, err := h.pair.Pool.Exec(t.Context(), "update reservations set deadline = now() - interval '1 second' where id = $1", gone[0].ID)
	must(t, err)
	turns = append(turns, h.clerk(late, "clerk").fetch(t))

	for _, err := range h.commitTurns(t.Context(), turns) {
		must(t, err)
	}
	for i, e := range events {
		held := slices.DeleteFunc(states(turns[i].told), func(s ReservationState) bool { return s != ReservationHeld })
		if len(turns[i].told) != 4 || len(held) != min(i+1, 4) || turns[i].version != 1 {
			t.Errorf("event %d: %v, version %d", i, states(turns[i].told), turns[i].version)
		}
		h.audit(e)
	}
	if s := h.reservationState(gone[0]); s != ReservationExpired {
		t.Errorf("what had run out is %s", s)
	}
	h.audit(late)
	if n := count(t, h.pair.Pool, "select count(distinct xmin::text) from reservations where event_id <> $1", late.ID); n != 1 {
		t.Errorf("%d transactions", n)
	}
}

// One clerk of several has been overtaken: it writes nothing, and the others do.
func TestOneFenceLostAmongSeveral(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Options{}, true)
	events, clerks, turns := several(t, h, 3)
	_, err := (&service{Checkout: h.Checkout, event: events[1].ID}).raiseFence(t.Context())
	must(t, err)
	results := h.commitTurns(t.Context(), turns)
	if results[0] != nil || results[1] != errFenced || results[2] != nil {
		t.Fatalf("%v", results)
	}
	for i, want := range []int{4, 0, 4} {
		if n := count(t, h.pair.Pool, "select count(*) from reservations where event_id = $1", events[i].ID); n != want {
			t.Errorf("event %d: %d decided, want %d", i, n, want)
		}
		h.audit(events[i])
	}
	letters, _, err := h.mailbox.trim(t.Context(), events[1].ID, clerks[1].token, nil, batchSize)
	if err != nil || len(letters) != 4 {
		t.Errorf("%d letters are left to the younger clerk: %v", len(letters), err)
	}
}

// One batch of several is refused by Postgres: the transaction keeps nothing,
// each clerk tries alone, and only the letter that spoils is dropped.
func TestOneSpoiledBatchAmongSeveral(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Options{}, true)
	bad := fan()
	_, err := h.pair.Pool.Exec(t.Context(), "alter table reservations add check (fan_id <> '"+string(bad)+"')")
	must(t, err)
	var events []ropeline.Event
	var spoiled Reservation
	for i := range 3 {
		events = append(events, h.event(kind{100, 1, 1, 100}))
		h.requests(events[i], 5)
		if i == 1 {
			spoiled, err = h.Reserve(t.Context(), ask(events[i], bad, 1), 0)
			must(t, err)
			h.requests(events[i], 5)
		}
	}
	var clerks []*service
	var turns []*turn
	for _, e := range events {
		s := h.clerk(e, "first")
		clerks, turns = append(clerks, s), append(turns, s.fetch(t))
	}
	for i, err := range h.commitTurns(t.Context(), turns) {
		if err != errApart {
			t.Errorf("event %d: %v", i, err)
		}
	}
	if n := count(t, h.pair.Pool, "select count(*) from reservations"); n != 0 {
		t.Errorf("%d rows of a transaction that was refused", n)
	}
	for i, s := range clerks {
		if err := s.alone(t.Context(), turns[i]); (err != nil) != (i == 1) {
			t.Errorf("event %d alone: %v", i, err)
		}
		_, _, err := h.mailbox.close(t.Context(), events[i].ID, s.token, true)
		must(t, err)
	}
	// The whole way: three clerks at once, who find what is stored and the bad letter.
	var serving sync.WaitGroup
	for _, e := range events {
		serving.Go(func() {
			if err := h.Serve(t.Context(), e.ID, nil); err != nil {
				t.Error(err)
			}
		})
	}
	serving.Wait()
	for i, want := range []int{5, 10, 5} {
		if n := count(t, h.pair.Pool, "select count(*) from reservations where event_id = $1 and state = 'held'", events[i].ID); n != want || h.lengthOf(events[i]) != 0 {
			t.Errorf("event %d: %d held, %d letters left", i, n, h.lengthOf(events[i]))
		}
		h.audit(events[i])
	}
	_, err = h.Reservation(t.Context(), spoiled.ID, bad)
	wantCode(t, err, ropeline.CodeReservationNotFound)
}

// A sale that somebody else has locked is passed over: its clerk waits alone,
// and the others' batches are committed meanwhile.
func TestLockedSaleIsPassedOver(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Options{}, true)
	events, clerks, turns := several(t, h, 3)
	other, err := h.pair.Pool.Begin(t.Context())
	must(t, err)
	defer other.Rollback(context.Background())
	_, err = other.Exec(t.Context(), "select from sales where event_id = $1 for update", events[1].ID)
	must(t, err)
	results := h.commitTurns(t.Context(), turns)
	if results[0] != nil || results[1] != errApart || results[2] != nil {
		t.Fatalf("%v", results)
	}
	alone := make(chan error, 1)
	go func() { alone <- clerks[1].alone(t.Context(), turns[1]) }()
	eventually(t, "the clerk waits", func() bool {
		return count(t, h.pair.Pool, "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'") == 1
	})
	must(t, other.Commit(t.Context()))
	must(t, <-alone)
	if len(turns[1].told) != 4 {
		t.Errorf("%d answers", len(turns[1].told))
	}
	for _, e := range events {
		h.audit(e)
	}
}

// Two processes whose clerks serve the same events, in opposite orders, and
// take the leases from one another: nothing is oversold, lost or decided twice,
// and nobody locks anybody out.
func TestTwoProcessesWithTheSameEvents(t *testing.T) {
	t.Parallel()
	pair := engines.Test(t)
	houses := []*house{houseOver(t, pair, pair.RedisURL, Options{}, true), houseOver(t, pair, pair.RedisURL, Options{}, true)}
	const many, fans, capacity = 6, 120, 50
	var events []ropeline.Event
	for range many {
		events = append(events, houses[0].event(kind{capacity, 1, 1, 100}))
	}
	ctx, stop := context.WithCancel(t.Context())
	var clerks, crowd sync.WaitGroup
	var batches atomic.Int64
	for n, h := range houses {
		order := slices.Clone(events)
		if n == 1 {
			slices.Reverse(order)
		}
		for _, e := range order {
			clerks.Go(func() {
				for ctx.Err() == nil {
					if err := h.Serve(ctx, e.ID, func(Batch) { batches.Add(1) }); err != nil && ctx.Err() == nil {
						t.Errorf("clerk: %v", err)
					}
					pause(ctx, time.Millisecond)
				}
			})
		}
	}
	clerks.Go(func() { breakLeases(ctx, houses[0], &batches, events...) })
	for i := range many * fans {
		crowd.Go(func() {
			if _, err := houses[i%2].Reserve(t.Context(), ask(events[i%many], fan(), 1), 0); err != nil {
				t.Error(err)
			}
		})
	}
	crowd.Wait()
	h := houses[0]
	within(t, 60*time.Second, "all decided", func() bool {
		return !slices.ContainsFunc(events, func(e ropeline.Event) bool { return !h.decidedAll(e, fans) || h.lengthOf(e) != 0 })
	})
	stop()
	clerks.Wait()
	for _, e := range events {
		if n := count(t, pair.Pool, "select held from stock where event_id = $1", e.ID); n != capacity {
			t.Errorf("%d held", n)
		}
		h.audit(e)
	}
}

// A process that stops in the middle of a shared transaction loses it, before
// others have waited longer than a lease lasts.
func TestStalledTransactionEnds(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Options{}, true)
	_, clerks, turns := several(t, h, 2)
	conn, err := h.pair.Pool.Acquire(t.Context())
	must(t, err)
	defer conn.Release()
	must(t, h.read(t.Context(), conn.Conn(), turns, true)) // and here it stalls
	begin := time.Now()
	must(t, clerks[1].alone(t.Context(), turns[1]))
	if waited := time.Since(begin); waited > leaseTime+5*time.Second {
		t.Errorf("the other one waited %v", waited)
	}
	eventually(t, "the connection is lost", func() bool {
		_, err := conn.Exec(t.Context(), "select 1")
		return err != nil && !errors.Is(err, pgx.ErrNoRows)
	})
}

// A clerk is told that something is due while it decides a batch that was told
// the same: it looks again.
func TestNudgeDuringABatchIsNotLost(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Options{}, true)
	e := h.event(kind{5, 1, 1, 100})
	s := h.clerk(e, "clerk")
	must(t, h.Nudge(t.Context(), e.ID))
	must(t, h.Nudge(t.Context(), e.ID))
	letters := h.take(e, s.token, nil)
	if len(letters) != 1 || letters[0].id != "due" {
		t.Fatalf("%v", letters)
	}
	// A clerk that dies here leaves the letter; and it is told again meanwhile.
	if again := h.take(e, s.token, nil); len(again) != 1 || again[0].id != "due" {
		t.Fatalf("%v", again)
	}
	must(t, h.Nudge(t.Context(), e.ID))
	if next := h.take(e, s.token, letters); len(next) != 1 || next[0].id != "due" {
		t.Fatalf("%v", next)
	}
	if err := s.batch(t.Context(), letters); err != nil {
		t.Fatal(err)
	}
	if left := h.take(e, s.token, letters); len(left) != 0 {
		t.Errorf("%v", left)
	}
}
