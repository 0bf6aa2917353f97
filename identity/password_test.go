package identity

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/ropeline/ropeline"
)

// A flood of log-ins is turned away at once: no more hashes are computed at a
// time than there are seats, no more wait than may, and none for long.
func TestFloodOfPasswords(t *testing.T) {
	h := newHasher(64)
	for range atOnce {
		h.seats <- struct{}{} // as if they were being computed, for as long as the test wants
	}
	var crowd sync.WaitGroup
	answers := make(chan error, 3*mostWaiting)
	for range 3 * mostWaiting {
		crowd.Go(func() {
			_, err := h.check(t.Context(), "", "a password of somebody")
			answers <- err
		})
	}
	for range 3*mostWaiting - mostWaiting - atOnce { // nobody waits for these
		select {
		case err := <-answers:
			known, ok := errors.AsType[*ropeline.Error](err)
			if !ok || known.Code != ropeline.CodeUnavailable || known.RetryAfter <= 0 {
				t.Fatalf("one too many: %v", err)
			}
		case <-time.After(longestWait / 2):
			t.Fatal("one too many waits")
		}
	}
	if waiting := len(h.queue); waiting != mostWaiting+atOnce {
		t.Errorf("%d are let wait, want %d", waiting, mostWaiting+atOnce)
	}
	for range atOnce {
		<-h.seats
	}
	crowd.Wait()
	for range mostWaiting + atOnce {
		if err := <-answers; err != nil {
			t.Errorf("one who waited: %v", err)
		}
	}
	if len(h.queue) != 0 || len(h.seats) != 0 {
		t.Errorf("%d tokens and %d seats are left taken", len(h.queue), len(h.seats))
	}
}

// An address without an account costs what one with an account costs.
func TestNobodysPasswordTakesAsLong(t *testing.T) {
	h := newHasher(0)
	known, err := h.hash(t.Context(), "four ropes and a door")
	if err != nil {
		t.Fatal(err)
	}
	median := func(hash string) time.Duration {
		var took []time.Duration
		for range 5 {
			began := time.Now()
			if ok, err := h.check(t.Context(), hash, "somebody else's guess"); ok || err != nil {
				t.Fatal(ok, err)
			}
			took = append(took, time.Since(began))
		}
		slices.Sort(took)
		return took[len(took)/2]
	}
	if with, without := median(known), median(""); without < with/4 || with < without/4 {
		t.Errorf("with an account %s, without one %s", with, without)
	}
}
