package hub

import (
	"context"
	"hash/maphash"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
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

	// sendBuffer is what the kernel keeps for a fan who does not read. By itself
	// it would grow to megabytes, and the frames in it would be minutes old.
	sendBuffer = 8 << 10
)

// socket is one connection of one fan, of either kind. A node holds tens of
// thousands, so it keeps numbers and not what they were computed from.
type socket struct {
	shard *shard
	wire  wire
	fan   ropeline.FanID
	next  *socket      // the fan's next socket
	heard atomic.Int64 // moment of the client's last sign of life; WebSockets only
	ended atomic.Bool

	// Under the shard's lock.
	marked, urgent bool
	writing        bool
	ask            bool // the feed named the fan: the snapshot may not know yet
	due, pingDue   moment

	// Of the one writer that holds the socket.
	number, epoch int64  // of the place
	told          uint64 // fingerprint of the last frame; 0 before the first
	position      int64  // in the last frame
}

// moment is a time by the monotonic clock, in nanoseconds since the program
// started.
type moment int64

var started = time.Now()

func momentOf(t time.Time) moment           { return moment(t.Sub(started)) }
func (m moment) add(d time.Duration) moment { return m + moment(d) }

// Serve upgrades the request to a WebSocket, hands it to the room and returns;
// what net/http kept for the request is freed. Before the upgrade it answers
// errors by itself, as gorilla does.
func (r *Room) Serve(w http.ResponseWriter, req *http.Request, place queue.Place) error {
	conn, err := upgrader.Upgrade(w, req, nil)
	if err != nil {
		return err
	}
	if tcp, ok := conn.NetConn().(*net.TCPConn); ok {
		tcp.SetWriteBuffer(sendBuffer)
	}
	if k := r.socket(webSocket{conn}, place); k != nil {
		go k.listen(conn)
	}
	return nil
}

// socket takes a connection in; nil when it was refused, and ended with the
// reason. Whoever serves it tells hub.running when it is over.
func (r *Room) socket(w wire, place queue.Place) *socket {
	fan := ropeline.FanID(strings.Clone(string(place.Fan))) // it was a part of a longer string
	k := &socket{shard: r.shardOf(fan), wire: w, fan: fan, number: place.Number, epoch: place.Epoch}
	k.pingDue = momentOf(time.Now().Add(rand.N(pingEvery)))
	r.hub.metrics.sockets.Inc()
	if reason, ok := k.shard.add(k); !ok {
		r.hub.metrics.sockets.Dec()
		w.close(reason)
		return nil
	}
	return k
}

// listen reads until the connection ends. It is the one goroutine of a
// WebSocket and must fit a stack of 2 KiB, which never shrinks again: so it
// sets no deadlines, and whoever pings looks at how long the client is silent.
func (k *socket) listen(conn *websocket.Conn) {
	defer k.shard.room.hub.running.Done()
	k.heard.Store(int64(momentOf(time.Now())))
	read(conn.NetConn(), &k.heard, conn)
	k.end(Lost)
}

// tell writes what is due and returns when to write next; alive is false when
// the socket has ended.
func (k *socket) tell(now time.Time, due, pingDue moment, ask bool, buffer *[]byte) (nextDue, nextPing moment, alive bool) {
	if k.ended.Load() {
		return due, pingDue, false
	}
	at := momentOf(now)
	if at >= pingDue {
		if heard := moment(k.heard.Load()); heard != 0 && at > heard.add(pongTimeout) {
			k.end(Lost)
			return due, pingDue, false
		}
		if err := k.wire.ping(now); err != nil {
			k.end(Lost)
			return due, pingDue, false
		}
		pingDue = at.add(pingEvery - pingEvery/10 + rand.N(pingEvery/5))
	}
	ctx, cancel := context.WithTimeout(context.Background(), askTimeout)
	defer cancel()
	room := k.shard.room
	shown := queue.Place{Event: room.event, Fan: k.fan, Number: k.number, Epoch: k.epoch}
	status, place, err := room.status(ctx, shown, ask)
	switch ropeline.CodeOf(err) {
	case ropeline.CodeNotInLine:
		status = room.base(room.watch.Snapshot(), shown)
		status.Standing = ropeline.StandingGone
	default:
		if err != nil { // an engine is away: say nothing, look again soon
			return at.add(beat), pingDue, true
		}
	}
	if k.told != 0 && status.Position > k.position && status.Standing == ropeline.StandingWaiting {
		status.Reason = ropeline.ReasonLineRebuilt // nothing else makes a line longer ahead
	}
	if print := fingerprint(&status); print != k.told {
		room.hub.metrics.frames.Inc()
		if err := k.wire.frame(now, &status, buffer); err != nil {
			k.end(Slow)
			return due, pingDue, false
		}
		k.told = print
	}
	k.number, k.epoch, k.position = place.Number, place.Epoch, status.Position
	switch {
	case status.Standing == ropeline.StandingGone:
		k.end(Gone)
		return due, pingDue, false
	case status.Phase == ropeline.PhaseClosed:
		k.end(Closed)
		return due, pingDue, false
	}
	if status.Standing == ropeline.StandingLobby {
		return at.add(lobbyCadence(status.Phase)), pingDue, true
	}
	return at.add(cadence(status.Position)), pingDue, true
}

// news is what makes a frame worth sending; the rest of a status may change
// without a fan learning anything.
type news struct {
	standing   ropeline.Standing
	phase      ropeline.Phase
	paused     bool
	epoch      int64
	number, at int64
	pass, why  string
}

var seed = maphash.MakeSeed()

// fingerprint is the same for two statuses that tell a fan the same; never 0.
func fingerprint(s *ropeline.Status) uint64 {
	return maphash.Comparable(seed, news{
		standing: s.Standing, phase: s.Phase, paused: s.Paused, epoch: s.Epoch,
		number: s.Number, at: s.Position, pass: s.Pass, why: s.Reason,
	}) | 1
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
	k.wire.close(reason)
}
