package checkout

import (
	"sync"

	"github.com/ropeline/ropeline"
)

// capturing are the payments whose money this process takes at the moment, from
// the call to the gateway until the books know.
type capturing struct {
	mu    sync.Mutex
	ended map[ropeline.PaymentID]chan struct{}
}

// begin notes a capture; end tells those who wait for it.
func (c *capturing) begin(id ropeline.PaymentID) (end func()) {
	ended := make(chan struct{})
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended == nil {
		c.ended = map[ropeline.PaymentID]chan struct{}{}
	}
	c.ended[id] = ended
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.ended[id] == ended { // not another one's that began since
			delete(c.ended, id)
		}
		close(ended)
	}
}

// of is closed when the capture of a payment has ended; nil: none is under way.
func (c *capturing) of(id ropeline.PaymentID) <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ended[id]
}
