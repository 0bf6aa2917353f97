package engines

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

func TestDataAreKeptBetweenRuns(t *testing.T) {
	dir := filepath.Join(OpenTempDir(t), "data")
	first := start(t, dir)
	remember(t, first, "kept")
	if got := query(t, first.DatabaseURL(), "SHOW synchronous_commit"); got != "on" {
		t.Error("synchronous_commit is", got)
	}
	if got := query(t, first.DatabaseURL(), "SHOW fsync"); got != "on" {
		t.Error("fsync is", got)
	}
	stop(t, first)
	stop(t, first) // harmless
	if !gone(first.home.sockets) {
		t.Error("the sockets are left")
	}

	second := start(t, dir)
	recall(t, second, "kept")
}

func TestStartsAtOnceShareTheEngines(t *testing.T) {
	dir := filepath.Join(OpenTempDir(t), "data")
	var all [4]*Engines
	var wait sync.WaitGroup
	for i := range all {
		wait.Go(func() { all[i], _ = Start(t.Context(), Options{DataDir: dir, Durable: true}) })
	}
	wait.Wait()
	for i, e := range all {
		if e == nil {
			t.Fatal("start", i, "failed")
		}
		t.Cleanup(func() { stop(t, e) })
		if e.DatabaseURL() != all[0].DatabaseURL() || e.RedisURL() != all[0].RedisURL() {
			t.Errorf("start %d has other engines", i)
		}
	}
	remember(t, all[0], "shared")
	other := startProgram(t, "hold", dir, nil)
	if other.databaseURL != all[0].DatabaseURL() {
		t.Error("another process has other engines")
	}
	for _, e := range all {
		stop(t, e)
	}
	if got := query(t, other.databaseURL, "SELECT word FROM words"); got != "shared" {
		t.Error("the last user has lost the engines")
	}
	other.stop()
	if !gone(all[0].home.sockets) {
		t.Error("the last user left the engines")
	}
}

func TestEnginesOfAKilledProgramAreAdopted(t *testing.T) {
	dir := filepath.Join(OpenTempDir(t), "data")
	program := startProgram(t, "hold", dir, nil)
	began := query(t, program.databaseURL, "SELECT pg_postmaster_start_time()::text")
	program.kill()

	heir := start(t, dir)
	if got := query(t, heir.DatabaseURL(), "SELECT pg_postmaster_start_time()::text"); got != began {
		t.Errorf("Postgres of %s was not adopted, but started at %s", began, got)
	}
	pids := map[*engine]int{heir.postgres: heir.postgres.pid(), heir.redis: heir.redis.pid()}
	stop(t, heir)
	for engine, pid := range pids {
		if pid == 0 || alive(pid, engine.dir) {
			t.Errorf("the adopted %s (pid %d) was not stopped", engine.name, pid)
		}
	}
}

