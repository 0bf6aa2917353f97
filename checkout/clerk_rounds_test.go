package checkout

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/internal/batch"
)

// roundsOf are rounds that tell how many clerks each of them had.
func roundsOf(sizes *[]int) *rounds {
	return newRounds(func(_ context.Context, all []trimming) []batch.Result[trimmed] {
		*sizes = append(*sizes, len(all))
		return make([]batch.Result[trimmed], len(all))
	})
}

// All clerks go together, and the only one there is goes at once.
func TestClerksGoTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sizes []int
		r := roundsOf(&sizes)
		var clerks sync.WaitGroup
		begin := time.Now()
		for range 5 {
			defer r.join()()
		}
		for range 5 {
			clerks.Go(func() {
				for range 3 {
					_, _ = r.trim(trimming{})
				}
			})
		}
		clerks.Wait()
		if len(sizes) > 4 || time.Since(begin) > 3*roundPause {
			t.Errorf("rounds of %v in %v", sizes, time.Since(begin))
		}
	})
	synctest.Test(t, func(t *testing.T) {
		var sizes []int
		r := roundsOf(&sizes)
		defer r.join()()
		begin := time.Now()
		for range 100 {
			_, _ = r.trim(trimming{})
		}
		if time.Since(begin) > 0 {
			t.Errorf("alone, and waited %v", time.Since(begin))
		}
	})
}

// A clerk waits for those at a transaction, but not for ever, and not for one
// that has left.
func TestClerkDoesNotWaitForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sizes []int
		r := roundsOf(&sizes)
		defer r.join()()
		leave := r.join()
		_, _ = r.trim(trimming{event: ropeline.EventID("e")}) // the first round of all
		done := r.work()
		begin := time.Now()
		_, _ = r.trim(trimming{})
		if waited := time.Since(begin); waited != roundWait {
			t.Errorf("waited %v for a transaction that does not end", waited)
		}
		time.AfterFunc(time.Millisecond, done)
		begin = time.Now()
		_, _ = r.trim(trimming{})
		if waited := time.Since(begin); waited > roundPause {
			t.Errorf("waited %v for a transaction that has ended", waited)
		}
		time.AfterFunc(time.Millisecond, leave)
		begin = time.Now()
		_, _ = r.trim(trimming{})
		if waited := time.Since(begin); waited != time.Millisecond {
			t.Errorf("waited %v for one who has left", waited)
		}
	})
}
