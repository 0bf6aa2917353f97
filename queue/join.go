package queue

import (
	"context"
	"errors"
	"math"
	"strconv"
	"strings"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/internal/batch"
)

type joining struct {
	event ropeline.EventID
	fan   ropeline.FanID
	claim *Place
	known int64 // the epoch up to which the draw was asked for what it gave this fan
}

// Join gives a fan a number in the line of an event, or while its lobby is open
// a place in the lobby; a fan who stands there keeps the number. A claim is an earlier place of the same fan (verified by
// ParseToken): if its number was lost with Redis, the fan gets it back.
// Codes: place_invalid for somebody else's claim, event_not_found, unavailable,
// and not_open for the moment in which the entrants of a draw are written down.
func (l *Line) Join(ctx context.Context, event ropeline.EventID, fan ropeline.FanID, claim *Place) (Place, error) {
	if len(event) != idLength || len(fan) != idLength {
		return Place{}, ropeline.Errorf(ropeline.CodeInvalidID, "The fan or the event has no proper identifier.")
	}
	if claim != nil && (claim.Event != event || claim.Fan != fan) {
		return Place{}, ropeline.Errorf(ropeline.CodePlaceInvalid, "This place belongs to another fan or another event.")
	}
	known := l.epochs.of(event)
	if claim == nil && known > 1 || claim != nil && claim.InLobby() && claim.Epoch < known {
		var err error
		if claim, err = l.drawnClaim(ctx, event, fan); err != nil {
			return Place{}, err
		}
	}
	place, err := l.joins.Do(ctx, joining{event: event, fan: fan, claim: claim, known: known})
	if _, ours := errors.AsType[*ropeline.Error](err); err != nil && !ours {
		err = ropeline.Unavailable(err)
	}
	return place, err
}

// joinBatch makes one call for each event of the batch.
func (l *Line) joinBatch(ctx context.Context, joins []joining) []batch.Result[Place] {
	results := make([]batch.Result[Place], len(joins))
	if oneEvent(joins) {
		l.joinEvent(ctx, joins[0].event, joins, results)
		return results
	}
	indexes := map[ropeline.EventID][]int{}
	for i := range joins {
		indexes[joins[i].event] = append(indexes[joins[i].event], i)
	}
	done := make(chan struct{})
	for event, at := range indexes {
		go func() {
			defer func() { done <- struct{}{} }()
			some := make([]joining, len(at))
			answers := make([]batch.Result[Place], len(at))
			for i, from := range at {
				some[i] = joins[from]
			}
			l.joinEvent(ctx, event, some, answers)
			for i, to := range at {
				results[to] = answers[i]
			}
		}()
	}
	for range indexes {
		<-done
	}
	return results
}

func oneEvent(joins []joining) bool {
	for i := range joins {
		if joins[i].event != joins[0].event {
			return false
		}
	}
	return true
}

// joinEvent calls the script until every fan has a number: again after a line
// was restored, and again with a new block when the numbers ran out.
func (l *Line) joinEvent(ctx context.Context, event ropeline.EventID, joins []joining, results []batch.Result[Place]) {
	l.metrics.batches.Observe(float64(len(joins)))
	fans, claims, known := packJoins(joins)
	fail := func(err error) { // those who have no number yet
		for i := range results {
			if results[i].Value.Fan == "" {
				results[i].Err = err
			}
		}
	}
	for range 6 {
		reply, err := l.callJoin(ctx, event, fans, claims, known)
		if err != nil {
			fail(ropeline.Unavailable(err))
			return
		}
		if reply.epoch == 0 {
			if err := l.Restore(ctx, event); err != nil {
				fail(err)
				return
			}
			continue
		}
		if reply.numbers == "D" {
			fail(drawing())
			return
		}
		l.epochs.saw(event, reply.epoch)
		l.blocks.told(event, reply.reserved)
		waiting, drawn, err := reply.places(event, joins, results)
		if err != nil {
			fail(ropeline.Unavailable(err))
			return
		}
		if len(drawn) > 0 { // this node had not heard of the new epoch
			l.orders.askAgain()
			for _, i := range drawn {
				if joins[i].claim, err = l.drawnClaim(ctx, event, joins[i].fan); err != nil {
					fail(err)
					return
				}
				joins[i].known = reply.epoch
			}
			fans, claims, known = packJoins(joins)
			continue
		}
		if !waiting {
			if reply.numbers[0] != 'L' {
				l.grow(event)
				if reply.reserved-reply.next < lowWater {
					l.fetchAhead(event, reply.reserved)
				}
			}
			return
		}
		if l.blocks.coveredTo(event) > reply.reserved {
			continue // the block that was fetched ahead has come
		}
		mark, err := l.reserve(ctx, event, reply.reserved)
		if err != nil {
			fail(err)
			return
		}
		l.blocks.learn(event, mark)
	}
	fail(ropeline.Unavailable(errLost))
}

