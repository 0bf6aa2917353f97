package hub

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/queue"
)

const (
	pingEvery   = 25 * time.Second
	pongTimeout = 60 * time.Second // two pings and a bit
	mostMessage = 512              // bytes that a client may send in one message
	askTimeout  = time.Second      // for the engines, when a frame needs them
)

// upgrader keeps what a socket holds small: 512-byte buffers, of which the
// writing one is shared, and no compression.
var upgrader = websocket.Upgrader{
	HandshakeTimeout: writeTimeout,
	ReadBufferSize:   512,
	WriteBufferSize:  512,
	WriteBufferPool:  &sync.Pool{},
	CheckOrigin:      func(*http.Request) bool { return true }, // package web has checked it
}

// socket is one connection of one fan.
type socket struct {
	shard *shard
	ws    *websocket.Conn
	fan   ropeline.FanID
	next  *socket // the fan's next socket
	done  chan struct{}
	ended atomic.Bool

	// Under the shard's lock.
	due, pingDue    time.Time
	marked, writing bool
	ask             bool // the feed named the fan: the snapshot may not know yet

	// Of the one writer that holds the socket.
	place queue.Place
	last  ropeline.Status
}

// Serve upgrades the request to a WebSocket, hands it to the room and returns;
// what net/http kept for the request is freed. Before the upgrade it answers
// errors by itself, as gorilla does.
func (r *Room) Serve(w http.ResponseWriter, req *http.Request, place queue.Place) error {
	ws, err := upgrader.Upgrade(w, req, nil)
	if err != nil {
		return err
	}
	s := r.shardOf(place.Fan)
	k := &socket{shard: s, ws: ws, fan: place.Fan, place: place, done: make(chan struct{})}
	k.pingDue = time.Now().Add(rand.N(pingEvery))
	if reason, ok := s.add(k); !ok {
		k.close(reason)
		return nil
	}
	r.hub.metrics.sockets.Inc()
	r.hub.running.Go(k.read)
	return nil
}

// read takes what the client sends, which is only pongs and a close, until
// the connection ends.
func (k *socket) read() {
	defer close(k.done)
	k.ws.SetReadLimit(mostMessage)
	k.ws.SetReadDeadline(time.Now().Add(pongTimeout))
	k.ws.SetPongHandler(func(string) error {
		return k.ws.SetReadDeadline(time.Now().Add(pongTimeout))
	})
	for {
		if _, _, err := k.ws.NextReader(); err != nil {
			break
		}
	}
	k.end(Lost)
}

// tell writes what is due and returns when to write next; alive is false when
// the socket has ended.
func (k *socket) tell(now, due, pingDue time.Time, ask bool) (nextDue, nextPing time.Time, alive bool) {
	if k.ended.Load() {
		return due, pingDue, false
	}
	if !now.Before(pingDue) {
		if err := k.ws.WriteControl(websocket.PingMessage, nil, now.Add(writeTimeout)); err != nil {
			k.end(Lost)
			return due, pingDue, false
		}
		pingDue = now.Add(pingEvery - pingEvery/10 + rand.N(pingEvery/5))
	}
	ctx, cancel := context.WithTimeout(context.Background(), askTimeout)
	defer cancel()
	room := k.shard.room
	status, place, err := room.status(ctx, k.place, ask)
	switch ropeline.CodeOf(err) {
	case ropeline.CodeNotInLine:
		status = room.base(room.watch.Snapshot(), k.place)
		status.Standing = ropeline.StandingGone
	default:
		if err != nil { // an engine is away: say nothing, look again soon
			return now.Add(beat), pingDue, true
		}
	}
	k.place = place
	if !same(status, k.last) {
		if err := k.frame(now, status); err != nil {
			k.end(Slow)
			return due, pingDue, false
		}
		k.last = status
	}
	switch {
	case status.Standing == ropeline.StandingGone:
		k.end(Gone)
		return due, pingDue, false
	case status.Phase == ropeline.PhaseClosed:
		k.end(Closed)
		return due, pingDue, false
	}
	return now.Add(cadence(status.Position)), pingDue, true
}

func (k *socket) frame(now time.Time, status ropeline.Status) error {
	body, err := json.Marshal(status)
	if err != nil {
		return err
	}
	k.ws.SetWriteDeadline(now.Add(writeTimeout))
	k.shard.room.hub.metrics.frames.Inc()
	return k.ws.WriteMessage(websocket.TextMessage, body)
}

// same tells whether a fan would learn nothing from the frame.
func same(a, b ropeline.Status) bool {
	return a.Standing == b.Standing && a.Phase == b.Phase && a.Paused == b.Paused && a.Epoch == b.Epoch &&
		a.Number == b.Number && a.Position == b.Position && a.Pass == b.Pass
}

// end closes the connection once, with the first reason.
func (k *socket) end(reason Reason) {
	if k.ended.Swap(true) {
		return
	}
	if k.shard.remove(k) {
		hub := k.shard.room.hub
		hub.metrics.sockets.Dec()
		hub.metrics.ended.WithLabelValues(reason.Word).Inc()
	}
	k.close(reason)
}

func (k *socket) close(reason Reason) {
	if reason != Lost && reason != Slow { // those would not hear it
		k.ws.WriteControl(websocket.CloseMessage,
			websocket.FormatCloseMessage(reason.Code, reason.Word), time.Now().Add(time.Second))
	}
	k.ws.Close()
}
