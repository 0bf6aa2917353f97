package hub

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/queue"
)

// called are the fans whom the feed named since the snapshot was taken: what
// the snapshot says of them is up to a second old and may be wrong, so a poll
// or a first frame of theirs asks Redis.
type called struct {
	n    atomic.Int64
	mu   sync.RWMutex
	fans map[ropeline.FanID]string // offset of the entry
}

func (c *called) add(offset string, members []queue.Member) {
	if len(members) == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fans == nil {
		c.fans = map[ropeline.FanID]string{}
	}
	for _, member := range members {
		c.fans[member.Fan] = offset
	}
	c.n.Store(int64(len(c.fans)))
}

func (c *called) has(fan ropeline.FanID) bool {
	if c.n.Load() == 0 {
		return false
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	_, named := c.fans[fan]
	return named
}

// forget drops those whom the snapshot knows of.
func (c *called) forget(s *queue.Snapshot) {
	if s == nil || c.n.Load() == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for fan, offset := range c.fans {
		if !s.Before(offset) {
			delete(c.fans, fan)
		}
	}
	c.n.Store(int64(len(c.fans)))
}

// rebuiltEcho is how long after the last fan could come back a position may
// still be higher than the one that was told: the slowest poll, and a bit.
const rebuiltEcho = 30 * time.Second

// rebuilt is until when positions may rise because the line was lost: as long
// as fans may still come back to numbers ahead, and an echo after it.
func (r *Room) rebuilt(old *facts) time.Time {
	if s := r.watch.Snapshot(); s != nil && s.Lost > 0 {
		return time.Now().Add(rebuiltEcho)
	}
	if old == nil {
		return time.Time{}
	}
	return old.rebuiltTo
}
