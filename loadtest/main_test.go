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
			dir := t.TempDir()
			run := []string{"run", "--url", h.URL, "--event", string(h.Event), "--fans", "40", "--over", "500ms", "--pace", "0.01",
				"--rate", "1500", "--burst", "4", "--slack", "1s", "--for", "20s", "--out", dir}
			for _, args := range [][]string{run, {"report", dir}} {
				var out, errs bytes.Buffer
				if code := loadtest.Main(t.Context(), args, nil, &out, &errs); code != c.code {
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
		"no event":         {[]string{"run"}, 2, "--event"},
		"an unknown flag":  {[]string{"run", "--event", "x", "--warp"}, 2, "--warp"},
		"too long":         {[]string{"run", "--event", "x", "--for", "24h"}, 2, "--for"},
		"a remote address": {[]string{"run", "--event", "00000000000000000000000000", "--url", "http://192.0.2.1"}, 2, "loopback"},
		"no such record":   {[]string{"report", "/nonexistent"}, 2, "nonexistent"},
		"no scenario":      {[]string{"run", "/nonexistent.yaml"}, 2, "nonexistent"},
		"faults elsewhere": {[]string{"run", "scenarios/chaos.yaml", "--event", "x"}, 2, "--serve"},
		"no trace":         {[]string{"trace", "stat", "/nonexistent"}, 2, "nonexistent"},
		"no pace to run":   {[]string{"run", "--event", "00000000000000000000000000", "--pace", "NaN"}, 2, "pace: NaN"},
		"no pace to plan":  {[]string{"plan", "scenarios/drop-5k.yaml", "--pace", "NaN"}, 2, "--pace: NaN"},
		"help":             {[]string{"run", "--help"}, 0, "--fans"},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			if code := loadtest.Main(t.Context(), c.args, nil, &out, &out); code != c.code || !strings.Contains(out.String(), c.want) {
				t.Errorf("exit code %d, want %d; output, wanted with %q:\n%s", code, c.code, c.want, &out)
			}
		})
	}
}

// TestCommandLinePlansAndTraces runs what needs no server.
func TestCommandLinePlansAndTraces(t *testing.T) {
	file := filepath.Join(t.TempDir(), "x.ndjson")
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"trace", "gen", "--fans", "1000", "--out", file}, ""},
		{[]string{"trace", "stat", file}, "arrivals      1000"},
		{[]string{"plan", "scenarios/drop-5k.yaml", "--rates", "1500,3000", "--html", file + ".html", "--json", file + ".json"}, "2 forecasts"},
	} {
		var out, errs bytes.Buffer
		if code := loadtest.Main(t.Context(), c.args, nil, &out, &errs); code != 0 || !strings.Contains(out.String(), c.want) {
			t.Errorf("%v: exit code %d\n%s%s", c.args, code, &out, &errs)
		}
	}
}
