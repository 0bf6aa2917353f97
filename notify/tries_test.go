package notify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
)

// Not now: tried again. No: dead at once, to be seen, and sent again on demand.
func TestRefusals(t *testing.T) {
	m := newMailServer(t)
	h := newHouse(t, viaSMTP(m.sender()))
	h.post(h.notice(Tickets, "a"))
	m.set(func() { m.atRcpt, m.atData = []error{notNow}, []error{notNow} })
	h.only(h.deliver(), StateFailed)
	if early := h.deliver(); len(early) != 0 {
		t.Fatalf("tried again without a pause: %v", early)
	}
	h.only(h.again(), StateFailed) // after the message
	h.only(h.again(), StateSent)

	h.post(h.notice(Tickets, "b"))
	m.set(func() { m.atData = []error{never} })
	h.only(h.deliver(), StateDead)
	if more := h.again(); len(more) != 0 {
		t.Fatalf("a dead one was tried: %v", more)
	}
	dead, err := h.List(t.Context(), StateDead, 10)
	if err != nil || len(dead) != 1 || !strings.Contains(dead[0].LastError, "no such mailbox") || dead[0].Attempts != 1 || dead[0].NextAt != nil {
		t.Fatalf("%+v %v", dead, err)
	}
	if err := h.resend(dead[0].ID); err != nil {
		t.Fatal(err)
	}
	if err := h.resend(dead[0].ID); ropeline.CodeOf(err) != ropeline.CodeNotificationNotDead {
		t.Errorf("twice: %v", err)
	}
	if err := h.resend("no such"); ropeline.CodeOf(err) != ropeline.CodeNotificationNotFound {
		t.Errorf("nothing: %v", err)
	}
	h.only(h.deliver(), StateSent)
	if strings.Contains(h.log.String(), "fan@") || !strings.Contains(h.log.String(), "f…@example.com") {
		t.Errorf("the log: %s", h.log)
	}
}

// Nobody knows whether it arrived: it is sent again under the same Message-ID.
func TestUnknownOutcomeIsRepeatedRecognizably(t *testing.T) {
	m := newMailServer(t)
	h := newHouse(t, viaSMTP(m.sender(func(o *SMTPOptions) { o.Timeout = 2 * time.Second })))
	h.post(h.notice(Tickets, "a"))
	m.set(func() { m.cut = 1 })
	h.only(h.deliver(), StateFailed)
	m.set(func() { m.atData = []error{errStalled} }) // a server too slow to be waited for
	h.only(h.again(), StateFailed)
	h.only(h.again(), StateSent)
	got := m.messages()
	if len(got) != 3 || messageID(got[0]) == "" || messageID(got[0]) != messageID(got[1]) || messageID(got[1]) != messageID(got[2]) {
		t.Errorf("%d messages: %s", len(got), got)
	}
}

// A worker dies while it sends: after the grip another one may.
func TestLostTryIsMadeGood(t *testing.T) {
	m := newMailServer(t)
	h := newHouse(t, viaSMTP(m.sender()))
	h.post(h.notice(Tickets, "a"))
	first, err := h.Release(t.Context(), Email)
	if err != nil || len(first) != 1 {
		t.Fatal(first, err)
	}
	if _, _, found, err := h.begin(t.Context(), first[0]); !found || err != nil { // and here the worker dies
		t.Fatal(found, err)
	}
	h.exec("update notifications set due_at = now() - interval '1 second'")
	h.exec("update notification_pace set free_at = now() - interval '1 minute'")
	second, err := h.Release(t.Context(), Email)
	if err != nil || len(second) != 1 || second[0].Lease <= first[0].Lease {
		t.Fatal(second, err)
	}
	if late, err := h.Deliver(t.Context(), first[0]); err != nil || late.State != "" {
		t.Fatalf("the old lease delivers: %+v %v", late, err)
	}
	done, err := h.Deliver(t.Context(), second[0])
	if err != nil || done.State != StateSent || done.Attempts != 2 || len(m.messages()) != 1 {
		t.Errorf("%+v %v", done, err)
	}
	if twice, err := h.Deliver(t.Context(), second[0]); err != nil || twice.State != "" {
		t.Errorf("delivered twice: %+v %v", twice, err)
	}
}

