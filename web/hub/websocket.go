package hub

import (
	"encoding/binary"
	"errors"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/ropeline/ropeline"
)

// The opcodes of RFC 6455, section 5.2, that matter here.
const (
	opText  = 1
	opClose = 8
	opPing  = 9
	opPong  = 10
)

// mostHead is the length of the longest head of a message of ours.
const mostHead = 4

// webSocket is the wire that browsers use. It writes to the kernel without
// waiting; what the kernel does not take is held, and a goroutine that lives
// only as long writes the rest. So a fan who does not read costs nobody's time.
type webSocket struct {
	conn net.Conn
	raw  syscall.RawConn // nil when the connection is of a kind that cannot be tried
	mu   sync.Mutex
	held *held // nil while the kernel takes everything
	slow bool  // and was not written in time
}

// held is what a fan has not taken yet.
type held struct {
	rest   []byte
	waiter *socket // whom to tell when it is written; nil when it is a pong only
}

func newWebSocket(conn net.Conn) *webSocket {
	w := &webSocket{conn: conn}
	if c, ok := conn.(syscall.Conn); ok {
		w.raw, _ = c.SyscallConn()
	}
	return w
}

func (w *webSocket) frame(k *socket, status *ropeline.Status, p *pen) (bool, error) {
	p.buffer = status.AppendJSON(append(p.buffer[:0], 0, 0, 0, 0))
	payload := len(p.buffer) - mostHead
	from := 0
	if payload < 126 {
		from = 2
		p.buffer[3] = byte(payload)
	} else { // a status is never near 64 KiB
		p.buffer[1] = 126
		binary.BigEndian.PutUint16(p.buffer[2:], uint16(payload))
	}
	p.buffer[from] = 0x80 | opText
	return w.send(k, p.buffer[from:], p)
}

func (w *webSocket) ping(k *socket, p *pen) (bool, error) {
	return w.send(k, []byte{0x80 | opPing, 0}, p)
}

// control answers the client or says goodbye, unless the kernel is full: then
// the client does not read, and would not hear it.
func (w *webSocket) control(opcode byte, payload []byte) error {
	p := pens.Get().(*pen)
	defer pens.Put(p)
	p.buffer = append(append(p.buffer[:0], 0x80|opcode, byte(len(payload))), payload...)
	_, err := w.send(nil, p.buffer, p)
	return err
}

func (w *webSocket) close(reason Reason) {
	if reason != Lost && reason != Slow { // those would not hear it
		w.control(opClose, append(binary.BigEndian.AppendUint16(nil, uint16(reason.Code)), reason.Word...))
	}
	if tcp, ok := w.conn.(*net.TCPConn); ok && reason == Slow {
		tcp.SetLinger(0) // or the kernel kept the frames for minutes, for nobody
	}
	w.conn.Close()
}

// send writes what the kernel takes now and holds the rest. A message with
// nobody who waits for it is dropped whole when the kernel takes nothing.
func (w *webSocket) send(k *socket, message []byte, p *pen) (bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.held != nil {
		if k != nil {
			w.held.rest, w.held.waiter = append(w.held.rest, message...), k
		}
		return true, nil
	}
	n, err := p.try.on(w.raw, message)
	if err != nil || n == len(message) || n == 0 && k == nil {
		return false, err
	}
	w.held = &held{rest: append([]byte(nil), message[n:]...), waiter: k}
	go w.push(w.held)
	return true, nil
}

// push writes what is held.
func (w *webSocket) push(h *held) {
	for {
		w.mu.Lock()
		rest, waiter := h.rest, h.waiter
		h.rest = nil
		if len(rest) == 0 {
			w.held = nil
			w.conn.SetWriteDeadline(time.Time{})
		}
		w.mu.Unlock()
		if len(rest) == 0 {
			if waiter != nil {
				waiter.written(nil)
			}
			return
		}
		w.conn.SetWriteDeadline(time.Now().Add(writeTimeout))
		if _, err := w.conn.Write(rest); err != nil {
			w.mu.Lock()
			waiter = h.waiter // nobody writes any more: w.held stays
			w.slow = errors.Is(err, os.ErrDeadlineExceeded)
			w.mu.Unlock()
			if waiter != nil {
				waiter.written(err)
			}
			w.conn.Close() // the reader ends the socket, if nobody else did
			return
		}
	}
}

// lost is why the connection cannot be read any more.
func (w *webSocket) lost() Reason {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.slow {
		return Slow
	}
	return Lost
}

// attempt is one write that does not wait. It is kept with the pen, because
// what a RawConn calls would be allocated each time.
type attempt struct {
	write   func(fd uintptr) bool
	message []byte
	n       int
	err     error
}

// on returns how many bytes the kernel took, 0 when it is full.
func (a *attempt) on(raw syscall.RawConn, message []byte) (int, error) {
	if raw == nil {
		return 0, nil
	}
	a.message, a.n, a.err = message, 0, nil
	err := raw.Write(a.write)
	a.message = nil
	if err != nil {
		return 0, err
	}
	return a.n, a.err
}

func (a *attempt) once(fd uintptr) bool {
	for {
		n, err := syscall.Write(int(fd), a.message)
		switch {
		case errors.Is(err, syscall.EINTR):
			continue
		case errors.Is(err, syscall.EAGAIN):
		case err != nil:
			a.err = err
		default:
			a.n = n
		}
		return true // never wait
	}
}
