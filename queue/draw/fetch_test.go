package draw

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// Round 1000 of quicknet as its HTTP API gives it.
const (
	recordedSignature = "b44679b9a59af2ec876b1a6b1ad52ea9b1615fc3982b19576350f93447cb1125e342b73a8dd2bacbe47e4b6b63ed5e39"
	recordedRound     = `{"round":1000,"randomness":"fe290beca10872ef2fb164d2aa4442de4566183ec51c56ff3cd603d930e54fdd","signature":"` + recordedSignature + `"}`
)

func TestFetchedRound(t *testing.T) {
	var path string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path = r.URL.Path
		fmt.Fprint(w, recordedRound)
	}))
	defer server.Close()
	value, err := NewFetcher(server.URL+"/").Value(t.Context(), "1000")
	if err != nil || value != recordedSignature || path != "/"+quicknetHash+"/public/1000" {
		t.Errorf("%q %v at %s", value, err, path)
	}
	if _, err := NewFetcher(server.URL).Value(t.Context(), "1001"); err == nil {
		t.Error("round 1000 passed for 1001")
	}
}

func TestBadServersOfRounds(t *testing.T) {
	for name, serve := range map[string]http.HandlerFunc{
		"too early": func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "not yet", http.StatusTooEarly) },
		"broken": func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, recordedRound, http.StatusInternalServerError)
		},
		"no JSON": func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") },
		"endless": func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"x":"`+strings.Repeat("x", 1<<20)+`"}`) },
		"another round": func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, strings.Replace(recordedRound, "1000", "999", 1))
		},
		"made up": func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, strings.Replace(recordedRound, `"b4`, `"b5`, 1))
		},
		"in other words": func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, `{"round":1000,"signature":"`+strings.ToUpper(recordedSignature)+`"}`)
		},
		"leads elsewhere": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) },
		"says nothing": func(_ http.ResponseWriter, r *http.Request) {
			select {
			case <-r.Context().Done():
			case <-time.After(20 * time.Second):
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(serve)
			defer server.Close()
			f := NewFetcher(server.URL)
			f.client.Timeout = 500 * time.Millisecond
			defer f.client.CloseIdleConnections()
			if value, err := f.Value(t.Context(), "1000"); err == nil {
				t.Errorf("%q passed", value)
			}
		})
	}
}
