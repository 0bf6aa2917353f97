package web_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/web/hub"
)

// dial opens a socket of a fan, as a client that shows its token.
func (f *fan) dial(t *testing.T) *websocket.Conn {
	t.Helper()
	header := http.Header{"Authorization": {"Bearer " + f.token}, "Ropeline-Place": {f.status.Place}}
	conn, response, err := websocket.DefaultDialer.DialContext(t.Context(),
		strings.Replace(f.h.url, "http", "ws", 1)+"/events/"+string(f.event)+"/queue/ws", header)
	if err != nil {
		t.Fatalf("dial: %v %v", err, response)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// frame reads frames until one satisfies want.
func frame(t *testing.T, conn *websocket.Conn, what string, want func(ropeline.Status) bool) ropeline.Status {
	t.Helper()
	conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	for {
		_, body, err := conn.ReadMessage()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		var status ropeline.Status
		if err := json.Unmarshal(body, &status); err != nil {
			t.Fatalf("%s: %v: %s", what, err, body)
		}
		if want(status) {
			return status
		}
	}
}

// closed reads until the connection ends and returns its code.
func closed(t *testing.T, conn *websocket.Conn) int {
	t.Helper()
	conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	for {
		if _, _, err := conn.ReadMessage(); err != nil {
			end, ok := errors.AsType[*websocket.CloseError](err)
			if !ok {
				t.Fatalf("no close frame: %v", err)
			}
			return end.Code
		}
	}
}

func waiting(at int64) func(ropeline.Status) bool {
	return func(s ropeline.Status) bool {
		return s.Standing == ropeline.StandingWaiting && s.Position == at
	}
}

func TestSocketTellsPositionAndTurn(t *testing.T) {
	t.Parallel()
	h := openHouse(t)
	event := h.event(t, nil)
	first, second, third := h.join(t, event.ID), h.join(t, event.ID), h.join(t, event.ID)

	one, other := third.dial(t), third.dial(t) // two tabs
	frame(t, one, "the first frame", waiting(2))
	frame(t, other, "the other tab's first frame", waiting(2))
	if got := second.ask(t, "DELETE", "/events/"+string(event.ID)+"/queue", ""); got.status != http.StatusNoContent {
		t.Fatalf("leave: %d %s", got.status, got.body)
	}
	frame(t, one, "one fan less ahead", waiting(1))

	if _, err := h.admission.Tick(t.Context(), event.ID); err != nil {
		t.Fatal(err)
	}
	turn := func(s ropeline.Status) bool { return s.Standing == ropeline.StandingAdmitted }
	a, b := frame(t, one, "the turn", turn), frame(t, other, "the turn in the other tab", turn)
	if a.Pass == "" || a.Pass != b.Pass || a.PassUntil == nil || a.Number != third.status.Number {
		t.Errorf("the tabs were told\n%+v\n%+v", a, b)
	}
	eventually(t, "the fan who polls is told", func() bool {
		return strings.Contains(first.ask(t, "GET", "/events/"+string(event.ID)+"/queue", "").body, `"pass"`)
	})
}

func TestSocketEndsWithReason(t *testing.T) {
	t.Parallel()
	h := openHouse(t)
	event := h.event(t, nil)
	fan := h.join(t, event.ID)
	conns := make([]*websocket.Conn, 8)
	for i := range conns {
		conns[i] = fan.dial(t)
		frame(t, conns[i], "a first frame", waiting(0))
	}
	if code := closed(t, fan.dial(t)); code != hub.Crowded.Code {
		t.Errorf("the ninth socket of a fan ended with %d", code)
	}
	if got := fan.ask(t, "DELETE", "/events/"+string(event.ID)+"/queue", ""); got.status != http.StatusNoContent {
		t.Fatalf("leave: %d %s", got.status, got.body)
	}
	for _, conn := range conns {
		if code := closed(t, conn); code != hub.Gone.Code {
			t.Errorf("a socket of a fan who left ended with %d", code)
		}
	}
}

func TestSocketTellsOfShutdown(t *testing.T) {
	t.Parallel()
	h := openHouse(t)
	event := h.event(t, nil)
	conn := h.join(t, event.ID).dial(t)
	frame(t, conn, "a first frame", waiting(0))
	h.stop()
	if code := closed(t, conn); code != hub.Shutdown.Code {
		t.Errorf("the socket ended with %d", code)
	}
}
