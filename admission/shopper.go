package admission

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/internal/batch"
	"github.com/ropeline/ropeline/internal/redisdb"
	"github.com/ropeline/ropeline/queue"
)

// ShopperState is how far an admitted fan has come.
type ShopperState string

// The states. A shopper who is done, or whose time is over, is none any more.
const (
	StateAdmitted ShopperState = "admitted" // has a pass
	StateEntered  ShopperState = "entered"  // has redeemed it
)

// Shopper is a fan who was let out of the line.
type Shopper struct {
	Event      ropeline.EventID
	Fan        ropeline.FanID
	Number     int64
	Epoch      int64  // of the line at the admission
	PassID     string // "<epoch>.<number>": unique within the event
	State      ShopperState
	AdmittedAt time.Time
	PassUntil  time.Time
	ShopUntil  time.Time // zero until entered
}

// Shopper finds the record of a fan; false for one who was not admitted, or
// whose time is over. Those who are looked for at the same moment share a
// round trip: after a drop or a loss a node looks for all its fans at once.
func (a *Admission) Shopper(ctx context.Context, event ropeline.EventID, fan ropeline.FanID) (Shopper, bool, error) {
	record, err := a.records.Do(ctx, member{event, fan})
	if err != nil {
		return Shopper{}, false, ropeline.Unavailable(err)
	}
	if record == "" {
		return Shopper{}, false, nil
	}
	s, err := parseRecord(event, fan, record)
	if err != nil {
		return Shopper{}, false, ropeline.Unavailable(err)
	}
	return s, time.Now().Before(s.until()), nil // the sweep may still come
}

// member is a fan of an event, among others in one round trip.
type member struct {
	event ropeline.EventID
	fan   ropeline.FanID
}

// byEvent lists the events of some, and where those of each are.
func byEvent(some []member) (events []ropeline.EventID, at map[ropeline.EventID][]int) {
	at = map[ropeline.EventID][]int{}
	for i, who := range some {
		if _, known := at[who.event]; !known {
			events = append(events, who.event)
		}
		at[who.event] = append(at[who.event], i)
	}
	return events, at
}

// tripSize and tripTime bound one round trip of many.
const (
	tripSize = 256
	tripTime = 500 * time.Millisecond
)

// look reads the records of those asked for, "" of who has none: one command for
// each event.
func (a *Admission) look(ctx context.Context, asked []member) []batch.Result[string] {
	found := make([]batch.Result[string], len(asked))
	events, at := byEvent(asked)
	for _, event := range events {
		fans := make([]string, len(at[event]))
		for n, i := range at[event] {
			fans[n] = string(asked[i].fan)
		}
		records, err := a.redis.Read.HMGet(ctx, keysOf(event).shoppers, fans...).Result()
		for n, i := range at[event] {
			if err != nil {
				found[i].Err = err
			} else {
				found[i].Value, _ = records[n].(string) // nil: no record
			}
		}
	}
	return found
}

// Called is the shopper that a fan became by an entry of the feed: the record
// that the tick wrote, without asking for it.
func Called(event ropeline.EventID, member queue.Member, entry queue.FeedEntry) Shopper {
	return Shopper{
		Event:      event,
		Fan:        member.Fan,
		Number:     member.Number,
		Epoch:      entry.Epoch(),
		PassID:     passID(entry.Epoch(), member.Number),
		State:      StateAdmitted,
		AdmittedAt: entry.At.Truncate(time.Millisecond),
		PassUntil:  entry.Until,
	}
}

// Done frees the place of a shopper who has bought or gives up; for a fan who
// is no shopper it does nothing. A pass that was not redeemed is void then.
// Those who are done at the same moment share a round trip.
func (a *Admission) Done(ctx context.Context, event ropeline.EventID, fan ropeline.FanID) error {
	if _, err := a.leaving.Do(ctx, member{event, fan}); err != nil {
		return ropeline.Unavailable(err)
	}
	return nil
}

// done is the batcher's call: one call of the script for each event.
func (a *Admission) done(ctx context.Context, who []member) []batch.Result[struct{}] {
	results := make([]batch.Result[struct{}], len(who))
	events, at := byEvent(who)
	calls := make([]redisdb.Call, len(events))
	for n, event := range events {
		line, keys := queue.KeysOf(event), keysOf(event)
		calls[n].Script = a.scripts.done
		calls[n].Keys = []string{keys.state, keys.shoppers, keys.deadlines, keys.holding, keys.redeemed, line.Meta, line.Feed}
		for _, i := range at[event] {
			calls[n].Args = append(calls[n].Args, string(who[i].fan))
		}
	}
	for n, answer := range redisdb.RunAll(ctx, a.redis.Write, calls) {
		freed, err := answer.Int64()
		if err == nil && (freed < 0 || freed > int64(len(calls[n].Args))) {
			err = replyError("done", freed)
		}
		for _, i := range at[events[n]] {
			results[i].Err = err
		}
	}
	return results
}

// until is when the shopper's time in the present state ends.
func (s Shopper) until() time.Time {
	if s.State == StateEntered {
		return s.ShopUntil
	}
	return s.PassUntil
}

// parseRecord reads "epoch:number:admitted:pass until:shop until", times in
// milliseconds, as the scripts write it.
func parseRecord(event ropeline.EventID, fan ropeline.FanID, record string) (Shopper, error) {
	fields := strings.Split(record, ":")
	if len(fields) != 5 {
		return Shopper{}, fmt.Errorf("admission: %q is not a shopper's record", record)
	}
	var n [5]int64
	for i := range n {
		var err error
		if n[i], err = strconv.ParseInt(fields[i], 10, 64); err != nil || n[i] < 0 {
			return Shopper{}, fmt.Errorf("admission: %q is not a shopper's record", record)
		}
	}
	s := Shopper{
		Event:      event,
		Fan:        fan,
		Epoch:      n[0],
		Number:     n[1],
		PassID:     passID(n[0], n[1]),
		State:      StateAdmitted,
		AdmittedAt: time.UnixMilli(n[2]),
		PassUntil:  time.UnixMilli(n[3]),
	}
	if n[4] > 0 {
		s.State, s.ShopUntil = StateEntered, time.UnixMilli(n[4])
	}
	return s, nil
}

// passID names an admission: within an epoch a number is admitted once.
func passID(epoch, number int64) string {
	return strconv.FormatInt(epoch, 10) + "." + strconv.FormatInt(number, 10)
}
