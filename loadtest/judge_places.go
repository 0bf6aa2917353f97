package loadtest

import (
	"github.com/ropeline/ropeline"
)

// places judges I5 and the positions.
//
// I5. A number belongs to one fan, in all epochs. A fan has one number, over
// all its joins, reconnects and windows, until it leaves, is let in, or the
// line is rebuilt (the epoch rises).
//
// Positions. What a fan hears of its position with one number in one epoch
// never rises: on one WebSocket strictly, otherwise against what was told more
// than the slack before the question, because nodes may lag a snapshot behind.
// In an epoch that began during the run positions may rise, as fans come back
// with lower numbers; it is not judged.
type places struct {
	owner      map[int64]int // number → fan
	fans       map[int]*place
	firstEpoch int64
	one, rises finding
}

type place struct {
	number, epoch int64
	ended         bool // left or let in: the next number is another story
	lowest        []told
	conn, onConn  int64 // the last WebSocket and the last position on it
}

// told is a position and when it was heard.
type told struct{ t, position int64 }

func newPlaces() *places {
	return &places{owner: make(map[int64]int), fans: make(map[int]*place), firstEpoch: -1}
}

func (p *places) see(run *RunFacts, o Observation) {
	if o.Step == StepLeave && o.ok() {
		if f := p.fans[o.Fan]; f != nil {
			f.ended = true
		}
	}
	if o.Step == StepEnd {
		if f := p.fans[o.Fan]; f != nil {
			f.lowest = nil
		}
	}
	if o.Line == nil || o.Line.Standing == ropeline.StandingGone {
		return
	}
	if p.firstEpoch < 0 || o.Line.Epoch < p.firstEpoch {
		p.firstEpoch = o.Line.Epoch
	}
	p.seeNumber(o)
	p.seePosition(run, o)
}

func (p *places) seeNumber(o Observation) {
	number, epoch := o.Line.Number, o.Line.Epoch
	if owner, known := p.owner[number]; known && owner != o.Fan {
		p.one.breaks("number %d was given to fan %d and, as heard at %s, to fan %d", number, owner, at(o.T), o.Fan)
	}
	p.owner[number] = o.Fan
	f := p.fans[o.Fan]
	if f == nil {
		f = &place{number: number, epoch: epoch}
		p.fans[o.Fan] = f
	}
	p.one.checked++
	if f.number != number {
		if epoch == f.epoch && !f.ended {
			p.one.breaks("fan %d had number %d in epoch %d and was told number %d at %s (%s), without having left or been let in",
				o.Fan, f.number, epoch, number, at(o.T), o.Step)
		}
		*f = place{number: number, epoch: epoch}
	}
	if f.epoch != epoch {
		f.epoch, f.lowest, f.conn = epoch, nil, 0
	}
	if o.Line.Standing != ropeline.StandingWaiting {
		f.ended = true
	}
}

func (p *places) seePosition(run *RunFacts, o Observation) {
	if o.Line.Standing != ropeline.StandingWaiting || o.Line.Epoch != p.firstEpoch {
		return
	}
	f, position := p.fans[o.Fan], o.Line.Position
	p.rises.checked++
	if o.Conn != 0 {
		if o.Conn == f.conn && position > f.onConn {
			p.rises.breaks("fan %d with number %d heard position %d and then, at %s on the same WebSocket, %d",
				o.Fan, o.Line.Number, f.onConn, at(o.T), position)
		}
		f.conn, f.onConn = o.Conn, position
	}
	// Of what is old enough to count only the latest, lowest word matters.
	for len(f.lowest) > 1 && f.lowest[1].t+run.slack() < o.Sent() {
		f.lowest = f.lowest[1:]
	}
	if len(f.lowest) > 0 && f.lowest[0].t+run.slack() < o.Sent() && position > f.lowest[0].position {
		p.rises.breaks("fan %d with number %d heard position %d at %s and %d at %s",
			o.Fan, o.Line.Number, f.lowest[0].position, at(f.lowest[0].t), position, at(o.T))
	}
	if n := len(f.lowest); n == 0 || position < f.lowest[n-1].position {
		f.lowest = append(f.lowest, told{o.T, position})
	}
}

func (p *places) verdicts(*RunFacts) []Verdict {
	return []Verdict{
		p.one.verdict("I5", "one fan, one number; one number, one fan"),
		p.rises.verdict("positions", "a position never rises within an epoch"),
	}
}
