// Package hub keeps the sockets and event streams of waiting fans and tells
// each of them where it stands. It also answers polls, from the same facts in
// the same words (docs/protocol.md).
//
// # How it is built
//
// One Room per event and node. A room follows the line through queue.Watch (a
// bitmap snapshot a second, and the feed of admissions) and reads the event's
// phase and rules once a second. From these it computes any fan's status
// without asking an engine; only a fan whose number is gone costs a look at
// Redis, to fetch the pass.
//
// A WebSocket costs one reading goroutine and no buffers of its own (an event
// stream also what net/http holds for a request, see stream.go): frames
// are built when they are written, by one writer for each shard that has something to say.
// What waits for a connection is a mark, not a frame, so the latest state wins
// by construction and a slow fan cannot make frames pile up. A writer never
// waits for a fan: what the kernel does not take at once is held and written by
// a goroutine that lives only as long (websocket.go). A frame that is not taken
// within 5 s ends the connection with a typed reason.
//
// Those who are called come first: the feed says all that their frame needs, and
// marks of a whole room are spread over half a second.
//
//	feed ──► Room.heard ────┐
//	ticker ─► Room.beat ────┼─► mark ─► shard queue ─► writer ─► status ─► socket
//	phase ──► Room.beat ────┘
//
// # Failure
//
// Redis away: the snapshot ages, positions stand still, sockets stay open; the
// feed resumes by id when Redis is back, so no admission goes unheard. A lost
// line (a new epoch) re-registers each connected fan under its own number and
// says so by the epoch and the reason in the frame. A node that dies drops its
// sockets; fans reconnect elsewhere with their place. A node that stops tells
// every socket 4002.
package hub
