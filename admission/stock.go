package admission

import (
	"context"
	"strings"

	"github.com/ropeline/ropeline"
)

const fansPerCall = 512 // the header of lua/stock.lua says so

// Stock tells the gate how many tickets nobody holds (left), as of a version
// that only grows; a number of an older version is ignored. It also tells
// which fans have just got a reservation (holding) and which have lost theirs
// without buying (released): a shopper with a reservation needs none of what
// is left. Repeating a call changes nothing.
func (a *Admission) Stock(ctx context.Context, event ropeline.EventID, left, version int64, holding, released []ropeline.FanID) error {
	keys := keysOf(event)
	for first := true; first || len(holding) > 0 || len(released) > 0; first = false {
		var got, lost string
		got, holding = pack(holding)
		lost, released = pack(released)
		told, err := a.stocks.Run(ctx, []string{keys.state, keys.shoppers, keys.holding}, left, version, got, lost)
		if err != nil {
			return ropeline.Unavailable(err)
		}
		reply, err := told.Int64()
		if err != nil {
			return ropeline.Unavailable(err)
		}
		if reply != 0 && reply != 1 {
			return ropeline.Unavailable(replyError("stock", reply))
		}
	}
	return nil
}

// pack takes as many fans as one call bears.
func pack(fans []ropeline.FanID) (packed string, rest []ropeline.FanID) {
	n := min(len(fans), fansPerCall)
	var b strings.Builder
	for _, fan := range fans[:n] {
		if len(fan) == idLength {
			b.WriteString(string(fan))
		}
	}
	return b.String(), fans[n:]
}
