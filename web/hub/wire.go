package hub

import (
	"net/http"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"github.com/ropeline/ropeline"
)

// wire is how frames reach a fan: a WebSocket or a stream of events. One
// writer at a time calls frame and ping; close may come from elsewhere.
type wire interface {
	frame(now time.Time, status *ropeline.Status, buffer *[]byte) error
	ping(now time.Time) error
	close(reason Reason)
}

// upgrader keeps what a socket holds small: a reading buffer for the handshake
// only, a shared writing buffer, and no compression.
var upgrader = websocket.Upgrader{
	HandshakeTimeout: writeTimeout,
	ReadBufferSize:   128,
	WriteBufferSize:  512,
	WriteBufferPool:  &sync.Pool{},
	CheckOrigin:      func(*http.Request) bool { return true }, // package web has checked it
}

// webSocket is the wire that browsers use. It is as large as a pointer.
type webSocket struct{ conn *websocket.Conn }

func (w webSocket) frame(now time.Time, status *ropeline.Status, buffer *[]byte) error {
	*buffer = status.AppendJSON((*buffer)[:0])
	w.conn.SetWriteDeadline(now.Add(writeTimeout))
	return w.conn.WriteMessage(websocket.TextMessage, *buffer)
}

func (w webSocket) ping(now time.Time) error {
	return w.conn.WriteControl(websocket.PingMessage, nil, now.Add(writeTimeout))
}

func (w webSocket) close(reason Reason) {
	if reason != Lost && reason != Slow { // those would not hear it
		w.conn.WriteControl(websocket.CloseMessage,
			websocket.FormatCloseMessage(reason.Code, reason.Word), time.Now().Add(time.Second))
	}
	w.conn.Close()
}
