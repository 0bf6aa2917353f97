// Package crowd sends a crowd of synthetic fans to a drop. It is a black box:
// of the house it imports only the vocabulary, and it speaks HTTP, WebSocket and
// event streams, so it can stand before any server that speaks the same API.
//
// A fan is a small program in steps (fan.go):
//
//	arrive → join → wait (WebSocket, stream or polling) → enter → choose → reserve → pay or give up
//
// How a fan takes the steps is its Behaviour, drawn with a share from a Mix;
// when it comes is an arrival.Arrival. Both are seeded: the same seed gives the same
// crowd, though not the same answers.
//
// Everything a fan is told becomes a record.Observation. Observations go to
// sinks: a record.Writer streams them to disk, a judge.Judge turns them into
// verdicts on the invariants, a tally.Tally into the funnel and the latencies. A
// record on disk can be judged again later (`loadtest report DIR`) with the same
// code.
//
// Failure semantics. A fan never fails the run: an answer that does not come,
// or comes as 429 or 5xx, is recorded and tried again a few times, as a
// browser would; a fan that gets nowhere ends with the outcome "failed".
// Crowd.Run fails only when the run cannot begin. The end of its context is a
// normal end: fans in the line look once more, so that "still waiting" is a
// fact and not a guess, and Run returns when every goroutine it started has
// ended.
package crowd
