package sandbox

import "sync"

// handing is the short way from a change to the delivery of its webhooks, where
// both are in this process: what is due at once is written as claimed, and taken
// from here. A process that dies on the way leaves claims that end.
type handing struct {
	mu    sync.Mutex
	taken bool // somebody takes them
	ready []Delivery
}

// mostHanded is how many may wait; what comes then is claimed by whoever can.
const mostHanded = 2048

func (h *handing) open() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.taken && len(h.ready) < mostHanded
}

func (h *handing) add(some []Delivery) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ready = append(h.ready, some...)
}

// TakeHanded takes up to limit webhooks that this process itself has made due,
// for delivery like those of Claim. From the first call on they are handed over;
// whoever has called it goes on calling it.
func (g *Gateway) TakeHanded(limit int) []Delivery {
	h := &g.handing
	h.mu.Lock()
	defer h.mu.Unlock()
	h.taken = true
	n := min(limit, len(h.ready))
	some := append([]Delivery(nil), h.ready[:n]...)
	h.ready = append(h.ready[:0], h.ready[n:]...)
	return some
}
