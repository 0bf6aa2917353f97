package hub

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/admission"
	"github.com/ropeline/ropeline/catalog"
	"github.com/ropeline/ropeline/checkout"
	"github.com/ropeline/ropeline/queue"
)

const idleRoom = 5 * time.Minute // a room without sockets and polls ends after this

// Hub keeps one room for each event that fans of this node ask about.
type Hub struct {
	catalog   *catalog.Catalog
	line      *queue.Line
	admission *admission.Admission
	checkout  *checkout.Checkout
	log       *slog.Logger
	metrics   metrics

	mu      sync.RWMutex
	rooms   map[ropeline.EventID]*Room
	ctx     context.Context // Run's; nil before Run
	ended   bool            // no room starts any more
	running sync.WaitGroup
	started chan struct{}
}

// New makes a hub; it works while Run does.
func New(c *catalog.Catalog, l *queue.Line, a *admission.Admission, ch *checkout.Checkout, reg prometheus.Registerer, log *slog.Logger) *Hub {
	return &Hub{catalog: c, line: l, admission: a, checkout: ch, log: log, metrics: newMetrics(reg),
		rooms: map[ropeline.EventID]*Room{}, started: make(chan struct{})}
}

// Run serves until ctx ends, then tells every socket to reconnect elsewhere
// and returns when all rooms have ended.
func (h *Hub) Run(ctx context.Context) error {
	h.mu.Lock()
	h.ctx = ctx
	h.mu.Unlock()
	close(h.started)
	<-ctx.Done()
	h.mu.Lock()
	h.ended = true
	h.mu.Unlock()
	h.running.Wait()
	return nil
}

// Room returns the event's room, and starts it when this node has none. The
// event must exist. It waits for the room's first look at the line, until ctx
// ends.
func (h *Hub) Room(ctx context.Context, event ropeline.EventID) (*Room, error) {
	h.mu.RLock()
	room := h.rooms[event]
	h.mu.RUnlock()
	if room != nil && room.use() { // without the context's Done, which is made when it is asked for
		return room, nil
	}
	select {
	case <-h.started:
	case <-ctx.Done():
		return nil, ropeline.Unavailable(ctx.Err())
	}
	if room == nil {
		var err error
		if room, err = h.start(event); err != nil {
			return nil, err
		}
	}
	if room.use() {
		return room, nil
	}
	wait, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	select {
	case <-room.ready:
		return room, nil
	case <-wait.Done():
		return nil, ropeline.Unavailable(wait.Err())
	}
}

// use tells whether the room is ready, and that somebody asks.
func (r *Room) use() bool {
	select {
	case <-r.ready:
		r.used.Store(time.Now().Unix())
		return true
	default:
		return false
	}
}

func (h *Hub) start(event ropeline.EventID) (*Room, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if room := h.rooms[event]; room != nil {
		return room, nil
	}
	if h.ended {
		return nil, ropeline.Unavailable(context.Canceled)
	}
	room := newRoom(h, event)
	h.rooms[event] = room
	h.running.Go(func() { room.run(h.ctx) })
	return room, nil
}

// retire forgets a room that nobody has used for a while; false when somebody
// just did.
func (h *Hub) retire(room *Room) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if room.sockets.Load() > 0 || time.Since(time.Unix(room.used.Load(), 0)) < idleRoom {
		return false
	}
	delete(h.rooms, room.event)
	return true
}
