package ropeline_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// headers must open every script, in this order, before its first statement.
var headers = []string{"-- Purpose: ", "-- KEYS: ", "-- ARGV: ", "-- Returns: ", "-- Cost: ", "-- Operation"}

func checkHeader(script string) error {
	missing := headers
	for line := range strings.Lines(script) {
		if len(missing) == 0 {
			return nil
		}
		if !strings.HasPrefix(line, "--") {
			break
		}
		if strings.HasPrefix(line, missing[0]) && len(strings.TrimSpace(line)) > len(missing[0]) {
			missing = missing[1:]
		}
	}
	return fmt.Errorf("the header lacks %q", missing)
}

// TestScriptsHaveHeaders finds every Lua script of the house.
func TestScriptsHaveHeaders(t *testing.T) {
	scripts := 0
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".lua" {
			return err
		}
		scripts++
		source, err := os.ReadFile(path)
		if err == nil {
			err = checkHeader(string(source))
		}
		if err != nil {
			t.Errorf("%s: %v", path, err)
		}
		return nil
	})
	if err != nil || scripts < 10 {
		t.Fatalf("%d scripts, %v", scripts, err)
	}
}

func TestBareScriptsAreRejected(t *testing.T) {
	whole := strings.Join(headers, "x\n") + "x\nreturn 1\n"
	if err := checkHeader(whole); err != nil {
		t.Errorf("a whole header: %v", err)
	}
	for _, script := range []string{
		"return 1",
		"",
		"return 1\n" + whole,
		strings.Replace(whole, "-- Cost: x\n", "", 1),
		strings.Replace(whole, "-- Cost: x\n", "-- Cost: \n", 1),
	} {
		if checkHeader(script) == nil {
			t.Errorf("a script without its header passed:\n%s", script)
		}
	}
}
