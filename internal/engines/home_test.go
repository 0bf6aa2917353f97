package engines

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAnyPathWillDo(t *testing.T) {
	for name, path := range map[string]string{
		"spaces": "with spaces and\ttabs",
		"quotes": `it's "quoted" \ $HOME %s`,
		"long":   strings.Repeat(strings.Repeat("long", 20)+"/", 5),
		"words":  "Schöne Grüße/日本",
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(OpenTempDir(t), path)
			e := start(t, dir)
			remember(t, e, "there")
			stop(t, e)
			recall(t, start(t, dir), "there")
		})
	}
}

func TestADirectoryOnlyRootReaches(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("the engines run as ourselves, so nothing that we reach is closed to them")
	}
	old := shelter
	t.Cleanup(func() { shelter = old })
	shelter = filepath.Join(OpenTempDir(t), "shelter")

	closed := OpenTempDir(t)
	if err := os.Chmod(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Chdir(closed) // as in a clone below /root
	dir := filepath.Join(closed, "data")
	e := start(t, "data")
	remember(t, e, "sheltered")
	stop(t, e)

	link, err := os.Readlink(filepath.Join(dir, "engines"))
	if err != nil || !strings.HasPrefix(link, shelter) {
		t.Errorf("no link shows where the data are: %q, %v", link, err)
	}
	renamed := filepath.Join(closed, "renamed")
	if err := os.Rename(dir, renamed); err != nil {
		t.Fatal(err)
	}
	recall(t, start(t, renamed), "sheltered")
}

func TestAnOrdinaryUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("all the other tests run as an ordinary user")
	}
	nobody := &user{name: "nobody", uid: 65534, gid: 65534}
	parent := OpenTempDir(t)
	if err := nobody.own(parent); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(parent, "data")
	program := startProgram(t, "hold", dir, nobody)
	query(t, program.databaseURL, "CREATE TABLE words (word text)")
	query(t, program.databaseURL, "INSERT INTO words VALUES ('theirs')")
	program.stop()

	// Root after them (sudo) keeps the data theirs.
	e := start(t, dir)
	if got := query(t, e.DatabaseURL(), "SELECT word FROM words"); got != "theirs" {
		t.Errorf("root finds %q", got)
	}
	stop(t, e)
	startProgram(t, "hold", dir, nobody).stop()
}

func TestDefaultDataDir(t *testing.T) {
	t.Setenv("XDG_DATA_HOME", "/somewhere/data")
	dir, err := DefaultDataDir()
	want := "/somewhere/data/ropeline"
	if os.Geteuid() == 0 {
		want = "/var/lib/ropeline"
	}
	if dir != want || err != nil {
		t.Errorf("%q, %v; want %q", dir, err, want)
	}
}
