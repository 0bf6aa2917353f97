package redisdb_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/ropeline/ropeline/internal/engines"
	"github.com/ropeline/ropeline/internal/redisdb"
)

func TestMain(m *testing.M) { engines.Main(m) }

func TestOpenRefusesWhatDoesNotAnswer(t *testing.T) {
	for _, url := range []string{"redis://127.0.0.1:1/0", "unix:///nowhere/redis.sock", "http://x", "redis://user:secret@127.0.0.1:bad/0"} {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		clients, err := redisdb.Open(ctx, url)
		cancel()
		if err == nil {
			clients.Close()
			t.Errorf("%s opened", url)
			continue
		}
		if strings.Contains(err.Error(), "secret") {
			t.Errorf("the error tells the password: %v", err)
		}
	}
}

// A write is sent once: when its connection is cut, the caller is told.
func TestWritesAreNotRepeated(t *testing.T) {
	server := engines.TestRedis(t)
	clients, err := redisdb.Open(t.Context(), server.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer clients.Close()
	if err := clients.Write.Set(t.Context(), "count", 0, 0).Err(); err != nil {
		t.Fatal(err)
	}
	server.Kill()
	if err := clients.Write.Incr(t.Context(), "count").Err(); err == nil {
		t.Error("a write to a dead server succeeded")
	}
	server.Restart()
	deadline := time.Now().Add(5 * time.Second)
	for {
		n, err := clients.Read.Get(t.Context(), "count").Int()
		if err == nil {
			if n != 0 {
				t.Errorf("the count is %d: a write was repeated", n)
			}
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

func TestClusterUsesAllNodes(t *testing.T) {
	clients, err := redisdb.Open(t.Context(), engines.TestCluster(t).URL())
	if err != nil {
		t.Fatal(err)
	}
	defer clients.Close()
	for _, key := range []string{"{e:a}:x", "{e:b}:x", "{e:c}:x", "{e:d}:x", "{e:e}:x"} {
		if err := clients.Write.Set(t.Context(), key, key, 0).Err(); err != nil {
			t.Fatal(err)
		}
		if got, err := clients.Read.Get(t.Context(), key).Result(); err != nil || got != key {
			t.Errorf("%s: %q %v", key, got, err)
		}
	}
}