func TestEnginesThatCrashedRecover(t *testing.T) {
	dir := filepath.Join(OpenTempDir(t), "data")
	program := startProgram(t, "hold", dir, nil)
	watcher := start(t, dir) // an adopter knows the pids
	remember(t, watcher, "committed")
	program.kill() // it would start them again
	for _, engine := range []*engine{watcher.postgres, watcher.redis} {
		pid := engine.pid()
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		eventually(t, engine.name+" dies", func() bool { return engine.pid() == 0 })
	}
	if _, err := Start(t.Context(), Options{DataDir: dir, Durable: true}); err == nil || !strings.Contains(err.Error(), "in use by another process") {
		t.Error("a start beside a user whose engines are gone:", err)
	}
	stop(t, watcher)

	// The stale pid files name a living stranger now.
	for _, name := range []string{"postgres/postmaster.pid", "redis/redis.pid"} {
		if err := os.WriteFile(filepath.Join(dir, "engines", name), []byte("1\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	recall(t, start(t, dir), "committed")
}

// An engine that dies under the program is there again soon, with its data, as
// often as it dies; Stop ends it for good.
func TestEnginesThatDieAreStartedAgain(t *testing.T) {
	dir := filepath.Join(OpenTempDir(t), "data")
	program := startProgram(t, "hold", dir, nil)
	watcher := start(t, dir) // an adopter knows the pids
	remember(t, watcher, "committed")
	for range 2 {
		for _, engine := range []*engine{watcher.postgres, watcher.redis} {
			dead := engine.pid()
			if err := syscall.Kill(dead, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			eventually(t, engine.name+" is there again", func() bool {
				now := engine.pid()
				return now != 0 && now != dead && engine.ping(t.Context()) == nil
			})
		}
	}
	recall(t, watcher, "committed")
	stop(t, watcher)
	program.stop()
	if !gone(watcher.home.sockets) {
		t.Error("the engines are left")
	}
}

func TestEnginesOfAKilledTestDieWithIt(t *testing.T) {
	program := startProgram(t, "test", "", nil)
	pid, _, _ := strings.Cut(query(t, program.databaseURL, "SELECT pg_read_file('postmaster.pid')"), "\n")
	dataDir := strings.TrimSuffix(query(t, program.databaseURL, "SHOW data_directory"), "/engines/postgres")
	socket := strings.TrimSuffix(strings.TrimPrefix(program.redisURL, "unix://"), "?db=0")
	program.kill()
	eventually(t, "Postgres ends", func() bool { return gone("/proc/" + pid + "/cwd") })
	eventually(t, "Redis ends", func() bool { return pingRedis(t.Context(), socket) != nil })

	// The next run sweeps its directories, once they are not young.
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(dataDir, old, old); err != nil {
		t.Fatal(err)
	}
	sweepTestHomes()
	if !gone(dataDir) || !gone(filepath.Dir(socket)) {
		t.Error("a killed test's directories are left:", dataDir, socket)
	}
}

func TestEnginesAreNotInTheProgramsProcessGroup(t *testing.T) {
	e := start(t, filepath.Join(OpenTempDir(t), "data"))
	ours := syscall.Getpgrp()
	for _, engine := range []*engine{e.postgres, e.redis} {
		if group, err := syscall.Getpgid(engine.pid()); err != nil || group == ours {
			t.Errorf("Ctrl-C reaches %s: group %d, %v", engine.name, group, err)
		}
	}
}

func TestAFailedStartShowsTheLogAndLeavesNothing(t *testing.T) {
	dir := filepath.Join(OpenTempDir(t), "data")
	e := start(t, dir)
	stop(t, e)
	conf := filepath.Join(dir, "engines/postgres/postgresql.auto.conf")
	if err := os.WriteFile(conf, []byte("shared_buffers = 'plenty'\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := Start(t.Context(), Options{DataDir: dir, Durable: true})
	if err == nil || !strings.Contains(err.Error(), `invalid value for parameter "shared_buffers"`) {
		t.Error("the error does not show the log:", err)
	}
	if !gone(filepath.Join(dir, "engines/sockets")) || !gone(e.redis.pidFile) {
		t.Error("a failed start left Redis behind")
	}
}

func TestDataOfAnotherMajorVersion(t *testing.T) {
	dir := filepath.Join(OpenTempDir(t), "data")
	e := start(t, dir)
	major := query(t, e.DatabaseURL(), "SELECT current_setting('server_version_num')::int / 10000 || ''")
	stop(t, e)
	if err := os.WriteFile(filepath.Join(dir, "engines/postgres/PG_VERSION"), []byte("9\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Start(t.Context(), Options{DataDir: dir, Durable: true})
	if err == nil || !strings.Contains(err.Error(), "made by PostgreSQL 9") || !strings.Contains(err.Error(), "has PostgreSQL "+major) {
		t.Error(err)
	}
}

func TestMissingBinaries(t *testing.T) {
	old := beyondPath
	t.Cleanup(func() { beyondPath = old })
	beyondPath = nil
	t.Setenv("PATH", "/nonexistent")
	dir := filepath.Join(OpenTempDir(t), "data")
	_, err := Start(t.Context(), Options{DataDir: dir})
	if !errors.Is(err, ErrMissing) {
		t.Fatal(err)
	}
	if text := err.Error(); strings.Contains(text, "\n") || !strings.Contains(text, "apt-get install postgresql redis-server") {
		t.Errorf("not one clear line: %q", text)
	}
}
