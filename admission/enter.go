package admission

import (
	"context"
	"crypto/rand"

	"github.com/ropeline/ropeline"
)

// Enter redeems a pass that ParsePass has verified. The fan who entered with
// it before and still shops gets the same shopper again, and so does a call
// that is repeated with its operation id (may be empty). Codes: pass_invalid
// for another fan's pass or one that a newer pass replaced, pass_expired,
// pass_used when the time that the pass gave is over.
func (a *Admission) Enter(ctx context.Context, pass Pass, fan ropeline.FanID, op string) (Shopper, error) {
	return a.enter(ctx, pass, fan, op, "")
}

func (a *Admission) enter(ctx context.Context, pass Pass, fan ropeline.FanID, op, at string) (Shopper, error) {
	if pass.Fan != fan || pass.Event == "" {
		return Shopper{}, ropeline.Errorf(ropeline.CodePassInvalid, "This pass belongs to another fan.")
	}
	if op == "" {
		op = rand.Text()
	}
	keys := keysOf(pass.Event)
	// An operation belongs to its pass: nobody gets the answer of somebody else's.
	operation := operation(pass.Event, "enter:"+pass.ID+":"+op)
	for range 2 {
		reply, err := a.scripts.enter.Run(ctx, a.redis.Write,
			[]string{keys.rules, keys.state, keys.shoppers, keys.deadlines, keys.redeemed, operation},
			at, string(fan), pass.ID, pass.Epoch, pass.Number, pass.IssuedAt.UnixMilli(), pass.ExpiresAt.UnixMilli()).Slice()
		if err != nil {
			return Shopper{}, ropeline.Unavailable(err)
		}
		code, record, err := statusAndText("enter", reply)
		if err != nil {
			return Shopper{}, ropeline.Unavailable(err)
		}
		switch code {
		case -1:
			if err := a.heal(ctx, pass.Event); err != nil {
				return Shopper{}, err
			}
			continue
		case 1:
			s, err := parseRecord(pass.Event, fan, record)
			if err != nil {
				return Shopper{}, ropeline.Unavailable(err)
			}
			return s, nil
		case 2:
			return Shopper{}, passExpired()
		case 3:
			return Shopper{}, ropeline.Errorf(ropeline.CodePassUsed, "This pass was used, and its time is over. You may join the line again.")
		case 4:
			return Shopper{}, ropeline.Errorf(ropeline.CodePassInvalid, "You have got a newer pass. Use that one.")
		}
		return Shopper{}, ropeline.Unavailable(replyError("enter", reply))
	}
	return Shopper{}, ropeline.Unavailable(errLost)
}
