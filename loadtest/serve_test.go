package loadtest_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ropeline/ropeline/loadtest"
	"github.com/ropeline/ropeline/loadtest/report"
)

// childVariable makes the test binary be loadtest, for the parts of a run that
// are processes of their own.
const childVariable = "LOADTEST_TEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childVariable) != "" {
		os.Exit(loadtest.Main(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
	}
	os.Setenv(childVariable, "1") // for the processes that the tests start
	os.Exit(m.Run())
}

// buildHouse builds the program with safeguards that can be taken away; with
// ROPELINE_UNSAFE unset none is.
func buildHouse(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "ropeline")
	build := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-tags", "unsafe_safeguards", "-o", program, "../cmd/ropeline")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return program
}

// without is the program with a safeguard taken away.
func without(t *testing.T, program, safeguard string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ropeline")
	script := "#!/bin/sh\nROPELINE_UNSAFE='" + safeguard + "' exec '" + program + "' \"$@\"\n"
	if err := os.WriteFile(path, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestHouses starts real houses of several processes and lets the load tester
// judge them: one that works, one that is broken again and again, and four
// that lack a safeguard each.
func TestHouses(t *testing.T) {
	if testing.Short() {
		t.Skip("starts houses of real processes")
	}
	program := buildHouse(t)
	for _, c := range []struct {
		name, scenario string
		unsafe         string
		breaks         string // the invariant; "" for none
		procs          string
	}{
		{"smoke", "scenarios/smoke.yaml", "", "", "2"},
		{"chaos", "testdata/chaos.yaml", "", "", "1"},
		{"without the bucket's clock", "testdata/unsafe.yaml", "clock", "I3", "1"},
		{"without the draw's order", "testdata/unsafe.yaml", "draw", "draw", "1"},
		{"without the batch's transaction", "testdata/unsafe.yaml", "transaction", "I1", "1"},
		{"without the fence", "testdata/unsafe.yaml", "fencing", "I1", "1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			program := without(t, program, c.unsafe)
			var out, errs bytes.Buffer
			code := loadtest.Main(t.Context(), []string{"run", c.scenario, "--serve", "--ropeline", program, "--out", dir, "--procs", c.procs}, nil, &out, &errs)
			file, err := os.Open(filepath.Join(dir, "report.json"))
			if err != nil {
				t.Fatalf("exit code %d: %v\n%s", code, err, &errs)
			}
			defer file.Close()
			summary, err := report.ReadJSON(file)
			if err != nil {
				t.Fatal(err)
			}
			broken := strings.Split(summary.Broken(), ", ")
			if c.breaks == "" {
				if code != 0 || summary.Funnel.Tickets == 0 {
					t.Errorf("exit code %d\n%s%s", code, &out, &errs)
				}
				return
			}
			found := false
			for _, name := range broken {
				found = found || name == c.breaks
			}
			if code != 1 || !found {
				t.Errorf("exit code %d, broken: %v, want %s\n%s%s", code, broken, c.breaks, &out, &errs)
			}
			for _, v := range summary.Verdicts {
				if !v.OK {
					t.Log(v)
				}
			}
		})
	}
}
