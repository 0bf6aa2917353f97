package desk

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/admission"
	"github.com/ropeline/ropeline/catalog"
	"github.com/ropeline/ropeline/checkout"
	"github.com/ropeline/ropeline/queue"
	"github.com/ropeline/ropeline/web/hub"
)

const (
	// Beat is how old the numbers are at the most that somebody looks at.
	Beat = time.Second

	lookTime  = 2 * time.Second // for the engines
	lookLife  = 5 * time.Minute // an event that nobody looks at is forgotten after this
	mostLooks = 1000
)

// Desk looks at sales. It is safe for concurrent use.
type Desk struct {
	pool      *pgxpool.Pool
	catalog   *catalog.Catalog
	line      *queue.Line
	admission *admission.Admission
	checkout  *checkout.Checkout
	hub       *hub.Hub
	log       *slog.Logger
	ended     chan struct{}

	mu    sync.Mutex
	looks map[ropeline.EventID]*look
}

// look is the last one at an event, for all who look at it.
type look struct {
	mu    sync.Mutex // held by the one who looks
	live  Live
	at    time.Time
	marks []Mark // of the last minutes, the oldest first
	used  time.Time
}

// New makes a desk; it makes samples while Run does.
func New(pool *pgxpool.Pool, c *catalog.Catalog, l *queue.Line, a *admission.Admission, ch *checkout.Checkout, h *hub.Hub, log *slog.Logger) *Desk {
	return &Desk{pool: pool, catalog: c, line: l, admission: a, checkout: ch, hub: h, log: log, ended: make(chan struct{}), looks: map[ropeline.EventID]*look{}}
}

// Ended is closed when the desk stops: streams end then.
func (d *Desk) Ended() <-chan struct{} { return d.ended }

// Live is how a sale stands, a second old at the most; one look a second
// serves all who ask this node.
func (d *Desk) Live(ctx context.Context, event ropeline.Event) (Live, error) {
	l := d.lookAt(event.ID)
	l.mu.Lock()
	defer l.mu.Unlock()
	if time.Since(l.at) < Beat-Beat/10 {
		return l.live, nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookTime) // others wait for it
	defer cancel()
	if l.marks == nil {
		samples, err := d.Samples(ctx, event.ID, time.Now().Add(-paceWindow), time.Now())
		if err != nil {
			return Live{}, err
		}
		l.marks = marksOf(samples)
	}
	room, err := d.hub.Room(ctx, event.ID)
	if err != nil {
		return Live{}, err
	}
	snapshot, pace := room.Line()
	live, err := d.look(ctx, event, snapshot)
	if err != nil {
		return Live{}, err
	}
	live.PacePerMinute = pace
	l.marks = remember(l.marks, live.mark())
	live.SoldOut = Foresee(live, l.marks, event.ClosesAt)
	l.live, l.at = live, time.Now()
	return live, nil
}

func (d *Desk) lookAt(event ropeline.EventID) *look {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	l := d.looks[event]
	if l == nil {
		for id, old := range d.looks {
			if len(d.looks) >= mostLooks || now.Sub(old.used) > lookLife {
				delete(d.looks, id)
			}
		}
		l = &look{}
		d.looks[event] = l
	}
	l.used = now
	return l
}
