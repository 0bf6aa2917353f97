package hub

import (
	"runtime"
	"time"
)

// A shard has one writer while sockets are marked: it never waits for a fan, and
// one that must ask an engine first (somebody's number is gone) lets another
// one begin, up to these.
const (
	fewWriters  = 64  // for news that can wait
	mostWriters = 512 // for what happened to a fan in person
)

// inOneGo is how many frames a writer writes before it lets others run: the
// marks of a whole room must not keep the few who are called waiting.
const inOneGo = 4

// write serves the shard's queue until it is empty.
func (s *shard) write() {
	p := pens.Get().(*pen)
	defer pens.Put(p)
	s.mu.Lock()
	defer s.mu.Unlock()
	for n := 1; ; n++ {
		k := s.next()
		if k == nil {
			break
		}
		t := telling{due: k.due, pingDue: k.pingDue, ask: k.ask, turn: k.turn}
		k.marked, k.urgent, k.writing, k.ask, k.turn = false, false, true, false, nil
		s.mu.Unlock()

		k.tell(time.Now(), &t, p)
		if n%inOneGo == 0 {
			runtime.Gosched()
		}

		s.mu.Lock()
		k.due, k.pingDue = t.due, t.pingDue
		if !t.held {
			s.freed(k)
		} else if k.early { // written already
			k.early = false
			s.freed(k)
		} else {
			k.held = true
		}
	}
	s.writers--
}

// freed lets the next frame be written. Needs the lock.
func (s *shard) freed(k *socket) {
	k.writing, k.held = false, false
	if k.marked && !k.ended.Load() { // marked again meanwhile
		k.marked = false
		s.mark(k, k.urgent)
	}
}

// asks tells that a writer waits for an engine; answered, that it goes on.
func (s *shard) asks() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asking++
	s.hire()
}

func (s *shard) answered() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asking--
}

// hire starts a writer when sockets wait and nobody writes. Needs the lock.
func (s *shard) hire() {
	most := fewWriters
	if len(s.urgent) > 0 {
		most = mostWriters
	}
	if len(s.urgent)+len(s.queue) > 0 && s.writers == s.asking && s.writers < most {
		s.writers++
		go s.write()
	}
}
