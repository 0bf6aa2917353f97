package admission

import (
	"context"
	"crypto/rand"
	"errors"
	"strconv"
	"strings"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/queue"
)

// Ticked is what one tick did and found.
type Ticked struct {
	Epoch        int64
	Version      int64 // of the rules in force
	Paused       bool
	Waiting      int64          // after the tick
	Shoppers     int64          // after the tick
	AdmittedHigh int64          // the highest number ever admitted in this life of Redis, -1 for none
	NoShows      int64          // passes that ran out
	Ended        int64          // shopping times that ran out
	Lapsed       int64          // reached the head while they were shoppers
	Admitted     []queue.Member // those let in past the line first
}

// Tick admits once. Any number of nodes may tick an event at any time. It
// restores a lost line and lost rules by the way.
func (a *Admission) Tick(ctx context.Context, event ropeline.EventID) (Ticked, error) {
	return a.tick(ctx, event, rand.Text(), ownClock())
}

// tick runs the script under an operation id; a reply that was lost is asked
// for once more. at is the clock in microseconds, "" for Redis'.
func (a *Admission) tick(ctx context.Context, event ropeline.EventID, op, at string) (Ticked, error) {
	asked := false
	for range 4 {
		status, result, err := a.callTick(ctx, event, op, at)
		if err != nil {
			if asked || ctx.Err() != nil {
				return Ticked{}, ropeline.Unavailable(err)
			}
			asked = true
			continue
		}
		switch status {
		case 0:
			err = a.line.Restore(ctx, event)
		case -1:
			err = a.heal(ctx, event)
		case 1:
			ticked, err := parseTicked(result)
			if err != nil {
				return Ticked{}, ropeline.Unavailable(err)
			}
			return ticked, nil
		default:
			err = ropeline.Unavailable(replyError("tick", status))
		}
		if err != nil {
			return Ticked{}, err
		}
	}
	return Ticked{}, ropeline.Unavailable(errLost)
}

// errLost is the cause when Redis loses things as fast as they are restored.
var errLost = errors.New("admission: the line or the rules are lost again and again")

func (a *Admission) callTick(ctx context.Context, event ropeline.EventID, op, at string) (int64, string, error) {
	line, keys := queue.KeysOf(event), keysOf(event)
	told, err := a.ticks.Run(ctx, []string{
		line.Meta, line.Waiting, line.Gone, line.Feed,
		keys.rules, keys.state, keys.shoppers, keys.deadlines, keys.holding, keys.redeemed, operation(event, op), keys.bypass,
	}, at)
	if err != nil {
		return 0, "", err
	}
	reply, err := told.Slice()
	if err != nil {
		return 0, "", err
	}
	return statusAndText("tick", reply)
}

func statusAndText(script string, reply []any) (int64, string, error) {
	if len(reply) != 2 {
		return 0, "", replyError(script, reply)
	}
	status, isNumber := reply[0].(int64)
	text, isText := reply[1].(string)
	if !isNumber || !isText {
		return 0, "", replyError(script, reply)
	}
	return status, text, nil
}

func parseTicked(result string) (Ticked, error) {
	fields := strings.Split(result, "|")
	if len(fields) != 10 {
		return Ticked{}, replyError("tick", result)
	}
	var n [9]int64
	for i := range n {
		var err error
		if n[i], err = strconv.ParseInt(fields[i], 10, 64); err != nil {
			return Ticked{}, replyError("tick", result)
		}
	}
	admitted, err := queue.ParseMembers(fields[9])
	if err != nil {
		return Ticked{}, err
	}
	return Ticked{
		Epoch:        n[0],
		Version:      n[1],
		Paused:       n[2] == 1,
		Waiting:      n[3],
		Shoppers:     n[4],
		AdmittedHigh: n[5],
		NoShows:      n[6],
		Ended:        n[7],
		Lapsed:       n[8],
		Admitted:     admitted,
	}, nil
}
