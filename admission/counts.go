package admission

import (
	"context"
	"strconv"

	"github.com/ropeline/ropeline"
)

// Counts are what an organizer looks at. The totals count since Redis last
// lost the event.
type Counts struct {
	Shoppers  int64 // now, admitted or entered
	Holding   int64 // of them, those with a reservation
	Admitted  int64 // total
	Entered   int64 // total of passes redeemed
	NoShows   int64 // total of passes that ran out
	Ended     int64 // total of shopping times that ran out
	Done      int64 // total of shoppers who bought or gave up
	Left      int64 // tickets nobody holds, as the gate knows
	LeftKnown bool
}

// Counts reads the counts of an event, in one round trip.
func (a *Admission) Counts(ctx context.Context, event ropeline.EventID) (Counts, error) {
	keys := keysOf(event)
	pipe := a.redis.Read.Pipeline()
	shoppers := pipe.HLen(ctx, keys.shoppers)
	holding := pipe.SCard(ctx, keys.holding)
	state := pipe.HMGet(ctx, keys.state, "admitted", "entered", "no_shows", "ended", "done", "left")
	if _, err := pipe.Exec(ctx); err != nil {
		return Counts{}, ropeline.Unavailable(err)
	}
	c := Counts{Shoppers: shoppers.Val(), Holding: holding.Val()}
	for i, field := range []*int64{&c.Admitted, &c.Entered, &c.NoShows, &c.Ended, &c.Done, &c.Left} {
		text, present := state.Val()[i].(string)
		if !present {
			continue
		}
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return Counts{}, ropeline.Unavailable(replyError("counts", state.Val()))
		}
		*field = n
		c.LeftKnown = c.LeftKnown || field == &c.Left
	}
	return c, nil
}
