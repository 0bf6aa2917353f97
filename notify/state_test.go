package notify

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/ropeline/ropeline/internal/engines"
)

func TestMain(m *testing.M) { engines.Main(m) }

// Every pair of states is held to docs/states.md, and the schema to the states.
func TestTransitionsAreThoseOfTheDiagram(t *testing.T) {
	text, err := os.ReadFile("../docs/states.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(text), "\n## Notification\n")
	if !found {
		t.Fatal("docs/states.md has no section of notifications")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	told := map[State][]State{}
	for line := range strings.Lines(section) {
		from, to, arrow := strings.Cut(strings.TrimSpace(line), " → ")
		if !arrow || !strings.HasPrefix(from, "- ") {
			continue
		}
		state := State(strings.Trim(from, "- `"))
		told[state] = nil
		for next := range strings.SplitSeq(to, ",") {
			if next = strings.Trim(next, " `"); next != "the end" {
				told[state] = append(told[state], State(next))
			}
		}
	}
	if len(told) != len(moves) {
		t.Errorf("the diagram has %d states, the table %d", len(told), len(moves))
	}
	for from := range moves {
		for to := range moves {
			if legal := slices.Contains(told[from], to); (move(from, to) == nil) != legal {
				t.Errorf("%s → %s: the diagram says %v", from, to, legal)
			}
		}
		if move(from, "no such state") == nil || move("no such state", from) == nil {
			t.Errorf("%s: an unknown state was taken", from)
		}
	}
	var check string
	err = engines.Test(t).Pool.QueryRow(t.Context(), `
		select pg_get_constraintdef(oid) from pg_constraint where conrelid = 'notifications'::regclass and conname = 'notifications_state_check'`).Scan(&check)
	if err != nil {
		t.Fatal(err)
	}
	for state := range moves {
		if !strings.Contains(check, "'"+string(state)+"'") {
			t.Errorf("the schema does not know %q: %s", state, check)
		}
	}
	if strings.Count(check, "'")/2 != len(moves) {
		t.Errorf("the schema knows other states: %s", check)
	}
}
