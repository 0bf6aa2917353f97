package hub

import (
	"context"
	"errors"
	"hash/maphash"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/admission"
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
	writing        bool               // a writer has it, or its last frame is held
	held, early    bool               // a frame is on its way; written came before the writer noted so
	ask            bool               // the feed named the fan: the snapshot may not know yet
	turn           *admission.Shopper // what the feed said of the fan, when it said all
	after          Reason             // what ends the socket when the held frame is written
	due, pingDue   moment

	// Of the one writer that holds the socket.
	number, epoch int64  // of the place
	told          uint64 // fingerprint of the last frame; 0 before the first
	position      int64  // in the last frame
	shopUntil     int64  // Unix microseconds; of a shopper, as Redis said
	askNext       moment // then Redis is asked again
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
	stream := conn.NetConn() // all that is kept of it
	if tcp, ok := stream.(*net.TCPConn); ok {
		tcp.SetWriteBuffer(sendBuffer)
	}
	wire := newWebSocket(stream)
	if k := r.socket(wire, place); k != nil {
		go k.listen(wire)
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
func (k *socket) listen(wire *webSocket) {
	defer k.shard.room.hub.running.Done()
	k.heard.Store(int64(momentOf(time.Now())))
	read(wire.conn, &k.heard, wire)
	k.end(wire.lost())
}

// telling is one look at a socket: what is known of it, and what came of it.
type telling struct {
	due, pingDue moment // also when to write next
	ask          bool
	turn         *admission.Shopper
	held         bool // the wire calls written when the fan has taken it
}

// tell writes what is due.
func (k *socket) tell(now time.Time, t *telling, p *pen) {
	if k.ended.Load() {
		return
	}
	at := momentOf(now)
	if at >= t.pingDue {
		if heard := moment(k.heard.Load()); heard != 0 && at > heard.add(pongTimeout) {
			k.end(Lost)
			return
		}
		t.pingDue = at.add(pingEvery - pingEvery/10 + rand.N(pingEvery/5))
		if held, err := k.wire.ping(k, p); !k.sent(t, held, err) {
			t.due = at // the frame is still to come
			return
		}
	}
	room := k.shard.room
	status, place, shopper, err := k.status(now, t)
	switch ropeline.CodeOf(err) {
	case ropeline.CodeNotInLine:
		status = room.base(room.watch.Snapshot(), place)
		status.Standing = ropeline.StandingGone
	default:
		if err != nil { // an engine is away: say nothing, look again soon
			t.due = at.add(beat)
			return
		}
	}
	if k.told != 0 && status.Position > k.position && status.Standing == ropeline.StandingWaiting {
		status.Reason = ropeline.ReasonLineRebuilt // nothing else makes a line longer ahead
	}
	last := Reason{}
	switch {
	case status.Standing == ropeline.StandingGone:
		last = Gone
	case status.Phase == ropeline.PhaseClosed:
		last = Closed
	}
	t.due = at.add(rest(&status))
	switch {
	case shopper != nil && status.Standing == ropeline.StandingShopping:
		k.shopUntil, k.askNext = shopper.ShopUntil.UnixMicro(), at.add(calledCadence())
	case status.Standing != ropeline.StandingShopping:
		k.shopUntil = 0
	}
	print := fingerprint(&status)
	changed := print != k.told
	k.told, k.number, k.epoch, k.position = print, place.Number, place.Epoch, status.Position
	if changed {
		room.sign(&status, shopper)
		room.hub.metrics.frames.Inc()
		held, err := k.wire.frame(k, &status, p)
		k.sent(t, held, err)
	}
	if last != (Reason{}) {
		k.endAfter(last, t.held)
	}
}

// status is what the fan is told now, with the shopper whose pass is still to
// be signed. A turn that the feed told whole needs no engine; a later look does,
// and corrects it.
func (k *socket) status(now time.Time, t *telling) (ropeline.Status, queue.Place, *admission.Shopper, error) {
	room := k.shard.room
	shown := queue.Place{Event: room.event, Fan: k.fan, Number: k.number, Epoch: k.epoch}
	if t.turn != nil && now.Before(t.turn.PassUntil) {
		return room.calledStatus(*t.turn, shown)
	}
	if !t.ask && t.turn == nil {
		if status, known := room.known(shown); known {
			return status, shown, nil, nil
		}
	}
	if at := momentOf(now); !t.ask && t.turn == nil && k.shopUntil > now.UnixMicro() && at < k.askNext {
		return room.shopping(shown, time.UnixMicro(k.shopUntil)), shown, nil, nil
	}
	k.shard.asks()
	defer k.shard.answered()
	ctx, cancel := context.WithTimeout(context.Background(), askTimeout)
	defer cancel()
	return room.find(ctx, shown)
}

// sent notes how the wire took a message; true when the next may follow.
func (k *socket) sent(t *telling, held bool, err error) bool {
	if t.held = held; held {
		k.shard.room.hub.metrics.held.Inc()
	}
	if err != nil {
		k.end(Lost)
	}
	return !held && err == nil
}

// written is called by the wire when the fan has taken what was held, or not.
func (k *socket) written(err error) {
	k.shard.room.hub.metrics.held.Dec()
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		k.end(Slow)
		return
	case err != nil:
		k.end(Lost)
		return
	}
	k.shard.mu.Lock()
	after := k.after
	if k.held {
		k.shard.freed(k)
	} else {
		k.early = true
	}
	k.shard.mu.Unlock()
	if after != (Reason{}) {
		k.end(after)
	}
}

// endAfter ends the socket when its last frame is written.
func (k *socket) endAfter(reason Reason, held bool) {
	if held {
		k.shard.mu.Lock()
		written := k.early
		if !written {
			k.after = reason
		}
		k.shard.mu.Unlock()
		if !written {
			return
		}
	}
	k.end(reason)
}

// rest is how long the fan need not hear of what concerns everybody.
func rest(status *ropeline.Status) time.Duration {
	switch status.Standing {
	case ropeline.StandingLobby:
		return lobbyCadence(status.Phase)
	case ropeline.StandingAdmitted:
		return calledCadence()
	case ropeline.StandingShopping:
		return beat - beat/10 // what is left is at most a second old; Redis is not asked each time
	}
	return cadence(status.Position)
}

// news is what makes a frame worth sending; the rest of a status may change
// without a fan learning anything.
type news struct {
	standing   ropeline.Standing
	phase      ropeline.Phase
	paused     bool
	epoch      int64
	number, at int64
	until      int64 // of the pass, which is the same as long as this is
	why        string
	stock      int64
	announced  string
}

var seed = maphash.MakeSeed()

// fingerprint is the same for two statuses that tell a fan the same; never 0.
func fingerprint(s *ropeline.Status) uint64 {
	n := news{
		standing: s.Standing, phase: s.Phase, paused: s.Paused, epoch: s.Epoch,
		number: s.Number, at: s.Position, why: s.Reason,
	}
	if s.PassUntil != nil {
		n.until = s.PassUntil.UnixMilli()
	}
	if s.Announcement != nil {
		n.announced = s.Announcement.ID
	}
	for _, left := range s.Stock {
		n.stock = n.stock*1_000_003 + left.Available
	}
	return maphash.Comparable(seed, n) | 1
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
