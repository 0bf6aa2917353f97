package scenario_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ropeline/ropeline/loadtest/scenario"
)

// The scenarios that come with the program are all good.
func TestReadyScenarios(t *testing.T) {
	files, err := filepath.Glob("../scenarios/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, file := range files {
		s, err := scenario.Load(file)
		if err != nil {
			t.Error(err)
			continue
		}
		if s.Description == "" || s.Event.Capacity() == 0 || s.Fans == 0 {
			t.Errorf("%s: a ready scenario has a description, an event and fans", file)
		}
		if err := s.Mix().Validate(); err != nil {
			t.Errorf("%s: %v", file, err)
		}
		names = append(names, s.Name)
	}
	for _, want := range []string{"smoke", "drop-5k", "drop-50k", "bots", "mobile", "chaos", "soak"} {
		if !slices.Contains(names, want) {
			t.Errorf("there is no scenario %q among %v", want, names)
		}
	}
}

// A mistake is told with its line and its field.
func TestMistakesNameLineAndField(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"no fans":          {"name: x\nfans: 0\n", []string{"line 2: fans"}},
		"unknown field":    {"name: x\nfans: 5\nfanz: 6\n", []string{"fanz", "3"}},
		"not a number":     {"name: x\nfans: many\n", []string{"[2:7]"}},
		"no YAML":          {"name: [x\n", []string{"1"}},
		"capacity":         {"fans: 5\nevent:\n  tickets:\n    - {name: a, capacity: 10}\n    - name: b\n      capacity: -1\n", []string{"line 6: event.tickets[1].capacity"}},
		"missing name":     {"fans: 5\nbehaviours:\n  - share: 1\n", []string{"line 3: behaviours[0].name"}},
		"shape":            {"fans: 5\narrival:\n  shape: wave\n", []string{"line 3: arrival.shape", "wave"}},
		"a trace's shape":  {"arrival:\n  trace: x\n  shape: burst\n", []string{"line 3: arrival.shape"}},
		"transport":        {"fans: 5\nbehaviours:\n  - name: a\n    share: 1\n    transport: pigeon\n", []string{"line 5: behaviours[0].transport"}},
		"tickets":          {"fans: 5\nbehaviours:\n  - name: a\n    share: 1\n    tickets: -2\n", []string{"line 5: behaviours[0].tickets"}},
		"sleep alone":      {"fans: 5\nbehaviours:\n  - name: a\n    share: 1\n    sleep: {median: 3s}\n", []string{"behaviours[0].sleep"}},
		"card":             {"fans: 5\nbehaviours:\n  - name: a\n    share: 1\n    cards: [approve, gold]\n", []string{"line 5: behaviours[0].cards[1]", "gold"}},
		"no shares":        {"fans: 5\nbehaviours:\n  - name: a\n", []string{"line 3: behaviours"}},
		"fault":            {"fans: 5\nfaults:\n  - {at: 3s, kind: flood, target: web}\n", []string{"line 3: faults[0].kind"}},
		"fault's target":   {"fans: 5\nfaults:\n  - at: 3s\n    kind: wipe\n    target: postgres\n", []string{"line 5: faults[0].target"}},
		"a share too much": {"fans: 5\nrepeats: 2\n", []string{"line 2: repeats"}},
		"two mistakes":     {"fans: 0\npace: -1\n", []string{"line 1: fans", "line 2: pace"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := scenario.Parse([]byte(c.text))
			if err == nil {
				t.Fatal("no mistake was found")
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q is not in: %v", want, err)
				}
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	for _, file := range []string{"../scenarios/smoke.yaml", "../scenarios/chaos.yaml"} {
		if raw, err := os.ReadFile(file); err == nil {
			f.Add(raw)
		}
	}
	f.Add([]byte("fans: 5\nbehaviours: [{name: a, share: .inf}]"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		s, err := scenario.Parse(raw)
		if err == nil && s.Mix().Validate() != nil {
			t.Error("a crowd that nobody can be drawn from was let pass")
		}
	})
}
