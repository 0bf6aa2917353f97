package app

import (
	"encoding/json"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/internal/engines"
)

// TestRedisAway pulls the plug on Redis while fans wait: polls go on telling
// the last known position, what needs Redis answers 503 at once and not with
// a hang. Then Redis comes back empty: every fan who returns has its own
// number, later fans get higher ones, and the fans are admitted in order.
func TestRedisAway(t *testing.T) {
	const fans = 40
	redis := engines.TestRedis(t)
	pair := engines.Test(t)
	app := openTest(t, pair, func(c *Config) { c.RedisURL, c.LogLevel = redis.URL(), "error" })
	rules := testRules()
	rules.Paused = true
	event, err := app.CreateEvent(t.Context(), testEvent(1000), rules, "test")
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Timeout: 5 * time.Second}
	t.Cleanup(client.CloseIdleConnections)
	line := app.URL() + "/events/" + string(event.ID) + "/queue"
	ask := func(method string, fan *ropeline.Status) (ropeline.Status, int) {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), method, line, nil)
		if err != nil {
			t.Fatal(err)
		}
		if fan != nil {
			request.Header.Set("Authorization", "Bearer "+fan.FanToken)
			request.Header.Set("Ropeline-Place", fan.Place)
		}
		response, err := client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		body, _ := io.ReadAll(response.Body)
		var status ropeline.Status
		if response.StatusCode < 300 {
			if err := json.Unmarshal(body, &status); err != nil {
				t.Fatal(err)
			}
		}
		return status, response.StatusCode
	}
	crowd := make([]ropeline.Status, fans)
	for i := range crowd {
		var code int
		if crowd[i], code = ask("POST", nil); code != http.StatusCreated || crowd[i].Number != int64(i) {
			t.Fatalf("join %d: %d %+v", i, code, crowd[i])
		}
	}

	redis.Kill()
	if status, code := ask("GET", &crowd[7]); code != http.StatusOK || status.Number != 7 || status.Position > 7 {
		t.Errorf("poll without Redis: %d %+v", code, status)
	}
	start := time.Now()
	if _, code := ask("POST", nil); code != http.StatusServiceUnavailable {
		t.Errorf("join without Redis: %d", code)
	}
	if took := time.Since(start); took > 4*time.Second {
		t.Errorf("the refusal took %s", took)
	}

	redis.Lose() // back, and empty
	for i := range crowd {
		eventually(t, 15*time.Second, "a fan is back at its number", func() bool {
			status, code := ask("GET", &crowd[i])
			return code == http.StatusOK && status.Number == int64(i) && status.Epoch == 2
		})
	}
	newcomer, code := ask("POST", nil)
	if code != http.StatusCreated || newcomer.Number < fans {
		t.Errorf("a newcomer after the loss: %d %+v", code, newcomer)
	}
	eventually(t, 5*time.Second, "everybody who came back is ahead of the newcomer", func() bool {
		status, code := ask("GET", &newcomer)
		return code == http.StatusOK && status.Position == fans
	})

	open := rules
	open.Paused = false
	if _, err := app.Admission.SetRules(t.Context(), event.ID, open, 0, "test"); err != nil {
		t.Fatal(err)
	}
	eventually(t, 30*time.Second, "everybody is admitted", func() bool {
		status, code := ask("GET", &newcomer)
		return code == http.StatusOK && status.Standing == ropeline.StandingAdmitted
	})
	checkFeed(t, app, event.ID, rules)
}
