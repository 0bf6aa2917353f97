package hub

import "github.com/gorilla/websocket"

// Reason is why a connection ended: a WebSocket close code of the private
// range (RFC 6455, section 7.4.2) with a word for people and metrics.
type Reason struct {
	Code int
	Word string
}

// The reasons. A client reconnects after Slow, Shutdown and Lost, with
// backoff and jitter; after Gone and Closed there is nothing to wait for.
var (
	Gone     = Reason{4000, "gone"}     // the fan is not in the line any more
	Slow     = Reason{4001, "slow"}     // frames were not taken within 5 s
	Shutdown = Reason{4002, "shutdown"} // the node stops; others serve
	Crowded  = Reason{4003, "crowded"}  // the fan has too many sockets open
	Closed   = Reason{4004, "closed"}   // the sale has ended
	Lost     = Reason{websocket.CloseAbnormalClosure, "lost"}
)
