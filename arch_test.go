package ropeline_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/ropeline/ropeline"

// floors are the rooms from the ground up. A room may import rooms on lower
// floors, its own parts, and the shared internals; never its neighbours on
// the same floor, and never what is above.
var floors = [][]string{
	{"queue"},
	{"checkout", "admission", "catalog", "fraud", "notify", "identity"},
	{"web", "worker"},
	{"internal/app"},
	{"cmd"},
}

// shared may be imported by every room and import nothing of a room.
var shared = map[string][]string{
	"internal/keyring":     {},
	"internal/redisdb":     {"internal/batch"},
	"internal/batch":       {},
	"internal/groupcommit": {"internal/batch"},
	"internal/outbox":      {},
	"internal/pacelog":     {"internal/keyring"},
	"internal/safeguard":   {},
	"internal/paper":       {"internal/qr"},
	"internal/qr":          {},
	"internal/engines":     {"migrations"},
	"internal/chromium":    {},
	"migrations":           {},
}

// besides are imports that the floors do not tell of. The load tester is a
// black box that knows the vocabulary and the arithmetic of admission/pace; the
// demo sends its crowd.
var besides = map[string][]string{
	"internal/app":   {"loadtest"},
	"cmd":            {"loadtest"},
	"deploy":         {"internal/app"}, // its tests hold the compose file to the flags
	"internal/bench": {"queue", "admission", "catalog", "checkout", "fraud", "identity", "web", "worker", "internal/app"},
}

type listed struct {
	ImportPath   string
	Doc          string
	Imports      []string
	TestImports  []string
	XTestImports []string
	GoFiles      []string
}

func TestArrows(t *testing.T) {
	for _, p := range list(t) {
		from := room(p.ImportPath)
		for _, path := range p.Imports {
			if reason := forbidden(from, path); reason != "" {
				t.Errorf("%s imports %s: %s", p.ImportPath, path, reason)
			}
		}
		for _, path := range slices.Concat(p.TestImports, p.XTestImports) {
			ours := path == module || strings.HasPrefix(path, module+"/")
			if !ours || room(path) == "internal/engines" || room(path) == "migrations" {
				continue // what tests run on
			}
			if reason := forbidden(from, path); reason != "" {
				t.Errorf("a test of %s imports %s: %s", p.ImportPath, path, reason)
			}
		}
	}
}

// TestArrowsAreHeld proves that the rule above can fail.
func TestArrowsAreHeld(t *testing.T) {
	for _, c := range []struct{ from, to string }{
		{"checkout", "admission"}, {"queue", "admission"}, {"web", "worker"}, {"checkout", "web"},
		{"", "queue"}, {"loadtest", "queue"}, {"loadtest", "admission"}, {"internal/keyring", "queue"}, {"worker", "internal/app"},
	} {
		if forbidden(c.from, module+"/"+c.to) == "" {
			t.Errorf("%q may import %q, and must not", c.from, c.to)
		}
	}
	for _, c := range []struct{ from, to string }{
		{"admission", "queue"}, {"loadtest", "admission/pace"}, {"web", "checkout"}, {"web", "web/hub"}, {"queue", "internal/batch"}, {"cmd", "internal/app"},
	} {
		if reason := forbidden(c.from, module+"/"+c.to); reason != "" {
			t.Errorf("%q must not import %q, and may: %s", c.from, c.to, reason)
		}
	}
	if forbidden("", "github.com/gin-gonic/gin") == "" {
		t.Error("the vocabulary may import a library, and must not")
	}
}

func TestPackageDocs(t *testing.T) {
	for _, p := range list(t) {
		if len(p.GoFiles) == 0 {
			continue // tests only
		}
		name := p.ImportPath[strings.LastIndex(p.ImportPath, "/")+1:]
		if !strings.HasPrefix(p.Doc, "Package ") && !strings.HasPrefix(p.Doc, "Command ") {
			t.Errorf("%s has no package doc that begins with \"Package %s\"", p.ImportPath, name)
		}
	}
}

// forbidden tells why a package of one room must not import a path; "" when
// it may.
func forbidden(from, path string) string {
	ours := path == module || strings.HasPrefix(path, module+"/")
	if !ours {
		if from == "" && strings.Contains(strings.Split(path, "/")[0], ".") {
			return "the vocabulary uses the standard library only"
		}
		return ""
	}
	to := room(path)
	switch {
	case to == "":
		return "" // everybody speaks the vocabulary
	case from == "":
		return "the vocabulary imports nothing of ours"
	case from == to || slices.Contains(besides[from], to):
		return ""
	}
	if allowed, isShared := shared[from]; isShared {
		if slices.Contains(allowed, to) {
			return ""
		}
		return "a shared internal knows no room"
	}
	_, toShared := shared[to]
	a, b := floor(from), floor(to)
	switch {
	case from == "loadtest" && path == module+"/admission/pace":
		return "" // the arithmetic of the tick, for the forecast
	case from == "loadtest" || from == "deploy":
		return "it knows the vocabulary only"
	case toShared:
		return ""
	case a < 0 || b < 0:
		return "this room has no floor: add it to arch_test.go"
	case a == b:
		return "rooms on one floor do not know each other"
	case a < b:
		return "arrows point down"
	}
	return ""
}

func floor(room string) int {
	return slices.IndexFunc(floors, func(rooms []string) bool { return slices.Contains(rooms, room) })
}

// room is the first part of a path below the module, or the first two of an
// internal one; "" for the vocabulary.
func room(path string) string {
	rest, _ := strings.CutPrefix(strings.TrimSuffix(path, "_test"), module)
	parts := strings.Split(strings.TrimPrefix(rest, "/"), "/")
	if parts[0] == "internal" && len(parts) > 1 {
		return parts[0] + "/" + parts[1]
	}
	return parts[0]
}

func list(t *testing.T) []listed {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Doc,Imports,TestImports,XTestImports,GoFiles", "./...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []listed
	for decoder := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	if len(all) < 10 {
		t.Fatalf("go list found %d packages only", len(all))
	}
	return all
}
