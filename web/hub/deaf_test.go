package hub

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/queue"
)

// More sockets than a shard may have writers of the common kind take nothing.
// Their neighbour in the same shard hears everything at once, in person and in
// general; no writer waits for them, and in the end they are cut off as slow.
func TestDeafSocketsHoldNobodyUp(t *testing.T) {
	h := openHouse(t)
	event := h.event()
	r := h.room(event)
	neighbours := func() queue.Place { // all in the first shard
		for {
			if fan := ropeline.NewID[ropeline.FanID](); r.shardOf(fan) == &r.shards[0] {
				place, err := h.hub.line.Join(t.Context(), event, fan, nil)
				if err != nil {
					t.Fatal(err)
				}
				return place
			}
		}
	}
	place := neighbours()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if err := r.Serve(w, req, place); err != nil {
			t.Error(err)
		}
	}))
	defer server.Close()
	url := strings.Replace(server.URL, "http", "ws", 1)
	reading, _, err := websocket.DefaultDialer.Dial(url, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer reading.Close()
	deaf := websocket.Dialer{NetDialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		small := net.Dialer{Control: func(_, _ string, raw syscall.RawConn) error {
			return raw.Control(func(fd uintptr) { syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 1) })
		}}
		return small.DialContext(ctx, network, address)
	}}
	const fans = fewWriters/mostSocketsPerFan + 2
	for range fans {
		place = neighbours()
		for range mostSocketsPerFan {
			conn, _, err := deaf.Dial(url, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
		}
	}
	hear := func(want func(string) bool) {
		t.Helper()
		reading.SetReadDeadline(time.Now().Add(20 * time.Second))
		for {
			_, frame, err := reading.ReadMessage()
			if err != nil {
				t.Fatal(err)
			}
			if want(string(frame)) {
				return
			}
		}
	}
	toggle := func() {
		t.Helper()
		next := *r.facts.Load()
		next.paused = !next.paused
		r.facts.Store(&next)
		r.beat(t.Context(), time.Now(), true)
		hear(func(frame string) bool { return strings.Contains(frame, `"paused":true`) == next.paused })
	}
	const all = fans * mostSocketsPerFan
	slow := h.hub.metrics.ended.WithLabelValues(Slow.Word)
	for value(t, h.hub.metrics.held)+value(t, slow) < all {
		toggle()
	}
	shard := &r.shards[0]
	idle := func() bool {
		shard.mu.Lock()
		defer shard.mu.Unlock()
		return shard.writers == 0
	}
	for deadline := time.Now().Add(20 * time.Second); !idle(); <-time.After(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("a writer waits for somebody who does not read")
		}
	}
	toggle()
	ticked, err := h.hub.admission.Tick(t.Context(), event)
	if err != nil || len(ticked.Admitted) == 0 {
		t.Fatalf("%+v %v", ticked, err)
	}
	entries, err := h.hub.line.Feed(t.Context(), event, "0-0", 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		r.heard(entry)
	}
	hear(func(frame string) bool { return strings.Contains(frame, `"pass":`) })
	for deadline := time.Now().Add(4 * writeTimeout); value(t, slow) < all; <-time.After(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%v of %d were cut off as slow, %v are held, %d are left",
				value(t, slow), all, value(t, h.hub.metrics.held), r.sockets.Load())
		}
		if value(t, h.hub.metrics.held)+value(t, slow) < all {
			toggle() // the kernel packed what it kept for some of them, and took all that was held
		}
	}
	if n := r.sockets.Load(); n != 1 {
		t.Errorf("%d sockets are left", n)
	}
	r.closeAll(Shutdown)
	h.hub.running.Wait()
	if n := value(t, h.hub.metrics.held); n != 0 {
		t.Errorf("%v sockets are held after all have ended", n)
	}
}

// value is what a gauge or a counter stands at.
func value(t *testing.T, of prometheus.Collector) float64 {
	t.Helper()
	registry := prometheus.NewRegistry()
	registry.MustRegister(of)
	families, err := registry.Gather()
	if err != nil || len(families) != 1 {
		t.Fatalf("%v %v", families, err)
	}
	m := families[0].GetMetric()[0]
	return m.GetGauge().GetValue() + m.GetCounter().GetValue()
}
