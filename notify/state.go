package notify

import (
	"fmt"
	"slices"
)

// State is what a message has become. Its diagram is in docs/states.md.
type State string

// The states.
const (
	StateQueued  State = "queued"  // to be sent when its time has come
	StateSending State = "sending" // a sender has it; stays so when its worker dies
	StateSent    State = "sent"    // the server has taken it
	StateFailed  State = "failed"  // to be tried again
	StateDead    State = "dead"    // given up; an operator may send it again
	StateMoot    State = "moot"    // it has lost its sense before it was sent, or another one says it
)

// Sending leads to itself when nobody knows what became of a try.
var moves = map[State][]State{
	StateQueued:  {StateSending, StateMoot},
	StateSending: {StateSending, StateSent, StateFailed, StateDead, StateMoot},
	StateSent:    {},
	StateFailed:  {StateSending, StateMoot},
	StateDead:    {StateQueued},
	StateMoot:    {},
}

// move checks one transition; a forbidden one is a bug of ours.
func move(from, to State) error {
	if slices.Contains(moves[from], to) {
		return nil
	}
	return fmt.Errorf("notify: a message may not go from %q to %q", from, to)
}

// before lists the states that may become another.
func before(to State) []State {
	var from []State
	for state, next := range moves {
		if slices.Contains(next, to) {
			from = append(from, state)
		}
	}
	return from
}
