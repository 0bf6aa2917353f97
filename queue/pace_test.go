package queue

import (
	"math"
	"testing"
	"time"
)

func TestPace(t *testing.T) {
	start := time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)
	var p pace
	see := func(second int, epoch, admitted int64) {
		p.observe(&Snapshot{Epoch: epoch, Admitted: admitted, TakenAt: start.Add(time.Duration(second) * time.Second)})
	}
	expect := func(want float64, wantKnown bool) {
		t.Helper()
		if got, known := p.perMinute(); known != wantKnown || math.Abs(got-want) > 0.01 {
			t.Errorf("pace %v, %v; want %v, %v", got, known, want, wantKnown)
		}
	}
	expect(0, false)
	for s := range 10 {
		see(s, 1, int64(5*s))
	}
	expect(0, false)
	see(10, 1, 50)
	expect(300, true)
	for s := 11; s <= 300; s++ { // ten a second from then on: the old pace is forgotten
		see(s, 1, int64(50+10*(s-10)))
	}
	expect(600, true)
	if len(p.marks) > 122 {
		t.Errorf("%d marks are kept", len(p.marks))
	}
	see(301, 2, 0)
	expect(0, false)
	see(312, 2, 0)
	expect(0, false) // the doors are still shut
	for s := range 13 {
		see(320+s, 2, int64(s))
	}
	expect(60, true)
}

func TestPaceBounds(t *testing.T) {
	start := time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)
	var p pace
	var admitted, left int64
	if _, _, known := p.bounds(); known {
		t.Error("known before anything was seen")
	}
	for s := range 121 { // ten a second, five in the last half minute; two a second leave in the last minute
		p.observe(&Snapshot{Epoch: 1, Admitted: admitted, Left: left, TakenAt: start.Add(time.Duration(s) * time.Second)})
		if admitted += 10; s >= 90 {
			admitted -= 5
		}
		if s >= 60 {
			left += 2
		}
	}
	slow, fast, known := p.bounds()
	if !known || math.Abs(slow-300) > 0.01 || math.Abs(fast-585) > 0.01 {
		t.Errorf("bounds %v to %v, %v", slow, fast, known)
	}
	p.forget()
	if _, _, known := p.bounds(); known {
		t.Error("known after forgetting")
	}
}
