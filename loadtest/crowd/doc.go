// Package crowd sends a crowd of synthetic fans to a drop and judges what
// they saw. It is a black box: it imports only the vocabulary and speaks HTTP
// and WebSocket, so it can stand before any server that speaks the same API.
//
// A fan is a small program in steps (fan.go):
//
//	arrive → join → wait (WebSocket, or polling) → enter → choose → reserve → pay or give up
//
// How a fan takes the steps is its Behaviour, drawn with a share from a Mix;
// when it comes is the Arrival. Both are seeded: the same seed gives the same
// crowd, though not the same answers.
//
// Everything a fan is told becomes an Observation. Observations go to sinks:
// a Writer streams them to disk as NDJSON, a Judge turns them into verdicts on
// the invariants, a Tally into the funnel and the latencies. A record on disk
// can be judged again later (`loadtest report FILE`) with the same code.
//
// Failure semantics. A fan never fails the run: an answer that does not come,
// or comes as 429 or 5xx, is recorded and tried again a few times, as a
// browser would; a fan that gets nowhere ends with the outcome "failed".
// Crowd.Run fails only when the run cannot begin. The end of its context is a
// normal end: fans in the line look once more, so that "still waiting" is a
// fact and not a guess, and Run returns when every goroutine it started has
// ended.
//
// The verdicts use what the server said (numbers, positions, deadlines, the
// ends of passes), and the client's clock only where a slack covers the time
// that an answer may have travelled or been held in a snapshot. They can miss
// a fault that no fan could see; they should never see one that is not there.
package crowd
