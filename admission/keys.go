package admission

import "github.com/ropeline/ropeline"

// keys names what Redis holds of one event's admission, besides the line.
type keys struct {
	rules     string // hash: the rules in force
	state     string // hash: bucket (tokens, ceiling, owed, at, epoch), stock (left, version), counters
	shoppers  string // hash: fan → record
	deadlines string // sorted set: fan → milliseconds when the pass or the time to shop ends
	holding   string // set: shoppers who have a reservation
	redeemed  string // sorted set: pass id → milliseconds when the pass expires
	bypass    string // list: fans whom the organizer lets in past the line
	nodes     string // hash: node → the rules by which it ticked last, and when
}

func keysOf(event ropeline.EventID) keys {
	tag := prefix(event)
	return keys{
		rules:     tag + "rules",
		state:     tag + "state",
		shoppers:  tag + "shoppers",
		deadlines: tag + "deadlines",
		holding:   tag + "holding",
		redeemed:  tag + "redeemed",
		bypass:    tag + "bypass",
		nodes:     tag + "nodes",
	}
}

// operation is where the result of a call is kept for those who ask again.
func operation(event ropeline.EventID, op string) string { return prefix(event) + "op:" + op }

func prefix(event ropeline.EventID) string { return "{e:" + string(event) + "}:admission:" }
