package loadtest_test

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ropeline/ropeline/loadtest"
	"github.com/ropeline/ropeline/loadtest/house"
)

// TestCommandLine drives the program as a person does: a run with a record,
// and the record reported again, against a sound and a broken house.
func TestCommandLine(t *testing.T) {
	for name, c := range map[string]struct {
		flaws house.Flaws
		code  int
		want  string
	}{
		"sound":  {house.Flaws{}, 0, "I5        holds"},
		"broken": {house.Flaws{SharedNumber: true}, 1, "I5        BROKEN"},
	} {
		t.Run(name, func(t *testing.T) {
			h := house.Open(t, c.flaws)
			record := filepath.Join(t.TempDir(), "record.ndjson")
			run := []string{"run", "--url", h.URL, "--event", string(h.Event), "--fans", "40", "--over", "500ms", "--pace", "0.01",
				"--rate", "1500", "--burst", "4", "--slack", "1s", "--for", "20s", "--record", record}
			for _, args := range [][]string{run, {"report", record}} {
				var out, errs bytes.Buffer
				if code := loadtest.Main(t.Context(), args, &out, &errs); code != c.code {
					t.Fatalf("%s: exit code %d, want %d\n%s%s", args[0], code, c.code, &out, &errs)
				}
				if !strings.Contains(out.String(), c.want) {
					t.Errorf("%s: no %q in\n%s", args[0], c.want, &out)
				}
			}
		})
	}
}

func TestCommandLineRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		code int
		want string
	}{
		"nothing to do":    {nil, 2, "Usage"},
		"no event":         {[]string{"run"}, 2, "EVENT"},
		"an unknown flag":  {[]string{"run", "--event", "x", "--warp"}, 2, "--warp"},
		"too long":         {[]string{"run", "--event", "x", "--for", "24h"}, 2, "--for"},
		"a remote address": {[]string{"run", "--event", "00000000000000000000000000", "--url", "http://192.0.2.1"}, 2, "loopback"},
		"no such record":   {[]string{"report", "/nonexistent"}, 2, "nonexistent"},
		"help":             {[]string{"run", "--help"}, 0, "--fans"},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			if code := loadtest.Main(t.Context(), c.args, &out, &out); code != c.code || !strings.Contains(out.String(), c.want) {
				t.Errorf("exit code %d, want %d; output, wanted with %q:\n%s", code, c.code, c.want, &out)
			}
		})
	}
}
