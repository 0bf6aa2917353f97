package crowd

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// How long a carrier takes at most, and how long its connection may rest: the
// server closes one that rests for longer, maybe in the moment of its next use.
const (
	mostExchange = 30 * time.Second
	mostRest     = 30 * time.Second
)

// errand is a request on its way through a carrier.
type errand struct {
	ctx     context.Context
	request request
	answer  answer
	done    chan struct{} // closed when the answer is there

	mu     sync.Mutex
	conn   net.Conn // that carries it now
	broken bool
}

// breakOff ends an errand under way: its answer is that there is none.
func (e *errand) breakOff() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.broken = true
	if e.conn != nil {
		e.conn.SetDeadline(time.Unix(1, 0))
	}
}

// over tells which connection carries the errand, nil when none does any more. It
// reports whether the errand is still wanted.
func (e *errand) over(conn net.Conn) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.conn = conn
	if conn != nil && !e.broken {
		conn.SetDeadline(time.Now().Add(mostExchange))
	}
	return !e.broken
}

// carrier owns one connection and its buffers.
type carrier struct {
	client *client
	conn   net.Conn // nil: none is open
	in     *bufio.Reader
	out    bytes.Buffer
	body   bytes.Buffer
	used   time.Time
}

// hire lets another carrier run the errand, if there may be one more.
func (c *client) hire(e *errand) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.left == 0 {
		return false
	}
	c.left--
	c.carriers.Go(func() {
		w := &carrier{client: c, in: bufio.NewReaderSize(nil, 4<<10)}
		defer w.hangUp()
		for {
			e.answer = w.run(e)
			close(e.done)
			if e = c.next(); e == nil {
				return
			}
		}
	})
	return true
}

// next waits for an errand; nil when the client is closed.
func (c *client) next() (e *errand) {
	select {
	case e = <-c.shopping:
		return e
	default:
	}
	select {
	case e = <-c.shopping:
	case e = <-c.errands:
	case <-c.closing:
	}
	return e
}

func (w *carrier) hangUp() {
	if w.conn != nil {
		w.conn.Close()
		w.conn = nil
	}
}

// run sends the errand's request and reads its answer. Like a browser it tries
// once more, and does not say so, when a connection that it had open turns out
// to be dead before a word of the answer came, and the request may be repeated.
func (w *carrier) run(e *errand) answer {
	if err := w.write(&e.request); err != nil {
		return answer{code: "transport", err: err}
	}
	if w.conn != nil && time.Since(w.used) > mostRest {
		w.hangUp()
	}
	again := w.conn != nil && (e.request.method == http.MethodGet || e.request.header.get("Idempotency-Key") != "")
	a, heard := w.exchange(e)
	if a.err != nil && !heard && again && e.over(nil) {
		a, _ = w.exchange(e)
	}
	e.over(nil)
	w.used = time.Now()
	if w.body.Cap() > 64<<10 {
		w.body = bytes.Buffer{}
	}
	return a
}

// exchange is one try; heard tells whether a part of an answer came.
func (w *carrier) exchange(e *errand) (a answer, heard bool) {
	failed := func(err error) answer {
		w.hangUp()
		return answer{code: "transport", err: err}
	}
	if w.conn == nil {
		conn, err := w.client.connect(e.ctx)
		if err != nil {
			return failed(err), false
		}
		w.conn = conn
		w.in.Reset(conn)
	}
	if !e.over(w.conn) {
		return failed(context.Canceled), false
	}
	if _, err := w.conn.Write(w.out.Bytes()); err != nil {
		return failed(err), false
	}
	if _, err := w.in.Peek(1); err != nil {
		return failed(err), false
	}
	res, err := http.ReadResponse(w.in, nil)
	for err == nil && res.StatusCode < http.StatusOK && res.StatusCode != http.StatusSwitchingProtocols {
		res, err = http.ReadResponse(w.in, nil) // "continue" is no answer
	}
	if err != nil {
		return failed(err), true
	}
	if e.request.jar != nil {
		*e.request.jar = res.Cookies()
	}
	a = read(res, e.request.into, &w.body)
	if a.status == 0 || res.Close || w.body.Len() >= maxAnswer {
		w.hangUp()
	}
	return a, true
}

// write puts the request's bytes together.
func (w *carrier) write(r *request) error {
	var body []byte
	if r.body != nil {
		var err error
		if body, err = json.Marshal(r.body); err != nil {
			return err
		}
	}
	b := &w.out
	b.Reset()
	for _, s := range []string{r.method, " ", w.client.base.Path, r.path, " HTTP/1.1\r\nHost: ", w.client.base.Host, "\r\nAccept: application/json\r\nUser-Agent: loadtest\r\n"} {
		b.WriteString(s)
	}
	r.header.write(b)
	switch {
	case body != nil:
		b.WriteString("Content-Type: application/json\r\nContent-Length: ")
		b.WriteString(strconv.Itoa(len(body)))
		b.WriteString("\r\n")
	case r.method != http.MethodGet:
		b.WriteString("Content-Length: 0\r\n")
	}
	b.WriteString("\r\n")
	b.Write(body)
	return nil
}

func (h header) write(b *bytes.Buffer) {
	for _, f := range h {
		b.WriteString(f.name)
		b.WriteString(": ")
		b.WriteString(f.value)
		b.WriteString("\r\n")
	}
}

// connect opens a connection to the server.
func (c *client) connect(ctx context.Context) (net.Conn, error) {
	conn, err := c.dial(ctx, "tcp", c.address())
	if err != nil || c.base.Scheme != "https" {
		return conn, err
	}
	secured := tls.Client(conn, &tls.Config{ServerName: c.base.Hostname()})
	ctx, cancel := context.WithTimeout(ctx, handshake)
	defer cancel()
	if err := secured.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, err
	}
	return secured, nil
}
