package hub

import (
	"sync"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/admission"
)

const mostSocketsPerFan = 8

// shard is a part of a room's sockets with its own lock and writers.
type shard struct {
	room    *Room
	mu      sync.Mutex
	fans    map[ropeline.FanID]*socket // a fan's sockets are linked by next
	queue   []*socket                  // marked, in the order of marking
	urgent  []*socket                  // marked because something happened to the fan: before the others
	writers int
	asking  int // writers that wait for an engine just now
	closed  bool
}

func (s *shard) init(r *Room) {
	s.room = r
	s.fans = map[ropeline.FanID]*socket{}
}

func (r *Room) shardOf(fan ropeline.FanID) *shard {
	// The last characters of an id are random.
	return &r.shards[fan[len(fan)-2]%nShards]
}

// add takes a socket in; false when the room has closed or the fan has too many.
func (s *shard) add(k *socket) (Reason, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return Shutdown, false
	}
	n := 0
	for other := s.fans[k.fan]; other != nil; other = other.next {
		n++
	}
	if n >= mostSocketsPerFan {
		return Crowded, false
	}
	k.next = s.fans[k.fan]
	s.fans[k.fan] = k
	s.room.sockets.Add(1)
	s.room.hub.running.Add(1) // here, because the room still runs
	s.mark(k, false)
	return Reason{}, true
}

// remove takes a socket out; it reports whether it was there.
func (s *shard) remove(k *socket) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := s.fans[k.fan]
	if at == k {
		if k.next == nil {
			delete(s.fans, k.fan)
		} else {
			s.fans[k.fan] = k.next
		}
	} else {
		for at != nil && at.next != k {
			at = at.next
		}
		if at == nil {
			return false
		}
		at.next = k.next
	}
	s.room.sockets.Add(-1)
	return true
}

// markFan marks all sockets of a fan whose turn has come, or with none to ask
// Redis about it.
func (s *shard) markFan(fan ropeline.FanID, turn *admission.Shopper) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for k := s.fans[fan]; k != nil; k = k.next {
		k.ask, k.turn = turn == nil, turn
		s.mark(k, true)
	}
}

func (s *shard) beat(now moment, all bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range s.fans {
		for ; k != nil; k = k.next {
			if all || now >= k.due || now >= k.pingDue {
				s.mark(k, false)
			}
		}
	}
}

func (s *shard) closeAll(reason Reason) {
	s.mu.Lock()
	s.closed = true
	sockets := make([]*socket, 0, len(s.fans))
	for _, k := range s.fans {
		for ; k != nil; k = k.next {
			sockets = append(sockets, k)
		}
	}
	s.mu.Unlock()
	for _, k := range sockets {
		k.end(reason)
	}
}

// mark asks for a frame. A socket that is marked already is not queued twice,
// except to overtake those whose news can wait; one that is being written to, or
// holds a frame that the fan does not take, is not queued at all: that is looked
// at again when it is written. Needs the lock.
func (s *shard) mark(k *socket, urgent bool) {
	if k.marked && (k.urgent || !urgent) {
		return
	}
	k.marked, k.urgent = true, urgent
	if k.writing {
		return
	}
	if urgent {
		s.urgent = append(s.urgent, k)
	} else {
		s.queue = append(s.queue, k)
	}
	s.hire()
}

// next takes the socket to write to; nil when there is none. Needs the lock.
func (s *shard) next() *socket {
	for {
		from := &s.urgent
		if len(*from) == 0 {
			from = &s.queue
		}
		if len(*from) == 0 {
			s.urgent, s.queue = nil, nil
			return nil
		}
		k := (*from)[0]
		(*from)[0] = nil
		*from = (*from)[1:]
		if k.marked && !k.writing { // or it was urgent and is served
			return k
		}
	}
}
