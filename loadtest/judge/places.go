package judge

import (
	"fmt"
	"strings"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/loadtest/record"
)

// places judges I5 and the positions.
//
// I5. A number belongs to one fan, in all epochs. A fan has one number, over
// all its joins, reconnects and windows, until it leaves, is let in, or the
// line is rebuilt (the epoch rises). A fan who joins again in the very moment
// of its admission may hear a second number before it hears of the pass; that
// the pass is older shows by its end, once the life of passes is known: it is
// the longest that any fan saw ahead of it. Such fans are counted in the note.
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
	passLife   int64 // microseconds, as far as seen; 0: nobody was let in yet
	second     []secondNumber
	unheard    int
	one, rises finding
}

// secondNumber is a suspicion until it is known when the fan was let in.
type secondNumber struct {
	fan    int
	wall   int64 // when the fan heard, Unix microseconds
	broken string
}

// atOnce is how much earlier than its true moment an admission may seem to
// be known, in microseconds: the shortest way of a word to any fan.
const atOnce = 250_000

type place struct {
	number, epoch int64
	ended         bool // left or let in: the next number is another story
	passUntil     int64
	heard         int64 // the latest moment that a word speaks of
	lowest        []told
	conn, onConn  int64 // the last WebSocket and the last position on it
}

// told is a position and when it was heard.
type told struct{ t, position int64 }

func newPlaces() *places {
	return &places{owner: make(map[int64]int), fans: make(map[int]*place), firstEpoch: -1}
}

func (p *places) see(run *record.RunFacts, o record.Observation) {
	if o.Step == record.StepLeave && o.OK() {
		if f := p.fans[o.Fan]; f != nil {
			f.ended = true
		}
	}
	if o.Step == record.StepEnd {
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
	p.seeNumber(run, o)
	p.seePosition(run, o)
}

func (p *places) seeNumber(run *record.RunFacts, o record.Observation) {
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
		if again := epoch == f.epoch && !f.ended; again && run.Unheard(f.heard, o.T) {
			p.unheard++
		} else if again {
			p.second = append(p.second, secondNumber{o.Fan, run.Wall(o.T), fmt.Sprintf(
				"fan %d had number %d in epoch %d and was told number %d at %s (%s), without having left or been let in",
				o.Fan, f.number, epoch, number, at(o.T), o.Step)})
		}
		*f = place{number: number, epoch: epoch, passUntil: f.passUntil}
	}
	f.heard = max(f.heard, o.Sent())
	if f.epoch != epoch {
		f.epoch, f.lowest, f.conn = epoch, nil, 0
	}
	if o.Line.Standing != ropeline.StandingWaiting {
		f.ended = true
	}
	if until := o.Line.PassUntil; until > 0 && f.passUntil == 0 {
		f.passUntil = until
		p.passLife = max(p.passLife, until-run.Wall(o.T))
	}
}

func (p *places) seePosition(run *record.RunFacts, o record.Observation) {
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
	for len(f.lowest) > 1 && f.lowest[1].t+run.Grace() < o.Sent() {
		f.lowest = f.lowest[1:]
	}
	if len(f.lowest) > 0 && f.lowest[0].t+run.Grace() < o.Sent() && position > f.lowest[0].position {
		p.rises.breaks("fan %d with number %d heard position %d at %s and %d at %s",
			o.Fan, o.Line.Number, f.lowest[0].position, at(f.lowest[0].t), position, at(o.T))
	}
	if n := len(f.lowest); n == 0 || position < f.lowest[n-1].position {
		f.lowest = append(f.lowest, told{o.T, position})
	}
}

func (p *places) verdicts(*record.RunFacts) []Verdict {
	one, crossed := p.one, 0
	for _, s := range p.second {
		if until := p.fans[s.fan].passUntil; until > 0 && until-p.passLife <= s.wall+atOnce {
			crossed++
		} else {
			one.breaks("%s", s.broken)
		}
	}
	v := one.verdict("I5", "one fan, one number; one number, one fan")
	var notes []string
	if crossed > 0 {
		notes = append(notes, fmt.Sprintf("%d fans were told a second number in the moment of their admission", crossed))
	}
	if p.unheard > 0 {
		notes = append(notes, fmt.Sprintf("%d fans got a second number after having had no answer for so long that their turn may have come and gone", p.unheard))
	}
	v.Note = strings.Join(notes, "; ")
	return []Verdict{v, p.rises.verdict("positions", "a position never rises within an epoch")}
}
