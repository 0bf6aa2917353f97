package checkout

import (
	"context"
	"errors"
	"time"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/internal/batch"
)

// seat is where the clerk of an event sits in this process. Letters of this
// process lie in its tray until its next visit to the mailbox takes them along: one
// trip puts them in, trims what was decided and reads what comes next. A letter is
// in Redis before it is decided all the same, and in the order of the mailbox.
type seat struct {
	clerks int // more than one only where a lease was lost
	tray   []*handed
	due    bool          // the letter "due" is in the tray
	nap    chan struct{} // closed when a letter comes; nil while no clerk naps
}

// handed is a letter in a tray; told hears once what came of it.
type handed struct {
	letter letter
	told   chan batch.Result[pushed]
}

// handTime is how long a letter may lie in a tray: its clerk is held up then, and
// the letter goes to the mailbox by itself.
const handTime = 100 * time.Millisecond

// errNoClerk means that a letter must go to the mailbox by itself.
var errNoClerk = errors.New("checkout: no clerk of this process takes the letter")

// hand gives a letter to the event's clerk, if it is one of this process, and
// waits until it is in the mailbox. A letter "due" beside another one is not waited
// for. With the error errNoClerk the letter is nowhere.
func (r *rounds) hand(ctx context.Context, p post) (pushed, error) {
	h := &handed{letter: p.letter, told: make(chan batch.Result[pushed], 1)}
	if code, err := r.lay(p.event, h); code != 0 || err != nil {
		return code, err
	}
	timer := time.NewTimer(handTime)
	defer timer.Stop()
	for {
		select {
		case told := <-h.told:
			return told.Value, told.Err
		case <-ctx.Done(): // the answer will come to nobody
			return 0, ctx.Err()
		case <-timer.C:
			if r.takeBack(p.event, h) {
				return 0, errNoClerk
			}
		}
	}
}

// lay lays a letter into the event's tray; the code is not 0 where it lies there.
func (r *rounds) lay(event ropeline.EventID, h *handed) (pushed, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.seats[event]
	if s == nil {
		return 0, errNoClerk
	}
	if h.letter.Kind == letterDue {
		if s.due {
			return pushedAgain, nil
		}
		s.due = true
	}
	s.tray = append(s.tray, h)
	if s.nap != nil {
		close(s.nap)
		s.nap = nil
	}
	return 0, nil
}

// takeBack takes a letter out of the tray; false: it is there no longer.
func (r *rounds) takeBack(event ropeline.EventID, h *handed) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.seats[event]
	if s == nil {
		return false
	}
	for i, other := range s.tray {
		if other == h {
			s.tray = append(s.tray[:i], s.tray[i+1:]...)
			s.due = s.due && h.letter.Kind != letterDue
			return true
		}
	}
	return false
}

// take is what the event's clerk takes along to the mailbox. Needs the lock.
func (r *rounds) take(event ropeline.EventID) []*handed {
	s := r.seats[event]
	if s == nil || len(s.tray) == 0 {
		return nil
	}
	n := min(len(s.tray), batchSize)
	all := s.tray[:n:n]
	s.tray, s.due = s.tray[n:], false
	return all
}

// join gives an event's clerk its seat until leave is called; what lies in its tray
// then goes to the mailbox by itself.
func (r *rounds) join(event ropeline.EventID) (leave func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.seats[event]
	if s == nil {
		s = &seat{}
		r.seats[event] = s
	}
	s.clerks++
	r.clerks++
	r.tell()
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		s.clerks--
		r.clerks--
		r.tell()
		if s.clerks > 0 {
			return
		}
		delete(r.seats, event)
		for _, h := range s.tray {
			h.told <- batch.Result[pushed]{Err: errNoClerk}
		}
	}
}

// nap lets a clerk who found nothing wait for a letter of this process, and no
// longer than so long: letters of other processes come without a word.
func (r *rounds) nap(ctx context.Context, event ropeline.EventID, long time.Duration) {
	r.mu.Lock()
	s := r.seats[event]
	if len(s.tray) > 0 {
		r.mu.Unlock()
		return
	}
	if s.nap == nil {
		s.nap = make(chan struct{})
	}
	came := s.nap
	r.mu.Unlock()
	timer := time.NewTimer(long)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-came:
	case <-timer.C:
	}
}
