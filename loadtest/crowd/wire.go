package crowd

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// wire is a fan's live connection, a WebSocket or an event stream. Fifteen
// thousand of them wait in one process, so one that waits owns no buffer: it
// waits for the socket to be readable, borrows a buffer for the moment, and
// keeps only the bytes that make no whole frame yet.
type wire struct {
	conn   net.Conn
	raw    syscall.RawConn // nil where bytes must pass through TLS
	tail   []byte          // read and not used yet
	stream bool            // an event stream; else a WebSocket

	chunked bool
	chunk   int    // bytes left of the chunk
	text    []byte // of an event that has not ended
}

// hungUp is how the server ended a connection.
type hungUp struct{ code int }

func (h hungUp) Error() string { return "close_" + strconv.Itoa(h.code) }

var (
	readBuffers = sync.Pool{New: func() any { return new([16 << 10]byte) }}
	heads       = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, 4<<10) }}
)

// handshake bounds the opening of a wire.
const handshake = 15 * time.Second

// openWire asks for a live connection. The answer tells why there is none; its
// status is 101 or 200 when there is one.
func (c *client) openWire(ctx context.Context, path string, header header, stream bool) (w *wire, a answer) {
	began := time.Now()
	defer func() { a.at = time.Now(); a.took = a.at.Sub(began) }()
	ctx, cancel := context.WithTimeout(ctx, handshake)
	defer cancel()
	conn, err := c.dial(ctx, "tcp", c.address())
	if err != nil {
		return nil, answer{code: "transport", err: err}
	}
	defer func() {
		if w == nil {
			conn.Close()
		}
	}()
	w = &wire{conn: conn, stream: stream}
	if c.base.Scheme == "https" {
		secured := tls.Client(conn, &tls.Config{ServerName: c.base.Hostname()})
		conn, w.conn = secured, secured
	} else if tcp, ok := conn.(*net.TCPConn); ok {
		if w.raw, err = tcp.SyscallConn(); err != nil {
			return nil, answer{code: "transport", err: err}
		}
	}
	deadline, _ := ctx.Deadline()
	conn.SetDeadline(deadline)
	defer context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })()
	if _, err := conn.Write(c.wireRequest(path, header, stream)); err != nil {
		return nil, answer{code: "transport", err: err}
	}
	a, err = w.readHead()
	if err != nil {
		return nil, answer{code: "transport", err: err}
	}
	if stream && a.status != http.StatusOK || !stream && a.status != http.StatusSwitchingProtocols {
		return nil, a
	}
	conn.SetDeadline(time.Time{})
	return w, a
}

func (c *client) wireRequest(path string, header header, stream bool) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "GET %s HTTP/1.1\r\nHost: %s\r\nOrigin: %s\r\n", c.base.Path+path, c.base.Host, c.origin)
	if stream {
		b.WriteString("Accept: text/event-stream\r\n")
	} else {
		var key [16]byte
		rand.Read(key[:])
		fmt.Fprintf(&b, "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n",
			base64.StdEncoding.EncodeToString(key[:]))
	}
	header.write(&b)
	b.WriteString("\r\n")
	return b.Bytes()
}

// readHead reads the response's head; what came behind it stays in the tail.
func (w *wire) readHead() (answer, error) {
	in := heads.Get().(*bufio.Reader)
	in.Reset(w.conn)
	defer func() { in.Reset(nil); heads.Put(in) }()
	res, err := http.ReadResponse(in, nil)
	if err != nil {
		return answer{}, err
	}
	if res.StatusCode != http.StatusSwitchingProtocols && (!w.stream || res.StatusCode != http.StatusOK) {
		return read(res, nil, new(bytes.Buffer)), nil
	}
	if w.stream && !strings.HasPrefix(res.Header.Get("Content-Type"), "text/event-stream") {
		return answer{}, errors.New("this is no event stream")
	}
	w.chunked = len(res.TransferEncoding) > 0
	if n := in.Buffered(); n > 0 {
		rest, _ := in.Peek(n)
		w.tail = bytes.Clone(rest)
	}
	return answer{status: res.StatusCode}, nil
}

func (w *wire) close() { w.conn.Close() }

// more waits for bytes and adds them to the tail.
func (w *wire) more() error {
	if w.raw == nil {
		buf := readBuffers.Get().(*[16 << 10]byte)
		defer readBuffers.Put(buf)
		n, err := w.conn.Read(buf[:])
		w.tail = append(w.tail, buf[:n]...)
		if n > 0 {
			return nil
		}
		return err
	}
	var failed error
	err := w.raw.Read(func(fd uintptr) bool {
		buf := readBuffers.Get().(*[16 << 10]byte)
		defer readBuffers.Put(buf)
		for {
			n, err := syscall.Read(int(fd), buf[:])
			switch {
			case err == syscall.EINTR:
				continue
			case err == syscall.EAGAIN:
				return false
			case err != nil:
				failed = err
			case n == 0:
				failed = io.EOF
			default:
				w.tail = append(w.tail, buf[:n]...)
			}
			return true
		}
	})
	if err != nil {
		return err
	}
	return failed
}

