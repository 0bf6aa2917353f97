package checkout

import (
	"context"
	"sync"
	"time"

	"github.com/ropeline/ropeline/internal/batch"
)

// rounds has the clerks of this process go to their mailboxes together: what
// they then find are batches that share a transaction. A clerk that is the only
// one goes when it likes. One of several waits for the others, but never for
// long: until all are there, until a transaction under way has ended and its
// clerks are back, or until the last round is a while ago.
type rounds struct {
	call func(context.Context, []trimming) []batch.Result[trimmed]

	mu      sync.Mutex
	clerks  int // that serve in this process
	waiting []roundTrip
	oldest  time.Time // since when the first of them waits
	next    time.Time // when the next round may begin without the others
	working int       // transactions under way
	going   bool      // a goroutine is there that begins the rounds
	changed chan struct{}
}

type roundTrip struct {
	trimming
	answer chan batch.Result[trimmed]
}

const (
	roundPause = 4 * time.Millisecond   // between two rounds, where not all clerks are there
	backFrom   = 500 * time.Microsecond // that the clerks of a transaction need to be back
	roundWait  = 20 * time.Millisecond  // at the most, whatever is under way
	roundTime  = time.Second            // of one round trip to Redis
)

func newRounds(call func(context.Context, []trimming) []batch.Result[trimmed]) *rounds {
	return &rounds{call: call, changed: make(chan struct{}, 1)}
}

// join counts a clerk in until leave is called.
func (r *rounds) join() (leave func()) {
	count := func(n int) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.clerks += n
		r.tell()
	}
	count(1)
	return func() { count(-1) }
}

// work counts a transaction as under way until done is called.
func (r *rounds) work() (done func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.working++
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.working--
		if soon := time.Now().Add(backFrom); r.next.Before(soon) {
			r.next = soon
		}
		r.tell()
	}
}

// pace is between the beginnings of two transactions.
func (r *rounds) pace() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.clerks > 1 {
		return turnPace / mostTurns
	}
	return turnPace
}

// trim is mailbox.trim, with the next round.
func (r *rounds) trim(t trimming) (trimmed, error) {
	trip := roundTrip{t, make(chan batch.Result[trimmed], 1)}
	r.mu.Lock()
	if len(r.waiting) == 0 {
		r.oldest = time.Now()
	}
	r.waiting = append(r.waiting, trip)
	if !r.going {
		r.going = true
		go r.run()
	}
	r.tell()
	r.mu.Unlock()
	told := <-trip.answer
	return told.Value, told.Err
}

// tell has run look again. Needs the lock.
func (r *rounds) tell() {
	select {
	case r.changed <- struct{}{}:
	default:
	}
}

// run begins rounds for as long as clerks wait for one.
func (r *rounds) run() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		r.mu.Lock()
		if len(r.waiting) == 0 {
			r.going = false
			r.mu.Unlock()
			return
		}
		now := time.Now()
		if wait := r.patience(now); wait > 0 {
			r.mu.Unlock()
			timer.Reset(wait)
			select {
			case <-r.changed:
			case <-timer.C:
			}
			continue
		}
		trips := r.waiting
		r.waiting, r.next = nil, now.Add(roundPause)
		r.mu.Unlock()
		r.round(trips)
	}
}

// patience is how long the next round is waited with. Needs the lock.
func (r *rounds) patience(now time.Time) time.Duration {
	if len(r.waiting) >= min(r.clerks, mostTogether) {
		return 0
	}
	latest := r.oldest.Add(roundWait)
	if r.working == 0 && r.next.Before(latest) {
		latest = r.next
	}
	return latest.Sub(now)
}

func (r *rounds) round(trips []roundTrip) {
	ctx, cancel := context.WithTimeout(context.Background(), roundTime)
	defer cancel()
	trimmings := make([]trimming, len(trips))
	for i := range trips {
		trimmings[i] = trips[i].trimming
	}
	for i, told := range r.call(ctx, trimmings) {
		trips[i].answer <- told
	}
}
