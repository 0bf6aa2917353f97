package workload_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/gorilla/websocket"
	"go.uber.org/goleak"

	"github.com/ropeline/ropeline/loadtest/workload"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// other is a system that is not ropeline: tokens in the body of another form,
// a position by query.
func other(t *testing.T) (url string, reserved *atomic.Int64) {
	reserved = &atomic.Int64{}
	var called atomic.Int64
	mux := http.NewServeMux()
	mux.HandleFunc("POST /wait", func(w http.ResponseWriter, _ *http.Request) {
		json.NewEncoder(w).Encode(map[string]any{"you": []any{map[string]any{"ticket": "abc"}}})
	})
	mux.HandleFunc("GET /where", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("t") != "abc" || r.Header.Get("X-Event") != "7" {
			http.Error(w, "who?", http.StatusForbidden)
			return
		}
		answer := map[string]any{"ahead": 3}
		if called.Add(1) > 3 {
			answer["go"] = "in"
		}
		json.NewEncoder(w).Encode(answer)
	})
	mux.HandleFunc("POST /take", func(w http.ResponseWriter, r *http.Request) {
		var body struct{ With string }
		if json.NewDecoder(r.Body).Decode(&body) != nil || body.With != "in" {
			http.Error(w, "no", http.StatusConflict)
			return
		}
		reserved.Add(1)
	})
	mux.HandleFunc("GET /live", func(w http.ResponseWriter, r *http.Request) {
		upgrader := websocket.Upgrader{}
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close()
		for range 3 {
			conn.WriteMessage(websocket.TextMessage, []byte("{}"))
		}
		conn.ReadMessage()
	})
	server := httptest.NewServer(mux)
	t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
	return server.URL, reserved
}

const spec = `
name: other
base: "{url}"
vars: {event: "7"}
join: {step: {method: POST, path: /wait}, conns: 4, for: 200ms}
poll:
  before: [{method: POST, path: /wait, take: {token: you.0.ticket}}]
  step: {path: "/where?t={token}", headers: {X-Event: "{event}"}}
  conns: 4
  for: 200ms
socket: {step: {path: /live}, conns: 4, for: 200ms}
reserve:
  each: true
  before:
    - {method: POST, path: /wait, take: {token: you.0.ticket}}
    - {path: "/where?t={token}", headers: {X-Event: "{event}"}, take: {pass: go}, until: pass}
  step: {method: POST, path: /take, body: '{"with": "{pass}", "key": "{unique}"}'}
  conns: 2
  for: 500ms
`

func TestAnySystemIsMeasured(t *testing.T) {
	url, reserved := other(t)
	file := filepath.Join(t.TempDir(), "spec.yaml")
	if err := os.WriteFile(file, []byte(spec), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := workload.Load(file, map[string]string{"url": url})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	err = workload.Run(t.Context(), s, false, func(r workload.Result) {
		names = append(names, r.Name)
		if r.Good == 0 || r.Bad > 0 || r.Latency.TotalCount() != r.Good {
			t.Errorf("%+v", r)
		}
		if r.Name == "socket" && (r.Good != 4 || r.Frames != 12) {
			t.Errorf("%+v", r)
		}
	})
	if err != nil || strings.Join(names, " ") != "join poll socket reserve" || reserved.Load() == 0 {
		t.Errorf("%v: %v, %d reserved", names, err, reserved.Load())
	}
}

func TestASpecIsChecked(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"no base":       {"join: {step: {path: /x}}", "base"},
		"nothing to do": {"base: http://127.0.0.1:1", "none of"},
		"no path":       {"base: http://127.0.0.1:1\njoin: {step: {method: POST}}", "join.step.path"},
		"unknown field": {"base: http://127.0.0.1:1\njoin: {stepp: {path: /x}}", "stepp"},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "spec.yaml")
			if err := os.WriteFile(file, []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := workload.Load(file, nil); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("err = %v, want one about %q", err, c.want)
			}
		})
	}
	// The example that comes with the program is good.
	if _, err := workload.Load("../specs/ropeline.yaml", map[string]string{"event": "x", "ticket_type": "y"}); err != nil {
		t.Error(err)
	}
}
