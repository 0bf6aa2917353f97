package hub

import "time"

// fewWriters bounds the goroutines that write for one shard. They live only
// while sockets are marked. A socket that takes nothing holds one of them for
// writeTimeout and is then gone, so a crowd of such sockets can hold up the
// positions of the others for a moment. What happens to a fan in person finds
// a writer all the same: more of them are started for it, up to mostWriters.
const (
	fewWriters   = 64
	mostWriters  = 512
	writeTimeout = 5 * time.Second
)

// write serves the shard's queue until it is empty.
func (s *shard) write() {
	buffer := make([]byte, 0, 1024)
	s.mu.Lock()
	defer s.mu.Unlock()
	for k := s.next(); k != nil; k = s.next() {
		ask, due, pingDue := k.ask, k.due, k.pingDue
		k.marked, k.urgent, k.writing, k.ask = false, false, true, false
		s.busy++
		s.mu.Unlock()

		now := time.Now()
		due, pingDue, alive := k.tell(now, due, pingDue, ask, &buffer)

		s.mu.Lock()
		s.busy--
		k.due, k.pingDue, k.writing = due, pingDue, false
		if alive && k.marked { // marked again meanwhile
			k.marked = false
			s.mark(k, k.urgent)
		}
	}
	s.writers--
}
