package fraud

import "github.com/ropeline/ropeline"

// joinedKey is the sketch of who joined an event's line.
func joinedKey(event ropeline.EventID) string { return prefix(event) + "joined" }

// traceKey is a sorted set: the fans who ordered with a trace, by time.
func traceKey(event ropeline.EventID, kind, trace string) string {
	return prefix(event) + kind + ":" + trace
}

func prefix(event ropeline.EventID) string { return "{e:" + string(event) + "}:fraud:" }
