package checkout

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/internal/batch"
)

// trips are rounds whose mailboxes and transactions are those of a test.
type trips struct {
	*rounds
	mu    sync.Mutex
	sizes []int // clerks of each round
	turns []int // batches of each transaction
}

// tripsOf are rounds whose transactions take as long as working does.
func tripsOf(working func()) *trips {
	t := &trips{}
	t.rounds = newRounds(func(_ context.Context, all []trimming) []batch.Result[trimmed] {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.sizes = append(t.sizes, len(all))
		mail := make([]batch.Result[trimmed], len(all))
		for i := range mail {
			mail[i].Value.held = true
		}
		return mail
	}, func(_ context.Context, turns []*turn) []error {
		t.mu.Lock()
		t.turns = append(t.turns, len(turns))
		t.mu.Unlock()
		working()
		return make([]error, len(turns))
	}, func(context.Context, []*turn) {})
	return t
}

func noBatch([]envelope, *bundle) *turn { return nil }
func aBatch([]envelope, *bundle) *turn  { return &turn{} }

// work has n clerks go so many times each.
func (r *trips) work(t *testing.T, clerks, times int, turn func([]envelope, *bundle) *turn) {
	var all sync.WaitGroup
	events := make([]ropeline.EventID, clerks)
	for i := range events {
		events[i] = ropeline.NewID[ropeline.EventID]()
		defer r.join(events[i])()
	}
	for _, event := range events {
		all.Go(func() {
			for range times {
				if v, err := r.visit(trimming{event: event}, turn); err != nil || v.err != nil || !v.held {
					t.Error(v, err)
				}
			}
		})
	}
	all.Wait()
}

// Clerks share their transactions: each is in every second one at least.
func TestClerksGoTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := tripsOf(func() { time.Sleep(3 * time.Millisecond) })
		begin := time.Now()
		r.work(t, 5, 4, aBatch)
		if len(r.turns) > 8 || slices.Max(r.turns) < 3 || time.Since(begin) > 8*3*time.Millisecond+gatherTime {
			t.Errorf("transactions of %v in %v", r.turns, time.Since(begin))
		}
	})
}

// The only clerk there is goes at once, and keeps a pace while there is something
// to decide.
func TestLoneClerk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := tripsOf(func() { time.Sleep(time.Millisecond) })
		begin := time.Now()
		r.work(t, 1, 100, noBatch)
		if time.Since(begin) > 0 || len(r.turns) > 0 {
			t.Errorf("found nothing, and waited %v", time.Since(begin))
		}
		r.work(t, 1, 1, aBatch)
		if waited := time.Since(begin); waited != time.Millisecond {
			t.Errorf("the first letter waited %v", waited)
		}
		r.work(t, 1, 10, aBatch)
		if waited := time.Since(begin); waited != 10*lonePace+time.Millisecond {
			t.Errorf("ten more took %v", waited)
		}
	})
}

// Whoever comes while a transaction is under way waits for it, and goes with all who
// have come meanwhile.
func TestTransactionHasItsTimeAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const long = aloneTime - time.Millisecond
		r := tripsOf(func() { time.Sleep(long) })
		var all sync.WaitGroup
		begin := time.Now()
		all.Go(func() { r.work(t, 1, 1, aBatch) })
		for range 3 {
			all.Go(func() {
				time.Sleep(time.Millisecond)
				r.work(t, 1, 1, aBatch)
			})
		}
		all.Wait()
		if !slices.Equal(r.turns, []int{1, 3}) || time.Since(begin) != 2*long {
			t.Errorf("transactions of %v in %v", r.turns, time.Since(begin))
		}
	})
}

// A transaction that takes long holds nobody up who is not in it; but no more than
// two are under way.
func TestClerkDoesNotWaitForOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		end := make(chan struct{})
		r := tripsOf(func() { <-end })
		var busy sync.WaitGroup
		busy.Go(func() { r.work(t, 1, 1, aBatch) })
		time.Sleep(time.Second)
		begin := time.Now()
		r.work(t, 1, 3, noBatch)
		if waited := time.Since(begin); waited > 3*aloneTime {
			t.Errorf("waited %v", waited)
		}
		busy.Go(func() { r.work(t, 1, 1, aBatch) })
		busy.Go(func() {
			time.Sleep(time.Second)
			r.work(t, 1, 1, aBatch)
		})
		time.Sleep(time.Minute)
		synctest.Wait()
		if len(r.turns) != mostRounds {
			t.Errorf("transactions of %v under way", r.turns)
		}
		close(end)
		busy.Wait()
		if len(r.turns) != mostRounds+1 {
			t.Errorf("transactions of %v", r.turns)
		}
	})
}

// Each clerk hears what became of its own trip and of its own batch.
func TestClerksHearTheirOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		away, fenced, fine := errors.New("away"), &turn{}, &turn{}
		var told []*turn
		r := newRounds(func(_ context.Context, all []trimming) []batch.Result[trimmed] {
			mail := make([]batch.Result[trimmed], len(all))
			for i, each := range all {
				switch each.token {
				case "away":
					mail[i].Err = away
				case "other's":
				default:
					mail[i].Value = trimmed{held: true, letters: []envelope{{id: each.token}}}
				}
			}
			return mail
		}, func(_ context.Context, turns []*turn) []error {
			errs := make([]error, len(turns))
			for i := range turns {
				if turns[i] == fenced {
					errs[i] = errFenced
				}
			}
			return errs
		}, func(_ context.Context, turns []*turn) { told = append(told, turns...) })
		var all sync.WaitGroup
		for token, turns := range map[string]*turn{"away": {}, "other's": {}, "fenced": fenced, "fine": fine, "idle": nil} {
			event := ropeline.NewID[ropeline.EventID]()
			leave := r.join(event)
			all.Go(func() {
				defer leave()
				v, err := r.visit(trimming{event: event, token: token}, func([]envelope, *bundle) *turn { return turns })
				switch token {
				case "away":
					if err != away || v.turn != nil {
						t.Error(token, v, err)
					}
				case "other's":
					if err != nil || v.held || v.turn != nil {
						t.Error(token, v, err)
					}
				case "fenced", "fine", "idle":
					if err != nil || !v.held || v.turn != turns || (v.err == errFenced) != (token == "fenced") || v.letters[0].id != token {
						t.Error(token, v, err)
					}
					if turns != nil {
						<-v.told
					}
				}
			})
		}
		all.Wait()
		if len(told) != 1 || told[0] != fine {
			t.Errorf("%d turns are told of", len(told))
		}
	})
}
