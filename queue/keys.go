package queue

import "github.com/ropeline/ropeline"

// Keys names all that Redis holds of one line. They share the event's hash
// tag, so that one script may touch them all on a cluster. Package admission
// hands some of them to its tick.
type Keys struct {
	Meta string // hash: life, epoch, next, reserved, floor, admitted, admitted_high, left, seq, clean, settle,
	//             and until the draw is done: lobby, returning, entrants, ready, numbered
	Waiting string // sorted set: fan → number
	Gone    string // bitmap: numbers below next that do not wait
	Lost    string // bitmap: numbers whose holder may come back with a place
	Feed    string // stream: ids are <epoch>-<seq>
	Lobby   string // set: fans in the lobby, until the draw is done
	Leavers string // set: fans who left after the lobby had closed, until the draw is done
}

// KeysOf builds the keys of an event's line.
func KeysOf(event ropeline.EventID) Keys {
	tag := "{e:" + string(event) + "}:line:"
	return Keys{
		Meta:    tag + "meta",
		Waiting: tag + "waiting",
		Gone:    tag + "gone",
		Lost:    tag + "lost",
		Feed:    tag + "feed",
		Lobby:   tag + "lobby",
		Leavers: tag + "leavers",
	}
}

// operation is where a leave remembers that it has happened.
func operation(event ropeline.EventID, op string) string {
	return "{e:" + string(event) + "}:line:op:" + op
}
