package checkout

import (
	"fmt"
	"slices"
)

// moves is the transition table of one state machine: what each state may
// become. A state without an entry is not a state of the machine.
type moves[S ~string] map[S][]S

// move checks one transition. A forbidden one is a bug of ours, or a race that
// a lock should have kept out; it is never the caller's fault.
func (m moves[S]) move(from, to S) error {
	for _, next := range m[from] {
		if next == to {
			return nil
		}
	}
	return fmt.Errorf("checkout: %T may not go from %q to %q", from, from, to)
}

// before lists the states that may become this one.
func (m moves[S]) before(to S) []string {
	var from []string
	for state, next := range m {
		if slices.Contains(next, to) {
			from = append(from, string(state))
		}
	}
	return from
}
