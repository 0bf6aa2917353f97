package ropeline

import (
	"testing"
	"time"
)

func TestPhases(t *testing.T) {
	at := func(minute int) time.Time { return time.Date(2026, 11, 23, 20, minute, 0, 0, time.UTC) }
	lobby, drawn := at(10), at(21)
	plain := Event{DropAt: at(20), ClosesAt: at(50)}
	waiting := plain
	waiting.LobbyAt = &lobby
	done := waiting
	done.DrawnAt = &drawn
	for _, c := range []struct {
		event   Event
		minute  int
		soldOut bool
		want    Phase
	}{
		{plain, 9, false, PhaseAnnounced}, {plain, 19, false, PhaseAnnounced}, {plain, 20, false, PhaseOnSale},
		{plain, 30, true, PhaseSoldOut}, {plain, 50, false, PhaseClosed},
		{waiting, 9, false, PhaseAnnounced}, {waiting, 10, false, PhaseLobby}, {waiting, 19, true, PhaseLobby},
		{waiting, 20, false, PhaseDrop}, {waiting, 49, false, PhaseDrop}, {waiting, 50, false, PhaseClosed},
		{done, 21, false, PhaseOnSale}, {done, 21, true, PhaseSoldOut}, {done, 50, true, PhaseClosed},
	} {
		if got := c.event.PhaseAt(at(c.minute), c.soldOut); got != c.want {
			t.Errorf("minute %d, lobby %v, drawn %v, sold out %v: %s, want %s",
				c.minute, c.event.LobbyAt != nil, c.event.DrawnAt != nil, c.soldOut, got, c.want)
		}
	}
}