func TestGivesUp(t *testing.T) {
	o := viaSMTP(NewLog(slog.New(slog.DiscardHandler)))
	o.Tries = 3
	h := newHouse(t, o)
	h.facts = func(Notice) (Facts, error) { return Facts{}, errors.New("the engine is away; fan@example.com") }
	h.post(h.notice(Tickets, "a"))
	h.only(h.deliver(), StateFailed)
	h.only(h.again(), StateFailed)
	h.only(h.again(), StateDead)
	if dead, _ := h.List(t.Context(), StateDead, 1); len(dead) != 1 || strings.Contains(dead[0].LastError, "fan@") {
		t.Errorf("%+v", dead)
	}
	err := pgx.BeginFunc(t.Context(), h.pool, func(tx pgx.Tx) error {
		n, err := h.ResendDead(t.Context(), tx)
		if n != 1 {
			t.Errorf("%d sent again", n)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	if _, err := h.List(t.Context(), "odd", 1); ropeline.CodeOf(err) != ropeline.CodeInvalidRequest {
		t.Error(err)
	}
}

// What has lost its sense is no trouble: not counted, not shown among the dead,
// and not sent again with them.
func TestWhatIsMootIsOver(t *testing.T) {
	m := newMailServer(t)
	h := newHouse(t, viaSMTP(m.sender()))
	h.post(h.notice(Tickets, "a"))
	m.set(func() { m.atRcpt = []error{notNow} })
	h.only(h.deliver(), StateFailed)
	h.facts = func(Notice) (Facts, error) { return Facts{}, fmt.Errorf("tickets: %w", ErrMoot) }
	h.only(h.again(), StateMoot)
	if more := h.again(); len(more) != 0 {
		t.Errorf("tried again: %v", more)
	}
	if counts, err := h.Counts(t.Context()); err != nil || len(counts) != 0 {
		t.Errorf("%v %v", counts, err)
	}
	if strings.Contains(h.log.String(), "level=ERROR") {
		t.Errorf("the log: %s", h.log)
	}
	moot, err := h.List(t.Context(), StateMoot, 10)
	if err != nil || len(moot) != 1 || moot[0].NextAt != nil {
		t.Fatalf("%+v %v", moot, err)
	}
	if err := h.resend(moot[0].ID); ropeline.CodeOf(err) != ropeline.CodeNotificationNotDead {
		t.Error(err)
	}
	err = pgx.BeginFunc(t.Context(), h.pool, func(tx pgx.Tx) error {
		n, err := h.ResendDead(t.Context(), tx)
		if n != 0 {
			t.Errorf("%d sent again", n)
		}
		return err
	})
	if err != nil || len(m.messages()) != 0 {
		t.Error(err, m.messages())
	}
}

// The pace holds whatever Postgres believes of the table: right after a burst was
// posted it takes it for small.
func TestPaceByAnyPlan(t *testing.T) {
	const rate = 20
	o := viaSMTP(NewLog(slog.New(slog.DiscardHandler)))
	o.Rate, o.InFlight = rate, 1000
	h := newHouse(t, o)
	for _, plan := range []string{"enable_hashjoin", "enable_mergejoin", "enable_hashagg", "enable_sort", "enable_material"} {
		h.exec("do $$ begin execute format('alter database %I set " + plan + " = off', current_database()); end $$")
	}
	h.pool.Reset()
	h.post(h.notice(EventCanceled, "before"))
	h.exec("vacuum analyze notifications")
	var burst []Notice
	for i := range 500 {
		burst = append(burst, h.notice(EventCanceled, fmt.Sprint("burst:", i)))
	}
	h.post(burst...)
	if released, err := h.Release(t.Context(), Email); err != nil || len(released) == 0 || len(released) > rate {
		t.Errorf("%d let go at once, %v", len(released), err)
	}
}

// Several processes together keep the pace, and one who waits for tickets goes
// before a crowd.
func TestPace(t *testing.T) {
	o := viaSMTP(NewLog(slog.New(slog.DiscardHandler)))
	o.Rate, o.InFlight = 20, 1000
	h := newHouse(t, o)
	var crowd []Notice
	for i := range 300 {
		n := h.notice(EventCanceled, fmt.Sprint("c", i))
		n.Bulk = true
		crowd = append(crowd, n)
	}
	h.post(crowd...)
	h.post(h.notice(Tickets, "t"))
	h.exec("update notification_pace set free_at = now() - interval '1 hour'")
	begun := time.Now()
	var mu sync.Mutex
	var released []Released
	var all sync.WaitGroup
	ctx, stop := context.WithTimeout(t.Context(), 1500*time.Millisecond)
	defer stop()
	for range 3 {
		all.Go(func() {
			for ctx.Err() == nil {
				some, err := h.Release(t.Context(), Email)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				if len(released) == 0 && len(some) > 0 {
					var kind Kind
					if err := h.pool.QueryRow(t.Context(), "select kind from notifications where dedupe = 't' and lease is not null").Scan(&kind); err != nil {
						t.Errorf("the tickets wait behind the crowd: %v", err)
					}
				}
				released = append(released, some...)
				mu.Unlock()
			}
		})
	}
	all.Wait()
	most := 20*time.Since(begun).Seconds() + 20 + 1
	if n := float64(len(released)); n > most || n < 20 {
		t.Errorf("%v let go, most %v", n, most)
	}
	seen := map[ID]bool{}
	for _, r := range released {
		if seen[r.ID] {
			t.Errorf("%s was let go twice", r.ID)
		}
		seen[r.ID] = true
	}
}

// A slow server is not given more than it can be at.
func TestInFlightIsBounded(t *testing.T) {
	o := viaSMTP(NewLog(slog.New(slog.DiscardHandler)))
	o.Rate, o.InFlight = 5, 7
	h := newHouse(t, o)
	for i := range 20 {
		h.post(h.notice(Tickets, fmt.Sprint(i)))
	}
	flying := 0
	for range 5 {
		h.exec("update notification_pace set free_at = now() - interval '1 minute'")
		released, err := h.Release(t.Context(), Email)
		if err != nil {
			t.Fatal(err)
		}
		flying += len(released)
	}
	if flying != 7 {
		t.Errorf("%d in flight", flying)
	}
}
