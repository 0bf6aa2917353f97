package app

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/ropeline/ropeline/internal/engines"
	"github.com/ropeline/ropeline/internal/keyring"
)

// TestKeys rotates a key by the command; a running program knows it soon.
func TestKeys(t *testing.T) {
	pair := engines.Test(t)
	app := openTest(t, pair, nil)
	run := func(args ...string) (int, string) {
		t.Helper()
		var out bytes.Buffer
		code := Main(t.Context(), append(args, "--database-url", pair.DatabaseURL, "--redis-url", pair.RedisURL), &out, &out)
		return code, out.String()
	}
	if code, out := run("keys", "list"); code != 0 || strings.Count(out, "yes") != 2 {
		t.Errorf("list: %d %s", code, out)
	}
	if code, out := run("keys", "rotate"); code != 0 || !strings.Contains(out, "signs from") || strings.Count(out, "ticket") != 2 {
		t.Errorf("rotate: %d %s", code, out)
	}
	eventually(t, 20*time.Second, "the new key", func() bool { return len(app.keys.Public(keyring.PurposeTicket)) == 2 })
	for _, args := range [][]string{{"keys"}, {"keys", "rotate", "--purpose", "fan"}, {"keys", "rotate", "--purpose", "pace"}} {
		if code, _ := run(args...); code != 1 {
			t.Errorf("%v: exit code %d", args, code)
		}
	}
}
