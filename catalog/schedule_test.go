package catalog

import (
	"testing"
	"time"

	"github.com/ropeline/ropeline"
)

// Every step in every phase: what may be done by hand, and what comes of it.
func TestSteps(t *testing.T) {
	now := time.Date(2026, 11, 23, 18, 0, 0, 0, time.UTC)
	at := func(minutes int) *time.Time { m := now.Add(time.Duration(minutes) * time.Minute); return &m }
	announced := Times{at(10), *at(20), *at(60)}
	lobby := Times{at(-10), *at(20), *at(60)}
	dropped := Times{at(-20), *at(-10), *at(60)}
	over := Times{at(-30), *at(-20), *at(-10)}
	plain := Times{nil, *at(20), *at(60)}
	conflict, invalid := ropeline.CodePhaseConflict, ropeline.CodeInvalidRequest
	for name, c := range map[string]struct {
		times Times
		step  Step
		to    Moves
		code  ropeline.Code
		want  Times
	}{
		"open the lobby":               {times: announced, step: StepLobby, want: Times{at(0), *at(20), *at(60)}},
		"open it twice":                {times: lobby, step: StepLobby, code: conflict},
		"open none":                    {times: plain, step: StepLobby, code: conflict},
		"open it after the drop":       {times: dropped, step: StepLobby, code: conflict},
		"drop":                         {times: lobby, step: StepDrop, want: Times{at(-10), *at(0), *at(60)}},
		"drop without a lobby":         {times: plain, step: StepDrop, want: Times{nil, *at(0), *at(60)}},
		"drop before the lobby":        {times: announced, step: StepDrop, code: conflict},
		"drop twice":                   {times: dropped, step: StepDrop, code: conflict},
		"close":                        {times: dropped, step: StepClose, want: Times{at(-20), *at(-10), *at(0)}},
		"close before the drop":        {times: lobby, step: StepClose, code: conflict},
		"close twice":                  {times: over, step: StepClose, code: conflict},
		"move the drop":                {times: lobby, step: StepMove, to: Moves{DropAt: at(30)}, want: Times{at(-10), *at(30), *at(60)}},
		"move everything":              {times: announced, step: StepMove, to: Moves{at(5), at(15), at(90)}, want: Times{at(5), *at(15), *at(90)}},
		"move the drop after it":       {times: dropped, step: StepMove, to: Moves{DropAt: at(30)}, code: conflict},
		"move the lobby after it":      {times: lobby, step: StepMove, to: Moves{LobbyAt: at(5)}, code: conflict},
		"move a lobby that is none":    {times: plain, step: StepMove, to: Moves{LobbyAt: at(5)}, code: conflict},
		"move the end":                 {times: dropped, step: StepMove, to: Moves{ClosesAt: at(120)}, want: Times{at(-20), *at(-10), *at(120)}},
		"move the end after it":        {times: over, step: StepMove, to: Moves{ClosesAt: at(120)}, code: conflict},
		"move into the past":           {times: lobby, step: StepMove, to: Moves{DropAt: at(-1)}, code: invalid},
		"move nothing":                 {times: lobby, step: StepMove, code: invalid},
		"drop after the end":           {times: lobby, step: StepMove, to: Moves{DropAt: at(60)}, code: invalid},
		"lobby after the drop":         {times: announced, step: StepMove, to: Moves{LobbyAt: at(20)}, code: invalid},
		"beyond the calendar":          {times: lobby, step: StepMove, to: Moves{ClosesAt: at(8000 * 366 * 24 * 60)}, code: invalid},
		"something else":               {times: lobby, step: "sing", code: invalid},
		"anything after the sale ends": {times: over, step: StepLobby, code: conflict},
	} {
		got, err := c.times.take(c.step, c.to, now)
		if c.code != "" {
			if err == nil || ropeline.CodeOf(err) != c.code {
				t.Errorf("%s: %v, want %s", name, err, c.code)
			}
			continue
		}
		if err != nil || !got.DropAt.Equal(c.want.DropAt) || !got.ClosesAt.Equal(c.want.ClosesAt) || (got.LobbyAt == nil) != (c.want.LobbyAt == nil) || got.LobbyAt != nil && !got.LobbyAt.Equal(*c.want.LobbyAt) {
			t.Errorf("%s: %+v %v, want %+v", name, got, err, c.want)
		}
	}
}
