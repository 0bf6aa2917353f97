package app

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/internal/engines"
	"github.com/ropeline/ropeline/queue/draw"
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
	other := "A" + key[1:]
	if key[0] == 'A' {
		other = "B" + key[1:]
	}
	if code, _, trouble := verify(text, "--key", other); code != 1 || !strings.Contains(trouble, "another key") {
		t.Errorf("with another key: %d %s", code, trouble)
	}
	bent := bytes.Replace(text, []byte(`"burst":20`), []byte(`"burst":21`), 1)
	if code, _, trouble := verify(bent); code != 1 || !strings.Contains(trouble, "does not hold") {
		t.Errorf("a bent log: %d %s", code, trouble)
	}
}

func TestVerifyDraw(t *testing.T) {
	seed := bytes.Repeat([]byte{7}, 32)
	fans := []ropeline.FanID{ropeline.NewID[ropeline.FanID](), ropeline.NewID[ropeline.FanID](), ropeline.NewID[ropeline.FanID]()}
	entrants := draw.NewEntrants(fans)
	root, commitment, entropy, n := draw.Root(entrants), draw.Commitment(seed), draw.Entropy([]byte("7 11 19")), int64(3)
	record := draw.Record{Format: 1, Event: "e", State: "done", Commitment: hex.EncodeToString(commitment[:]), Source: draw.Public,
		Promise: "the lottery", Entrants: &n, Root: hex.EncodeToString(root[:]), MixedFrom: draw.Public, Value: "7 11 19",
		Entropy: hex.EncodeToString(entropy[:]), Seed: hex.EncodeToString(seed)}
	verify := func(change func(*draw.Record), list draw.Entrants, args ...string) (int, string) {
		r := record
		change(&r)
		text, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		for i := range list.Len() {
			text = append(append(text, '\n'), list.At(i)...)
		}
		file := filepath.Join(t.TempDir(), "draw.txt")
		if err := os.WriteFile(file, append(text, '\n'), 0o600); err != nil {
			t.Fatal(err)
		}
		var said bytes.Buffer
		return Main(t.Context(), append([]string{"verify", "draw", file}, args...), &said, &said), said.String()
	}
	same := func(*draw.Record) {}
	number := slices.Index(draw.Order(seed, entropy, entrants), 1)
	code, said := verify(same, entrants, "--fan", string(entrants.At(1)))
	if code != 0 || !strings.Contains(said, "holds") || !strings.Contains(said, fmt.Sprintf("has number %d", number)) {
		t.Fatalf("%d %s", code, said)
	}
	if code, said := verify(same, entrants, "--all"); code != 0 || strings.Count(said, "\n") != 3 {
		t.Errorf("%d %s", code, said)
	}
	if code, _ := verify(same, entrants, "--fan", "nobody"); code != 1 {
		t.Error("a stranger has a number")
	}
	for trouble, change := range map[string]func(*draw.Record){
		"committed":       func(r *draw.Record) { r.Seed = strings.Repeat("08", 32) },
		"root":            func(r *draw.Record) { r.Root = r.Seed },
		"SHA-256":         func(r *draw.Record) { r.Value = "7 11 20" },
		"promised from":   func(r *draw.Record) { r.Source, r.Promise = draw.None, "" },
		"not the root":    func(r *draw.Record) { r.MixedFrom = draw.FromRoot },
		"revealed":        func(r *draw.Record) { r.Seed = "" },
		"format":          func(r *draw.Record) { r.Format = 2 },
		"does not know":   func(r *draw.Record) { r.Source = "dice" },
		"not 32 bytes":    func(r *draw.Record) { r.Seed = "07" },
		"the record says": func(r *draw.Record) { other := int64(4); r.Entrants = &other },
	} {
		if code, said := verify(change, entrants); code != 1 || !strings.Contains(said, trouble) {
			t.Errorf("%s: %d %s", trouble, code, said)
		}
	}
	if code, said := verify(same, append(slices.Clone(entrants[26:]), entrants[:26]...)); code != 1 || !strings.Contains(said, "sorted") {
		t.Errorf("unsorted: %d %s", code, said)
	}
}
