package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/queue"
)

// BenchmarkMillion puts 1,000,000 fans in line, lets somebody leave at the front
// ten times a second, and tells how long it takes until the last fan's poll
// knows, and how much of one core Redis needs meanwhile for everything that
// one node with all roles asks of it.
func BenchmarkMillion(b *testing.B) {
	const waiting, window = 1_000_000, 20 * time.Second
	h := openHouse(b)
	client := h.redis(b)
	event := h.event(b, 1)
	front := h.fill(b, event.ID, waiting-1)
	fan, token := h.Fans.Mint()
	place, err := h.Line.Join(b.Context(), event.ID, fan, nil)
	if err != nil {
		b.Fatal(err)
	}
	position := func() int64 {
		request, _ := http.NewRequestWithContext(b.Context(), "GET", "http://"+h.address+"/events/"+string(event.ID)+"/queue", nil)
		request.Header.Set("Authorization", "Bearer "+token)
		request.Header.Set("Ropeline-Place", h.Line.Token(place))
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			b.Fatal(err)
		}
		defer answer.Body.Close()
		body, _ := io.ReadAll(answer.Body)
		var status ropeline.Status
		if err := json.Unmarshal(body, &status); err != nil || answer.StatusCode != http.StatusOK {
			b.Fatalf("%v %d %s", err, answer.StatusCode, body)
		}
		return status.Position
	}

	figures := rounds{}
	for b.Loop() {
		var left atomic.Int64
		left.Store(waiting - 1 - position())
		begun, before := time.Now(), redisCPU(b, client)
		ticker := time.NewTicker(100 * time.Millisecond)
		var pending []time.Time // when each leave that the poll does not know of yet had happened
		var oldest time.Duration
		for time.Since(begun) < window {
			<-ticker.C
			known := waiting - 1 - position()
			for len(pending) > 0 && left.Load()-int64(len(pending)) < known {
				pending = pending[1:]
			}
			if len(pending) > 0 {
				oldest = max(oldest, time.Since(pending[0]))
			}
			if err := h.Line.Leave(b.Context(), event.ID, front[0].Fan, ""); err != nil {
				b.Fatal(err)
			}
			front = front[1:]
			left.Add(1)
			pending = append(pending, time.Now())
		}
		ticker.Stop()
		figures.add("oldest-ms", float64(oldest.Milliseconds()))
		figures.add("redis-core-percent", 100*float64(redisCPU(b, client)-before)/float64(time.Since(begun)))
	}
	figures.report(b)
}

// fill puts so many fans in line and returns the first thousand.
func (h *house) fill(b *testing.B, event ropeline.EventID, n int) (front []queue.Place) {
	b.Helper()
	var (
		next    atomic.Int64
		joining sync.WaitGroup
		failure atomic.Pointer[error]
	)
	for range 1000 { // the first ones in order, to know them
		place, err := h.Line.Join(b.Context(), event, ropeline.NewID[ropeline.FanID](), nil)
		if err != nil {
			b.Fatal(err)
		}
		front = append(front, place)
	}
	next.Store(1000)
	for range 512 {
		joining.Go(func() {
			for failure.Load() == nil && next.Add(1) <= int64(n) {
				if _, err := h.Line.Join(b.Context(), event, ropeline.NewID[ropeline.FanID](), nil); err != nil {
					failure.Store(&err)
				}
			}
		})
	}
	joining.Wait()
	if err := failure.Load(); err != nil {
		b.Fatal(fmt.Errorf("fill: %w", *err))
	}
	return front
}
