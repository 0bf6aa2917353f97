package web_test

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/web/hub"
)

// event is one server-sent event.
type sent struct{ name, id, data, retry string }

// listen opens an event stream of a fan; the returned function reads events
// and tells false at the end.
func (f *fan) listen(t *testing.T, lastID string) (next func() (sent, bool), hangUp func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	request, err := http.NewRequestWithContext(ctx, "GET", f.h.url+"/events/"+string(f.event)+"/queue/sse", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+f.token)
	request.Header.Set("Ropeline-Place", f.status.Place)
	if lastID != "" {
		request.Header.Set("Last-Event-ID", lastID)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { response.Body.Close() })
	if kind := response.Header.Get("Content-Type"); response.StatusCode != http.StatusOK || kind != "text/event-stream" {
		t.Fatalf("status %d, %s", response.StatusCode, kind)
	}
	guard := time.AfterFunc(20*time.Second, cancel)
	t.Cleanup(func() { guard.Stop() })
	lines := bufio.NewScanner(response.Body)
	return func() (e sent, ok bool) {
		for lines.Scan() {
			field, value, _ := strings.Cut(lines.Text(), ": ")
			switch field {
			case "event":
				e.name = value
			case "id":
				e.id = value
			case "data":
				e.data = value
			case "retry":
				e.retry = value
			case "":
				if e != (sent{}) {
					return e, true
				}
			}
		}
		return e, false
	}, cancel
}

// status reads events until a status satisfies want.
func heardStatus(t *testing.T, what string, next func() (sent, bool), want func(ropeline.Status) bool) (ropeline.Status, sent) {
	t.Helper()
	for {
		e, ok := next()
		if !ok {
			t.Fatalf("the stream ended before: %s", what)
		}
		if e.data == "" || e.name != "" {
			continue
		}
		var status ropeline.Status
		if err := json.Unmarshal([]byte(e.data), &status); err != nil {
			t.Fatalf("%v: %s", err, e.data)
		}
		if want(status) {
			return status, e
		}
	}
}

func TestStreamTellsWhatTheSocketTells(t *testing.T) {
	t.Parallel()
	h := openHouse(t)
	event := h.event(t, nil)
	first, second := h.join(t, event.ID), h.join(t, event.ID)

	next, hangUp := second.listen(t, "")
	if e, ok := next(); !ok || len(e.retry) != 4 || e.retry < "2000" || e.retry > "6000" {
		t.Errorf("the stream begins with %+v", e)
	}
	conn := second.dial(t)
	inSocket := frame(t, conn, "a first frame", waiting(1))
	inStream, e := heardStatus(t, "a first event", next, waiting(1))
	if inSocket.Number != inStream.Number || inSocket.Epoch != inStream.Epoch || e.id != inStream.Offset {
		t.Errorf("the socket says %+v, the stream %+v with id %s", inSocket, inStream, e.id)
	}
	if got := first.ask(t, "DELETE", "/events/"+string(event.ID)+"/queue", ""); got.status != http.StatusNoContent {
		t.Fatalf("leave: %d %s", got.status, got.body)
	}
	moved, e := heardStatus(t, "one fan less ahead", next, waiting(0))
	hangUp()

	// Coming back with the last id: nothing older is told.
	next, _ = second.listen(t, e.id)
	if _, ok := next(); !ok {
		t.Fatal("no beginning")
	}
	again, _ := heardStatus(t, "any event", next, func(ropeline.Status) bool { return true })
	if again.Position > moved.Position {
		t.Errorf("position %d after %d", again.Position, moved.Position)
	}
	if _, err := h.admission.Tick(t.Context(), event.ID); err != nil {
		t.Fatal(err)
	}
	turn, _ := heardStatus(t, "the turn", next, func(s ropeline.Status) bool { return s.Standing == ropeline.StandingAdmitted })
	if turn.Pass == "" || turn.PassUntil == nil {
		t.Errorf("the turn came as %+v", turn)
	}
}

func TestStreamEndsWithReason(t *testing.T) {
	t.Parallel()
	h := openHouse(t)
	event := h.event(t, nil)
	end := func(next func() (sent, bool)) (told struct {
		Code   int
		Reason string
	}) {
		for {
			e, ok := next()
			if !ok {
				return told
			}
			if e.name == "end" {
				if err := json.Unmarshal([]byte(e.data), &told); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	leaver, stayer := h.join(t, event.ID), h.join(t, event.ID)
	left, _ := leaver.listen(t, "")
	stopped, _ := stayer.listen(t, "")
	if got := leaver.ask(t, "DELETE", "/events/"+string(event.ID)+"/queue", ""); got.status != http.StatusNoContent {
		t.Fatalf("leave: %d %s", got.status, got.body)
	}
	if told := end(left); told.Code != hub.Gone.Code || told.Reason != hub.Gone.Word {
		t.Errorf("the stream of a fan who left ended with %+v", told)
	}
	if got := leaver.ask(t, "GET", "/events/"+string(event.ID)+"/queue/sse", ""); got.status != http.StatusNotFound {
		t.Errorf("a stream for nobody: %d %s", got.status, got.body)
	}
	h.stop()
	if told := end(stopped); told.Code != hub.Shutdown.Code {
		t.Errorf("the stream ended with %+v at the shutdown", told)
	}
}
