package engines

import (
	"context"
	"errors"
	"net/url"
	"os"
	"syscall"
	"testing"
	"time"
)

// RedisServer is a Redis that belongs to one test, which may kill it.
type RedisServer struct {
	t      testing.TB
	engine *engine
}

// TestRedis starts a Redis for this test alone. It keeps an AOF: what it
// acknowledged survives Kill and Restart, as it would in production. It is
// stopped and removed when the test ends.
func TestRedis(t testing.TB) *RedisServer {
	t.Helper()
	home, options := testOnlyHome(t)
	engine, err := redisIn(home, "redis", redisConf+durableRedis, options)
	if err != nil {
		t.Fatal(err)
	}
	server := &RedisServer{t: t, engine: engine}
	cleanup(t, "stop the test's Redis", engine.down)
	server.Restart()
	return server
}

// URL is for go-redis' ParseURL. It stays the same over restarts.
func (s *RedisServer) URL() string {
	return (&url.URL{Scheme: "unix", Path: s.engine.socket, RawQuery: "db=0"}).String()
}

// Kill ends the server as kill -9 does, and returns when it is dead.
func (s *RedisServer) Kill() {
	s.t.Helper()
	s.engine.expectEnd()
	pid := s.engine.pid()
	if pid == 0 {
		return
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		s.t.Fatalf("kill Redis: %v", err)
	}
	<-s.engine.child.done
}

// Restart starts a dead server on its old data and returns when it answers; a
// living one is stopped in order first.
func (s *RedisServer) Restart() {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := s.engine.down(ctx); err != nil {
		s.t.Fatal(err)
	}
	if err := s.engine.start(ctx); err != nil {
		s.t.Fatal(err)
	}
}

// Lose kills the server, deletes all that it knew, and starts it empty.
func (s *RedisServer) Lose() {
	s.t.Helper()
	s.Kill()
	if err := os.RemoveAll(s.engine.dir + "/appendonlydir"); err != nil { // Redis ≥ 7
		s.t.Fatal(err)
	}
	if err := os.RemoveAll(s.engine.dir + "/appendonly.aof"); err != nil {
		s.t.Fatal(err)
	}
	s.Restart()
}

// testOnlyHome is a home for engines of a single test, removed at its end.
func testOnlyHome(t testing.TB) (home, Options) {
	t.Helper()
	dir, options, err := testHome()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	home, err := openHome(dir)
	if err != nil {
		t.Fatal(err)
	}
	users, _, err := home.join() // keeps the sweeper of other tests away
	if err = errors.Join(err, home.openSockets()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := home.closeSockets(); err != nil {
			t.Error(err)
		}
		users.release()
	})
	return home, options
}
