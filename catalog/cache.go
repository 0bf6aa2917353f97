package catalog

import (
	"sync"
	"time"

	"github.com/ropeline/ropeline"
)

const (
	fresh = time.Second // an answer this young is given without asking
	stale = time.Minute // an answer this old is better than none
	most  = 10_000      // answers kept; past it the cache starts anew
)

// cache remembers events, and for a second that one does not exist.
type cache struct {
	mu      *sync.Mutex
	answers map[ropeline.EventID]*answer
}

type answer struct {
	mu    sync.Mutex // held while Postgres is asked, so one request asks for all
	event ropeline.Event
	err   error
	at    time.Time
}

func newCache() cache {
	return cache{mu: &sync.Mutex{}, answers: map[ropeline.EventID]*answer{}}
}

func (c *cache) get(id ropeline.EventID, load func() (ropeline.Event, error)) (ropeline.Event, error) {
	c.mu.Lock()
	a := c.answers[id]
	if a == nil {
		if len(c.answers) >= most {
			clear(c.answers)
		}
		a = &answer{}
		c.answers[id] = a
	}
	c.mu.Unlock()

	a.mu.Lock()
	defer a.mu.Unlock()
	age := time.Since(a.at)
	if !a.at.IsZero() && age < fresh {
		return a.event, a.err
	}
	event, err := load()
	if ropeline.CodeOf(err) == ropeline.CodeUnavailable && err != nil {
		if a.event.ID != "" && age < stale {
			return a.event, nil
		}
		return ropeline.Event{}, err // not remembered: the next request asks again
	}
	a.event, a.err, a.at = event, err, time.Now()
	return event, err
}

// forget drops what is known; a read that is under way may still bring back
// what was true before.
func (c *cache) forget(id ropeline.EventID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.answers, id)
}
