package outbox

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// Every kind has its section in docs/events.md, which names its version and
// its fields, and the document has no others.
func TestDocumentTellsEveryKind(t *testing.T) {
	text, err := os.ReadFile("../../docs/events.md")
	if err != nil {
		t.Fatal(err)
	}
	sections := map[Kind]string{}
	for i, section := range strings.Split(string(text), "\n### ") {
		if i > 0 {
			title, body, _ := strings.Cut(section, "\n")
			for name := range strings.SplitSeq(title, " · ") {
				sections[Kind(name)], _, _ = strings.Cut(body, "\n## ")
			}
		}
	}
	for _, k := range Kinds() {
		body, told := sections[k]
		if !told {
			t.Errorf("docs/events.md has no section %q", k)
		}
		delete(sections, k)
		for _, f := range k.Fields() {
			if !strings.Contains(body, "`"+f.Name+"`") {
				t.Errorf("docs/events.md does not tell of %s's %q", k, f.Name)
			}
		}
		if k.Version() != 1 && !strings.Contains(body, "version") {
			t.Errorf("docs/events.md does not tell of %s's versions", k)
		}
	}
	for k := range sections {
		t.Errorf("docs/events.md tells of %q, which is no kind", k)
	}
}

// sqlKind finds kinds that are written into SQL; what is a parameter there is
// one of the constants, whose type sees to it.
var sqlKind = regexp.MustCompile(`'([A-Z][a-z]+[A-Z][A-Za-z]+)'`)

// Every kind that code writes is listed.
func TestCodeWritesListedKindsOnly(t *testing.T) {
	found := 0
	err := filepath.WalkDir("../..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for i, literal := range strings.Split(string(text), "`") {
			if i%2 == 0 || !strings.Contains(literal, "insert into outbox") {
				continue
			}
			for _, match := range sqlKind.FindAllStringSubmatch(literal, -1) {
				found++
				if !slices.Contains(Kinds(), Kind(match[1])) {
					t.Errorf("%s writes %q, which is not in the list of package outbox", path, match[1])
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if found == 0 {
		t.Error("the search finds nothing: does code write domain events in another way now?")
	}
}

func TestValidate(t *testing.T) {
	good, err := New(TicketReserved, "e", "e", Reservations{[]Reservation{{ID: "r", Fan: "f", State: "held", Deadline: time.Now()}}})
	if err != nil || good.Version != 1 {
		t.Fatal(good, err)
	}
	back, err := Decode[Reservations](good)
	if err != nil || back.Reservations[0].Fan != "f" {
		t.Error(back, err)
	}
	good.Payload = []byte(`{"reservations":[],"added_later":1}`)
	if err := good.Validate(); err != nil {
		t.Errorf("an unknown field: %v", err)
	}
	for name, change := range map[string]func(*Event){
		"no kind":              func(e *Event) { e.Kind = "TicketEaten" },
		"a version to come":    func(e *Event) { e.Version = 2 },
		"no version":           func(e *Event) { e.Version = 0 },
		"no event":             func(e *Event) { e.Event = "" },
		"no subject":           func(e *Event) { e.Subject = "" },
		"no JSON":              func(e *Event) { e.Payload = []byte("{") },
		"not an object":        func(e *Event) { e.Payload = []byte("[]") },
		"a field is missing":   func(e *Event) { e.Payload = []byte("{}") },
		"a field is null":      func(e *Event) { e.Payload = []byte(`{"reservations":null}`) },
		"a field of no use":    func(e *Event) { e.Payload = []byte(`{"reservations":7}`) },
		"a payload of nothing": func(e *Event) { e.Payload = nil },
	} {
		bad := good
		change(&bad)
		if bad.Validate() == nil {
			t.Errorf("%s: let through", name)
		}
	}
	if _, err := New("TicketEaten", "e", "e", Order{}); err == nil {
		t.Error("an unlisted kind was made")
	}
}
