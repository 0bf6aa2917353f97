package hub

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/queue"
)

// retry is how long a browser waits before it opens a stream again, with
// jitter from the server: after a restart the fans come back one by one.
const (
	retryLeast = 2 * time.Second
	retryMost  = 6 * time.Second
)

var errEnded = errors.New("hub: the stream has ended")

// stream is the wire of server-sent events (WHATWG HTML, section 9.2), for
// fans whose network refuses WebSockets. net/http keeps its goroutines and
// buffers for each (docs/benchmarks.md tells how much); the request's goroutine
// is the one that writes, so that no other ever waits for the fan.
type stream struct {
	out   http.ResponseWriter
	flush *http.ResponseController

	mu     sync.Mutex
	events chan []byte   // at the most one is under way
	over   chan struct{} // closed with reason set
	reason Reason        // the zero reason until close
}

// Stream serves a fan who reads an event stream, with the frames of the
// WebSocket, and returns when the fan or the room ends it.
func (r *Room) Stream(out http.ResponseWriter, req *http.Request, place queue.Place) {
	h := out.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // nginx would hold the frames back
	w := &stream{out: out, flush: http.NewResponseController(out), events: make(chan []byte, 1), over: make(chan struct{})}
	w.flush.SetReadDeadline(time.Time{}) // the server's is for requests, and would end the stream
	defer w.flush.SetWriteDeadline(time.Time{})
	out.WriteHeader(http.StatusOK)
	retry := retryLeast + rand.N(retryMost-retryLeast)
	if w.write(strconv.AppendInt([]byte("retry: "), retry.Milliseconds(), 10)) != nil {
		return
	}
	if k := r.socket(w, place); k != nil {
		defer r.hub.running.Done()
		w.serve(req.Context(), k)
	}
	w.sayEnd()
}

// serve writes what comes until the stream is over.
func (w *stream) serve(ctx context.Context, k *socket) {
	gone := ctx.Done()
	for {
		select {
		case event := <-w.events:
			k.written(w.write(event))
		case <-gone:
			gone = nil
			k.end(Lost)
		case <-w.over:
			select {
			case event := <-w.events: // the last word before the end
				k.written(w.write(event))
			default:
			}
			return
		}
	}
}

func (w *stream) frame(_ *socket, status *ropeline.Status, p *pen) (bool, error) {
	b := append(p.buffer[:0], "id: "...)
	b = append(b, status.Offset...)
	b = append(b, "\ndata: "...)
	p.buffer = status.AppendJSON(b)
	return w.hand(append([]byte(nil), p.buffer...))
}

func (w *stream) ping(*socket, *pen) (bool, error) { return w.hand([]byte(":")) }

// hand gives an event to the goroutine that writes.
func (w *stream) hand(event []byte) (held bool, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.reason != (Reason{}) {
		return false, errEnded
	}
	w.events <- event // there is room: the one before was written
	return true, nil
}

// write sends one event, which it ends with an empty line.
func (w *stream) write(event []byte) error {
	if err := w.flush.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return err
	}
	if _, err := w.out.Write(append(event, "\n\n"...)); err != nil {
		return err
	}
	return w.flush.Flush()
}

func (w *stream) close(reason Reason) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.reason == (Reason{}) {
		w.reason = reason
		close(w.over)
	}
}

// sayEnd tells the reason in an event named end, since a stream has no close
// codes.
func (w *stream) sayEnd() {
	<-w.over
	if w.reason == Lost || w.reason == Slow {
		return
	}
	event := strconv.AppendInt([]byte("event: end\ndata: {\"code\":"), int64(w.reason.Code), 10)
	w.write(append(append(append(event, `,"reason":"`...), w.reason.Word...), `"}`...))
}
