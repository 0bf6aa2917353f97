package app

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ropeline/ropeline/internal/engines"
)

// A node that only admits tells how it is, and nothing else.
func TestEveryRoleIsObserved(t *testing.T) {
	app := openTest(t, engines.Test(t), func(c *Config) { c.Roles, c.MetricsListen = RoleAdmission, "127.0.0.1:0" })
	get := func(path string) (int, string) {
		t.Helper()
		client := http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
		answer, err := client.Get("http://" + app.metricsListener.Addr().String() + path)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		return answer.StatusCode, string(body)
	}
	for path, want := range map[string]string{"/healthz": "ok", "/readyz": "ready", "/metrics": "ropeline_redis_seconds"} {
		if status, body := get(path); status != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("%s: %d %.200s", path, status, body)
		}
	}
	if status, _ := get("/events"); status != http.StatusNotFound {
		t.Errorf("/events: %d", status)
	}
}
