package app

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ropeline/ropeline/internal/engines"
)

// What the house publishes can be checked with the file alone; a bent copy is
// refused.
func TestVerifyLog(t *testing.T) {
	a := openTest(t, engines.Test(t), nil)
	event, err := a.CreateEvent(t.Context(), testEvent(10), testRules(), "test")
	if err != nil {
		t.Fatal(err)
	}
	text, _, err := a.Admission.Pace(t.Context(), event.ID, 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "pace.ndjson")
	verify := func(text []byte, args ...string) (int, string, string) {
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		var stdout, stderr bytes.Buffer
		code := Main(t.Context(), append([]string{"verify", "log", file}, args...), &stdout, &stderr)
		return code, stdout.String(), stderr.String()
	}
	code, said, trouble := verify(text)
	if code != 0 || !strings.Contains(said, string(event.ID)+" holds") {
		t.Fatalf("%d %s %s", code, said, trouble)
	}
	_, rest, _ := strings.Cut(said, "signed by")
	key := strings.Fields(rest)[0]
	if code, _, trouble := verify(text, "--key", key); code != 0 {
		t.Errorf("with the key: %s", trouble)
	}
	if code, _, trouble := verify(text, "--key", "A"+key[1:]); code != 1 || !strings.Contains(trouble, "another key") && key[0] != 'A' {
		t.Errorf("with another key: %d %s", code, trouble)
	}
	bent := bytes.Replace(text, []byte(`"burst":20`), []byte(`"burst":21`), 1)
	if code, _, trouble := verify(bent); code != 1 || !strings.Contains(trouble, "does not hold") {
		t.Errorf("a bent log: %d %s", code, trouble)
	}
}
