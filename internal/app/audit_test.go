package app

import (
	"bytes"
	"strings"
	"testing"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/internal/engines"
)

// TestAudit runs the command on a clean event, on a damaged one and on none.
func TestAudit(t *testing.T) {
	pair := engines.Test(t)
	app := openTest(t, pair, nil)
	event, err := app.CreateEvent(t.Context(), testEvent(10), testRules(), "test")
	if err != nil {
		t.Fatal(err)
	}
	run := func(id string) (int, string) {
		t.Helper()
		var out bytes.Buffer
		code := Main(t.Context(), []string{"audit", id, "--database-url", pair.DatabaseURL, "--redis-url", pair.RedisURL}, &out, &out)
		return code, out.String()
	}
	if code, out := run(string(event.ID)); code != 0 || !strings.Contains(out, "clean") {
		t.Errorf("a clean event: %d %s", code, out)
	}
	if _, err := pair.Pool.Exec(t.Context(), "update stock set sold = 3 where event_id = $1", event.ID); err != nil {
		t.Fatal(err)
	}
	if code, out := run(string(event.ID)); code != 1 || !strings.Contains(out, "stock:") {
		t.Errorf("stock that nobody bought: %d %s", code, out)
	}
	for _, id := range []string{"x", string(ropeline.NewID[ropeline.EventID]())} {
		if code, _ := run(id); code != 1 {
			t.Errorf("%q: exit code %d", id, code)
		}
	}
}
