package app

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A model is trained from a file on the command line, and what cannot be
// trained on is told.
func TestFraudCommands(t *testing.T) {
	run := func(args ...string) (code int, out, err string) {
		var stdout, stderr bytes.Buffer
		code = Main(t.Context(), append([]string{"fraud"}, args...), &stdout, &stderr)
		return code, stdout.String(), stderr.String()
	}
	dir := t.TempDir()
	data, model := filepath.Join(dir, "orders.ndjson"), filepath.Join(dir, "model.json")
	code, orders, err := run("generate", "--orders", "3000", "--seed", "9")
	if code != 0 || strings.Count(orders, "\n") != 3000 {
		t.Fatalf("%d %s", code, err)
	}
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(data, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(orders)
	code, report, err := run("train", data, "--out", model, "--name", "mine")
	if code != 0 || !strings.Contains(report, "AUC 0.9") || !strings.Contains(report, "review at 0.50, reject at 0.95") {
		t.Fatalf("%d %s %s", code, report, err)
	}
	if text, err := os.ReadFile(model); err != nil || !strings.Contains(string(text), `"name": "mine"`) {
		t.Errorf("%v %s", err, text)
	}
	for _, c := range []struct{ flag, value, want string }{
		{"--held-out", "NaN", "held out NaN"}, {"--held-out", "0", "held out 0"}, {"--l2", "NaN", "L2 NaN"}, {"--l2", "+Inf", "L2 +Inf"},
		{"--review-at", "NaN", "--review-at NaN"}, {"--reject-at", "NaN", "--reject-at NaN"},
	} {
		if code, _, err := run("train", data, c.flag, c.value); code != 1 || !strings.Contains(err, c.want) {
			t.Errorf("%s %s: %d %s, want something about %q", c.flag, c.value, code, err, c.want)
		}
	}
	if code, _, err := run("train", data, "--out", model, "--l2", "0"); code != 0 {
		t.Errorf("%d %s", code, err)
	}
	if text, err := os.ReadFile(model); err != nil || !strings.Contains(string(text), "L2 0\"") {
		t.Errorf("%v %s", err, text)
	}
	for what, text := range map[string]string{
		"line 2":     orders[:strings.Index(orders, "\n")+1] + "{",
		"label is 7": `{"signals":{},"label":7}`, "both labels": `{"signals":{"declines":1},"label":1}`, `no signal "x"`: `{"signals":{"x":1},"label":1}`,
	} {
		write(text)
		if code, _, err := run("train", data); code != 1 || !strings.Contains(err, what) {
			t.Errorf("%d %s, want something about %q", code, err, what)
		}
	}
	if code, _, err := run(); code != 1 || !strings.Contains(err, "fraud what?") {
		t.Errorf("%d %s", code, err)
	}
	config := DefaultConfig()
	config.FraudModel = filepath.Join(dir, "none.json")
	if err := config.Validate(); err == nil || !strings.Contains(err.Error(), "fraud model") {
		t.Errorf("a model that is not there: %v", err)
	}
}
