package queue

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/queue/draw"
)

// A draw that was promised a round gets it by itself, once, when it is public;
// while no server gives it, it may be pasted.
func TestRoundIsFetched(t *testing.T) {
	h := newHouse(t)
	const signature = "b44679b9a59af2ec876b1a6b1ad52ea9b1615fc3982b19576350f93447cb1125e342b73a8dd2bacbe47e4b6b63ed5e39"
	well := false
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if !well {
			http.Error(w, "away", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprint(w, `{"round":1000,"signature":"`+signature+`"}`)
	}))
	defer server.Close()
	fetcher := draw.NewFetcher(server.URL)
	event := h.lobby(Plan{Source: draw.Drand, Promise: "1000", Wait: time.Hour})
	future := h.lobby(Plan{Source: draw.Drand, Promise: "1000000000", Wait: time.Hour})
	for _, id := range []ropeline.EventID{event, future} {
		if err := h.line.takeSteps(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		// Round 1000 is of 2023: the lobby must have closed before.
		if _, err := h.pool.Exec(t.Context(), "update draws set closed_at = '2023-08-01' where event_id = $1", id); err != nil {
			t.Fatal(err)
		}
	}
	state := func() Draw {
		d, err := h.line.Draw(t.Context(), event)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	for _, well = range []bool{false, true, true} {
		if err := h.line.fetchRounds(t.Context(), fetcher); err != nil {
			t.Fatal(err)
		}
		if d := state(); (d.MixedFrom == draw.Drand && d.Value == signature) != well {
			t.Errorf("the server is well: %v; the draw: %+v", well, d)
		}
	}
	if d, err := h.line.Draw(t.Context(), future); err != nil || d.MixedFrom != "" {
		t.Errorf("a round that is not public yet: %+v %v", d, err)
	}
}