type joinReply struct {
	epoch, next, reserved int64
	numbers               string
}

func (l *Line) callJoin(ctx context.Context, event ropeline.EventID, fans, claims string, known int64) (joinReply, error) {
	keys := KeysOf(event)
	raw, err := l.scripts.join.Run(ctx, l.redis.Write,
		[]string{keys.Meta, keys.Waiting, keys.Gone, keys.Lost, keys.Lobby}, fans, l.blocks.coveredTo(event), claims, known).Slice()
	if err != nil {
		return joinReply{}, err
	}
	if len(raw) != 4 {
		return joinReply{}, replyError("join", raw)
	}
	var r joinReply
	var ok [4]bool
	r.epoch, ok[0] = raw[0].(int64)
	r.next, ok[1] = raw[1].(int64)
	r.reserved, ok[2] = raw[2].(int64)
	r.numbers, ok[3] = raw[3].(string)
	if ok != [4]bool{true, true, true, true} {
		return joinReply{}, replyError("join", raw)
	}
	return r, nil
}

// places fills the results in; waiting is true when some fan has no number yet,
// and drawn are those who must show what the draw gave them.
func (r joinReply) places(event ropeline.EventID, joins []joining, results []batch.Result[Place]) (waiting bool, drawn []int, err error) {
	if r.numbers == "F" { // all of them are new
		first := r.next - int64(len(joins))
		if first < 0 {
			return false, nil, replyError("join", r.next)
		}
		for i := range joins {
			results[i].Value = Place{Event: event, Fan: joins[i].fan, Number: first + int64(i), Epoch: r.epoch}
		}
		return false, nil, nil
	}
	rest := r.numbers
	for i := range joins {
		number, after, more := strings.Cut(rest, ",")
		rest = after
		if more != (i < len(joins)-1) {
			return false, nil, replyError("join", r.numbers)
		}
		if number == "-" {
			waiting = true
			continue
		}
		if number == "C" {
			drawn = append(drawn, i)
			continue
		}
		if number == "L" {
			results[i].Value = Place{Event: event, Fan: joins[i].fan, Number: NoNumber, Epoch: r.epoch}
			continue
		}
		n, err := strconv.ParseInt(number, 10, 64)
		if err != nil || n < 0 || n >= r.next {
			return false, nil, replyError("join", r.numbers)
		}
		results[i].Value = Place{Event: event, Fan: joins[i].fan, Number: n, Epoch: r.epoch}
	}
	return waiting, drawn, nil
}

// packJoins writes the fans into one argument, so that a batch costs a handful
// of allocations and not one for each fan. The draw was asked for what it gave
// those who claim nothing up to the epoch known.
func packJoins(joins []joining) (fans, claims string, known int64) {
	packed := make([]byte, 0, len(joins)*idLength)
	var claimed []byte
	known = math.MaxInt64
	for i := range joins {
		packed = append(packed, joins[i].fan...)
		claim := joins[i].claim
		if claim == nil {
			known = min(known, joins[i].known)
		} else {
			claimed = strconv.AppendInt(claimed, int64(i+1), 10)
			claimed = append(claimed, ':')
			claimed = strconv.AppendInt(claimed, claim.Number, 10)
			claimed = append(claimed, ':')
			claimed = strconv.AppendInt(claimed, claim.Epoch, 10)
			claimed = append(claimed, ';')
		}
	}
	return string(packed), string(claimed), known
}
