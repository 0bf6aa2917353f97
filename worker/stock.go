package worker

import (
	"context"
	"sync"
	"time"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/checkout"
)

// stockNews gathers what clerks have committed until admission has been told,
// so that no clerk waits for admission's Redis.
type stockNews struct {
	mu     sync.Mutex
	events map[ropeline.EventID]*eventNews
	signal chan struct{}
}

type eventNews struct {
	version, left int64
	holding       map[ropeline.FanID]bool // true: got a hold; false: lost it
}

func newStockNews() *stockNews {
	return &stockNews{events: map[ropeline.EventID]*eventNews{}, signal: make(chan struct{}, 1)}
}

func (s *stockNews) add(b checkout.Batch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	news := s.events[b.Event]
	if news == nil {
		news = &eventNews{holding: map[ropeline.FanID]bool{}}
		s.events[b.Event] = news
	}
	if b.Version > news.version {
		news.version, news.left = b.Version, b.Left
	}
	for _, fan := range b.Ended {
		news.holding[fan] = false
	}
	for _, fan := range b.Holding {
		news.holding[fan] = true
	}
	select {
	case s.signal <- struct{}{}:
	default:
	}
}

func (s *stockNews) take() map[ropeline.EventID]*eventNews {
	s.mu.Lock()
	defer s.mu.Unlock()
	taken := s.events
	s.events = map[ropeline.EventID]*eventNews{}
	return taken
}

// stockPace is between two tellings: a clerk commits more than a hundred times a
// second, each event's news are a call, and lines are ticked ten times a second. What
// is held and not told yet lets nobody in too many: a hold takes a ticket from what is
// left, and its fan from those who have none yet.
const stockPace = 100 * time.Millisecond

// tellStock tells admission the news until ctx ends, and then the last ones.
func (w *Worker) tellStock(ctx context.Context) {
	pace := time.NewTicker(stockPace)
	defer pace.Stop()
	for {
		select {
		case <-ctx.Done():
			w.tellOnce(context.WithoutCancel(ctx))
			return
		case <-w.stock.signal:
			w.tellOnce(ctx)
		}
		select {
		case <-ctx.Done():
		case <-pace.C:
		}
	}
}

func (w *Worker) tellOnce(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	if w.options.Stock == nil {
		w.stock.take()
		return
	}
	var all sync.WaitGroup // together, so that events may share a round trip
	for event, news := range w.stock.take() {
		var holding, released []ropeline.FanID
		for fan, has := range news.holding {
			if has {
				holding = append(holding, fan)
			} else {
				released = append(released, fan)
			}
		}
		all.Go(func() {
			if err := w.options.Stock(ctx, event, news.left, news.version, holding, released); err != nil {
				w.log.WarnContext(ctx, "stock not told to admission, the sweep will", "event", event, "err", err)
			}
		})
	}
	all.Wait()
}
