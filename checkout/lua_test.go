package checkout

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ropeline/ropeline"
)

func TestScriptsSayWhatTheyDo(t *testing.T) {
	files, err := filepath.Glob("lua/*.lua")
	if err != nil || len(files) != 4 {
		t.Fatalf("%v %v", err, files)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		must(t, err)
		var header strings.Builder
		for line := range strings.Lines(string(text)) {
			if !strings.HasPrefix(line, "--") {
				break
			}
			header.WriteString(line)
		}
		for _, word := range []string{"-- Purpose: ", "-- KEYS: ", "-- ARGV: ", "-- Returns: ", "-- Cost: ", "-- Operation id: "} {
			if !strings.Contains(header.String(), word) {
				t.Errorf("%s: its header lacks %q", file, word)
			}
		}
	}
}

func TestKeysLiterally(t *testing.T) {
	want := keys{
		letters:    "{e:abc}:mailbox",
		bodies:     "{e:abc}:mailbox:bodies",
		generation: "{e:abc}:mailbox:generation",
		lease:      "{e:abc}:mailbox:lease",
		wake:       "{e:abc}:mailbox:wake",
		answers:    "{e:abc}:answers",
	}
	if got := keysOf("abc"); got != want {
		t.Errorf("%+v", got)
	}
	if e := eventOfChannel(want.answers); e != ropeline.EventID("abc") {
		t.Errorf("event %q", e)
	}
}
