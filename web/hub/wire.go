package hub

import (
	"net/http"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"github.com/ropeline/ropeline"
)

// wire is how frames reach a fan: a WebSocket or a stream of events. Nobody
// ever waits for the fan. One writer at a time calls frame and ping; when one
// of them is held, because the kernel does not take it now, the wire goes on by
// itself and calls k.written once. close may come from elsewhere.
type wire interface {
	frame(k *socket, status *ropeline.Status, p *pen) (held bool, err error)
	ping(k *socket, p *pen) (held bool, err error)
	close(reason Reason)
}

// pen is what a writer writes with.
type pen struct {
	buffer []byte
	try    attempt
}

var pens = sync.Pool{New: func() any {
	p := &pen{buffer: make([]byte, 0, 1024)}
	p.try.write = p.try.once
	return p
}}

// upgrader keeps what a socket holds small: a reading buffer for the handshake
// only, and no compression.
var upgrader = websocket.Upgrader{
	HandshakeTimeout: writeTimeout,
	ReadBufferSize:   128,
	WriteBufferSize:  512,
	WriteBufferPool:  &sync.Pool{},
	CheckOrigin:      func(*http.Request) bool { return true }, // package web has checked it
}

// writeTimeout is how long a fan may take nothing, while frames are due.
const writeTimeout = 5 * time.Second
