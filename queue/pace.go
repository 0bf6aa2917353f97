package queue

import (
	"sync"
	"time"
)

const (
	paceWindow = 2 * time.Minute
	paceLeast  = 10 * time.Second // less says nothing about the next minutes
)

// pace remembers how many fans were admitted over the last two minutes.
type pace struct {
	mu    sync.Mutex
	epoch int64
	marks []mark
}

type mark struct {
	at       time.Time
	admitted int64
}

func (p *pace) observe(s *Snapshot) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if last := len(p.marks) - 1; s.Epoch != p.epoch || last >= 0 && s.Admitted < p.marks[last].admitted {
		p.epoch, p.marks = s.Epoch, p.marks[:0] // a new epoch may count from zero
	}
	old := 0
	for old < len(p.marks) && s.TakenAt.Sub(p.marks[old].at) > paceWindow {
		old++
	}
	p.marks = append(p.marks[:copy(p.marks, p.marks[old:])], mark{s.TakenAt, s.Admitted})
}

// perMinute is the admissions per minute over the window.
func (p *pace) perMinute() (rate float64, known bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.marks) < 2 {
		return 0, false
	}
	first, last := p.marks[0], p.marks[len(p.marks)-1]
	span := last.at.Sub(first.at)
	if span < paceLeast {
		return 0, false
	}
	return float64(last.admitted-first.admitted) / span.Minutes(), true
}
