package queue

import (
	"sync"
	"sync/atomic"
	"time"
)

const (
	paceWindow = 2 * time.Minute
	paceLeast  = 10 * time.Second // less says nothing about the next minutes
)

// pace remembers how many fans were admitted, and how many left, over the last
// two minutes.
type pace struct {
	mu     sync.Mutex
	epoch  int64
	marks  []mark
	limits atomic.Pointer[paceRange] // of the marks; every status asks for it
}

type paceRange struct{ slow, fast float64 }

type mark struct {
	at             time.Time
	admitted, left int64
}

func (p *pace) observe(s *Snapshot) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if last := len(p.marks) - 1; s.Epoch != p.epoch || last >= 0 && s.Admitted < p.marks[last].admitted {
		p.epoch, p.marks = s.Epoch, p.marks[:0] // a new epoch may count from zero
	}
	if s.Admitted == 0 {
		p.marks = p.marks[:0] // the time before the doors open says nothing
	}
	old := 0
	for old < len(p.marks) && s.TakenAt.Sub(p.marks[old].at) > paceWindow {
		old++
	}
	p.marks = append(p.marks[:copy(p.marks, p.marks[old:])], mark{s.TakenAt, s.Admitted, s.Left})
	p.limits.Store(p.measure())
}

// forget starts anew: what was seen says nothing about what comes.
func (p *pace) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.marks = p.marks[:0]
	p.limits.Store(nil)
}

// perMinute is the admissions per minute over the window.
func (p *pace) perMinute() (rate float64, known bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	admitted, _, known := p.since(paceWindow)
	return admitted, known
}

// bounds are the slowest and the fastest that the line moved over the last two
// minutes, the last minute and the last half: slow counts the admitted only,
// fast also those who left, as if all of them had stood ahead.
func (p *pace) bounds() (slow, fast float64, known bool) {
	l := p.limits.Load()
	if l == nil {
		return 0, 0, false
	}
	return l.slow, l.fast, true
}

// measure finds the bounds; nil when they are not known. Needs the lock.
func (p *pace) measure() *paceRange {
	var l *paceRange
	for _, window := range []time.Duration{paceWindow, paceWindow / 2, paceWindow / 4} {
		admitted, left, known := p.since(window)
		if !known {
			return nil
		}
		if l == nil {
			l = &paceRange{slow: admitted}
		}
		l.slow, l.fast = min(l.slow, admitted), max(l.fast, admitted+left)
	}
	return l
}

// since are the rates per minute over the newest part of the window. Needs the lock.
func (p *pace) since(window time.Duration) (admitted, left float64, known bool) {
	if len(p.marks) < 2 {
		return 0, 0, false
	}
	last := p.marks[len(p.marks)-1]
	at := 0
	for last.at.Sub(p.marks[at].at) > window {
		at++
	}
	first := p.marks[at]
	span := last.at.Sub(first.at)
	if span < paceLeast {
		return 0, 0, false
	}
	return float64(last.admitted-first.admitted) / span.Minutes(), float64(last.left-first.left) / span.Minutes(), true
}
