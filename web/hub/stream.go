package hub

import (
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
// buffers for each, about 20 KiB; the socket beside it costs as little as any.
type stream struct {
	mu     sync.Mutex // held while writing: the handler must not return meanwhile
	out    http.ResponseWriter
	flush  *http.ResponseController
	closed bool
	over   chan struct{} // closed when nothing more may be written
}

// Stream serves a fan who reads an event stream, with the frames of the
// WebSocket, and returns when the fan or the room ends it.
func (r *Room) Stream(out http.ResponseWriter, req *http.Request, place queue.Place) {
	h := out.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // nginx would hold the frames back
	w := &stream{out: out, flush: http.NewResponseController(out), over: make(chan struct{})}
	w.flush.SetReadDeadline(time.Time{}) // the server's is for requests, and would end the stream
	defer w.flush.SetWriteDeadline(time.Time{})
	out.WriteHeader(http.StatusOK)
	retry := retryLeast + rand.N(retryMost-retryLeast)
	if w.write(time.Now(), strconv.AppendInt([]byte("retry: "), retry.Milliseconds(), 10)) != nil {
		return
	}
	k := r.socket(w, place)
	if k == nil {
		return
	}
	defer r.hub.running.Done()
	select {
	case <-req.Context().Done():
		k.end(Lost)
	case <-w.over:
	}
	<-w.over // a writer may be in the middle of a frame
}

func (w *stream) frame(now time.Time, status *ropeline.Status, buffer *[]byte) error {
	b := append((*buffer)[:0], "id: "...)
	b = append(b, status.Offset...)
	b = append(b, "\ndata: "...)
	*buffer = status.AppendJSON(b)
	return w.write(now, *buffer)
}

func (w *stream) ping(now time.Time) error { return w.write(now, []byte(":")) }

// write sends one event, which it ends with an empty line.
func (w *stream) write(now time.Time, event []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return errEnded
	}
	if err := w.flush.SetWriteDeadline(now.Add(writeTimeout)); err != nil {
		return err
	}
	if _, err := w.out.Write(event); err != nil {
		return err
	}
	if _, err := w.out.Write([]byte("\n\n")); err != nil {
		return err
	}
	return w.flush.Flush()
}

// close tells the reason in an event named end, since a stream has no close
// codes, and lets the handler return.
func (w *stream) close(reason Reason) {
	if reason != Lost && reason != Slow {
		event := strconv.AppendInt([]byte("event: end\ndata: {\"code\":"), int64(reason.Code), 10)
		w.write(time.Now(), append(append(append(event, `,"reason":"`...), reason.Word...), `"}`...))
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.closed {
		w.closed = true
		close(w.over)
	}
}
