package hub

import (
	"io"
	"sync/atomic"
	"time"
)

// inbox takes the frames of a client apart as their bytes come. Waiting fans
// have nothing to say: only pings and the close are answered, the rest is
// dropped. It is gorilla's reader without its buffers and its stack.
type inbox struct {
	head    [8]byte // opcode, length, two bytes of longer length, mask
	got     int     // bytes of the head
	left    int     // bytes of the payload to come; -1 while the head does
	payload []byte  // of a ping, unmasked
}

// read drops what the client sends until the connection or the client ends.
func read(from io.Reader, heard *atomic.Int64, reply *webSocket) {
	in := &inbox{left: -1}
	buffer := make([]byte, 64)
	for {
		n, err := from.Read(buffer)
		if err != nil || !in.take(buffer[:n], reply) {
			return
		}
		heard.Store(int64(momentOf(time.Now())))
	}
}

// take is given the next bytes; false when the client closes, or sends what no
// client of ours does.
func (in *inbox) take(b []byte, reply *webSocket) bool {
	for len(b) > 0 {
		if in.left < 0 {
			in.head[in.got] = b[0]
			in.got++
			b = b[1:]
			if !in.measure() {
				return false
			}
		} else {
			n := min(in.left, len(b))
			if in.opcode() == opPing {
				in.payload = append(in.payload, b[:n]...)
			}
			b, in.left = b[n:], in.left-n
		}
		if in.left == 0 && !in.finish(reply) {
			return false
		}
	}
	return true
}

func (in *inbox) opcode() byte { return in.head[0] & 0x0f }

// measure sets left as soon as the head is complete; false for a frame that
// is too long, or not masked as a client's must be.
func (in *inbox) measure() bool {
	if in.got < 2 {
		return true
	}
	length, want := int(in.head[1]&0x7f), 6
	if in.head[1]&0x80 == 0 || length == 127 || length > 125 && in.opcode() >= opClose {
		return false
	}
	if length == 126 {
		want = 8
		length = int(in.head[2])<<8 | int(in.head[3])
	}
	if in.got < want {
		return true
	}
	in.left = length
	return length <= mostMessage
}

// finish acts on a whole frame.
func (in *inbox) finish(reply *webSocket) bool {
	switch in.opcode() {
	case opClose:
		reply.control(opClose, nil)
		return false
	case opPing:
		for i := range in.payload {
			in.payload[i] ^= in.head[2+i%4]
		}
		if reply.control(opPong, in.payload) != nil {
			return false
		}
	}
	*in = inbox{left: -1}
	return true
}
