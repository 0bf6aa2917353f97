package checkout

import (
	"context"
	"sync"
	"time"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/internal/batch"
)

// rounds has the clerks of this process go to their mailboxes together, in one
// round trip, and brings what they find through one transaction. A clerk that
// found nothing is back at once; the others are when theirs is committed.
//
// A round begins when a clerk is there and
//
//   - none is under way: meanwhile letters come, and the next transaction is the
//     larger. Beside one that takes longer than aloneTime, because it waits for a
//     lock, another may begin;
//   - the last one with a transaction began a pace ago, where there is only one
//     clerk: letters that come in a stream are decided by the dozen, and lone ones
//     at once;
//   - all clerks that are not under way are there, or gatherTime has passed since
//     the last round: one mailbox is not worth a trip that many could share.
type rounds struct {
	trim    func(context.Context, []trimming) []batch.Result[trimmed]
	commit  func(context.Context, []*turn) []error
	publish func(context.Context, []*turn)

	mu       sync.Mutex
	seats    map[ropeline.EventID]*seat // of the clerks that serve in this process
	clerks   int
	waiting  []*visit
	begun    time.Time // when the last round began
	paced    time.Time // when the last one that had a transaction began
	underWay int       // rounds
	out      int       // clerks who are on them
	going    bool      // a goroutine is there that begins the rounds
	changed  chan struct{}
}

// visit is one clerk's part of a round.
type visit struct {
	trimming
	handed []*handed                       // what its puts are made of
	turn   func([]envelope, *bundle) *turn // makes a batch of the letters, of which it may know some; nil: there is nothing to decide
	done   chan visited
}

// visited is what has come of it.
type visited struct {
	trimmed
	turn *turn           // nil: there was none
	err  error           // of the turn, see commitTurns
	told <-chan struct{} // closed when other nodes were told of it
}

const (
	// mostRounds is how many rounds are under way at once, if the last of them
	// takes longer than aloneTime.
	mostRounds = 2
	aloneTime  = 50 * time.Millisecond
	// lonePace is between the transactions of a clerk that is the only one.
	lonePace   = 7 * time.Millisecond
	gatherTime = 2 * time.Millisecond
	trimTime   = time.Second // of the round trip to Redis
)

func newRounds(trim func(context.Context, []trimming) []batch.Result[trimmed], commit func(context.Context, []*turn) []error, publish func(context.Context, []*turn)) *rounds {
	return &rounds{trim: trim, commit: commit, publish: publish, seats: map[ropeline.EventID]*seat{}, changed: make(chan struct{}, 1)}
}

// visit takes part in the next round. The error is that of the trip to the
// mailbox: then nothing was trimmed or read, as far as is known.
func (r *rounds) visit(t trimming, turn func([]envelope, *bundle) *turn) (visited, error) {
	v := &visit{trimming: t, turn: turn, done: make(chan visited, 1)}
	r.mu.Lock()
	r.waiting = append(r.waiting, v)
	if !r.going {
		r.going = true
		go r.run()
	}
	r.tell()
	r.mu.Unlock()
	back := <-v.done
	if back.turn == nil {
		return back, back.err
	}
	return back, nil
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
		n := min(len(r.waiting), mostTogether)
		visits := r.waiting[:n:n]
		r.waiting = append([]*visit(nil), r.waiting[n:]...)
		for _, v := range visits {
			v.handed = r.take(v.event)
		}
		r.begun = now
		r.underWay++
		r.out += n
		r.mu.Unlock()
		go r.round(visits, now)
	}
}

// patience is how long the next round is waited with. Needs the lock.
func (r *rounds) patience(now time.Time) time.Duration {
	if r.underWay >= mostRounds {
		return time.Hour // until one ends
	}
	begin := now
	if r.underWay > 0 {
		begin = r.begun.Add(aloneTime)
	}
	if paced := r.paced.Add(lonePace); r.clerks == 1 && paced.After(begin) {
		begin = paced
	}
	if gathered := r.begun.Add(gatherTime); len(r.waiting)+r.out < min(r.clerks, mostTogether) && gathered.After(begin) {
		begin = gathered
	}
	return begin.Sub(now)
}

// round is one of them, from the mailboxes to the answers.
func (r *rounds) round(visits []*visit, begun time.Time) {
	ctx, cancel := context.WithTimeout(context.Background(), trimTime)
	trimmings := make([]trimming, len(visits))
	for i, v := range visits {
		if len(v.handed) > 0 {
			v.puts = &bundle{event: v.event}
			for _, h := range v.handed {
				v.puts.letters = append(v.puts.letters, h.letter)
			}
		}
		trimmings[i] = v.trimming
	}
	mail := r.trim(ctx, trimmings)
	cancel()
	for _, v := range visits {
		v.answer()
	}
	turns := make([]*turn, len(visits))
	var some []*turn
	for i, v := range visits {
		if mail[i].Err == nil && mail[i].Value.held {
			if turns[i] = v.turn(mail[i].Value.letters, v.puts); turns[i] != nil {
				some = append(some, turns[i])
			}
		}
	}
	r.back(len(visits)-len(some), func() {
		if len(some) > 0 && r.paced.Before(begun) {
			r.paced = begun
		}
	})
	for i, v := range visits {
		if turns[i] == nil {
			v.done <- visited{trimmed: mail[i].Value, err: mail[i].Err}
		}
	}
	var errs []error
	if len(some) > 0 {
		ctx, cancel := context.WithTimeout(context.Background(), commitTime)
		defer cancel()
		errs = r.commit(ctx, some)
	}
	r.back(len(some), func() { r.underWay-- })
	var committed []*turn
	told := make(chan struct{})
	defer close(told)
	for i, v := range visits {
		if turns[i] == nil {
			continue
		}
		err := errs[0]
		errs = errs[1:]
		if err == nil {
			committed = append(committed, turns[i])
		}
		v.done <- visited{mail[i].Value, turns[i], err, told}
	}
	if len(committed) > 0 {
		r.publish(context.Background(), committed)
	}
}

// answer tells those who have handed letters in what came of them.
func (v *visit) answer() {
	for i, h := range v.handed {
		told := batch.Result[pushed]{}
		if v.puts.err != nil {
			told.Err = ropeline.Unavailable(v.puts.err)
		} else {
			told.Value = v.puts.codes[i]
		}
		h.told <- told
	}
}

// back counts clerks of a round as back, just before they are told.
func (r *rounds) back(n int, also func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.out -= n
	also()
	r.tell()
}