// next waits for the next message, answering pings by the way; heard is called
// for everything that came. What it returns is good until the next call.
func (w *wire) next(heard func()) ([]byte, error) {
	for {
		var (
			message []byte
			found   bool
			err     error
		)
		if w.stream {
			message, found, err = w.event()
		} else {
			message, found, err = w.frame()
		}
		if err != nil || found {
			return message, err
		}
		if err := w.more(); err != nil {
			return nil, err
		}
		heard()
	}
}

// take uses up n bytes of the tail; an empty one is given back.
func (w *wire) take(n int) (used []byte) {
	used = w.tail[:n:n]
	if w.tail = w.tail[n:]; len(w.tail) == 0 {
		w.tail = nil
	}
	return used
}

// The opcodes of RFC 6455, section 5.2.
const (
	opText, opBinary, opClose, opPing, opPong = 1, 2, 8, 9, 10
)

// frame takes the next text frame out of the tail. The server's frames are
// not masked, and ours never come in parts.
func (w *wire) frame() (message []byte, found bool, err error) {
	for len(w.tail) >= 2 {
		size, head := uint64(w.tail[1]&0x7f), 2
		switch size {
		case 126:
			head = 4
		case 127:
			head = 10
		}
		if len(w.tail) < head {
			return nil, false, nil
		}
		switch head {
		case 4:
			size = uint64(binary.BigEndian.Uint16(w.tail[2:]))
		case 10:
			size = binary.BigEndian.Uint64(w.tail[2:])
		}
		if size > maxAnswer || w.tail[1]&0x80 != 0 || w.tail[0]&0xf0 != 0x80 {
			return nil, false, errors.New("this is no frame of a server")
		}
		if uint64(len(w.tail)) < uint64(head)+size {
			return nil, false, nil
		}
		op := w.tail[0] & 0x0f
		payload := w.take(head + int(size))[head:]
		switch op {
		case opText, opBinary:
			return payload, true, nil
		case opPing:
			w.say(opPong, payload)
		case opClose:
			code := 1005 // none was given
			if len(payload) >= 2 {
				code = int(binary.BigEndian.Uint16(payload))
			}
			w.say(opClose, payload[:min(2, len(payload))])
			return nil, false, hungUp{code}
		}
	}
	return nil, false, nil
}

// say sends a control frame; a server that does not take it finds out itself.
func (w *wire) say(op byte, payload []byte) {
	if len(payload) > 125 {
		return
	}
	b := append(make([]byte, 0, 6+len(payload)), 0x80|op, 0x80|byte(len(payload)), 0, 0, 0, 0) // masked with zeros
	w.conn.SetWriteDeadline(time.Now().Add(5 * time.Second))
	w.conn.Write(append(b, payload...))
}

// event takes the next event with data out of the tail.
func (w *wire) event() (message []byte, found bool, err error) {
	if err := w.unchunk(); err != nil {
		return nil, false, err
	}
	for {
		end := bytes.Index(w.text, []byte("\n\n"))
		if end < 0 {
			if len(w.text) > maxAnswer {
				return nil, false, errors.New("an event without end")
			}
			return nil, false, nil
		}
		event := w.text[:end]
		if w.text = w.text[end+2:]; len(w.text) == 0 {
			w.text = nil
		}
		name := ""
		for line := range bytes.SplitSeq(event, []byte("\n")) {
			if value, ok := bytes.CutPrefix(line, []byte("event:")); ok {
				name = string(bytes.TrimSpace(value))
			} else if value, ok := bytes.CutPrefix(line, []byte("data:")); ok {
				message = bytes.TrimSpace(value)
			}
		}
		if name == "end" {
			var end struct{ Code int }
			json.Unmarshal(message, &end)
			return nil, false, hungUp{end.Code}
		}
		if len(message) > 0 {
			return message, true, nil
		}
	}
}

// unchunk moves what the tail has of the body into text (RFC 9112, section 7.1).
func (w *wire) unchunk() error {
	if !w.chunked {
		w.text, w.tail = append(w.text, w.tail...), nil
		return nil
	}
	for len(w.tail) > 0 {
		if w.chunk > 0 {
			n := min(w.chunk, len(w.tail))
			w.text = append(w.text, w.take(n)...)
			if w.chunk -= n; w.chunk == 0 {
				w.chunk = -2 // the line's end behind it
			}
			continue
		}
		if w.chunk < 0 {
			n := min(-w.chunk, len(w.tail))
			w.take(n)
			w.chunk += n
			continue
		}
		end := bytes.IndexByte(w.tail, '\n')
		if end < 0 {
			return nil
		}
		size, err := strconv.ParseUint(string(bytes.TrimSpace(w.take(end+1))), 16, 31)
		switch {
		case err != nil:
			return fmt.Errorf("a chunk's size: %w", err)
		case size == 0:
			return io.EOF
		}
		w.chunk = int(size)
	}
	return nil
}
