package bench

import (
	"bufio"
	"context"
	"encoding/gob"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ropeline/ropeline/internal/engines"
)

const probeVariable = "ROPELINE_BENCH_PROBE"

// waits are how long each small question to a Redis waited for its answer.
type waits []time.Duration

func (w waits) part(share float64) float64 {
	slices.Sort(w)
	return float64(w[int(float64(len(w)-1)*share)].Microseconds()) / 1000
}

// over is the share of the questions that waited longer, in millionths.
func (w waits) over(limit time.Duration) float64 {
	n := 0
	for _, wait := range w {
		if wait > limit {
			n++
		}
	}
	return float64(n) * 1e6 / float64(len(w))
}

// ask starts a process that asks two servers small things by turns, half a
// millisecond apart, until the returned function is called: the Redis under
// test, and another one that nobody uses, on the same machine at the same
// moments. What the second one's client waits is not the first one's work.
func (h *house) ask(b *testing.B) (stop func() (tested, idle waits)) {
	b.Helper()
	other, err := engines.Start(b.Context(), engines.Options{DataDir: engines.OpenTempDir(b), Durable: true})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { other.Stop(context.Background()) })
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), probeVariable+"="+h.engines.RedisURL()+" "+other.RedisURL())
	child.Stderr = os.Stderr
	in, err := child.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := child.StdoutPipe()
	if err == nil {
		err = child.Start()
	}
	if err != nil {
		b.Fatal(err)
	}
	begun := bufio.NewReader(out)
	if _, err := begun.ReadByte(); err != nil {
		b.Fatal(err)
	}
	return func() (tested, idle waits) {
		in.Close()
		var both [2]waits
		if err := gob.NewDecoder(begun).Decode(&both); err != nil {
			b.Fatal(err)
		}
		if err := child.Wait(); err != nil {
			b.Fatal(err)
		}
		return both[0], both[1]
	}
}

// probe is the process that asks.
func probe(urls []string) error {
	clients := make([]*redis.Client, len(urls))
	for i, url := range urls {
		options, err := redis.ParseURL(url)
		if err != nil {
			return err
		}
		clients[i] = redis.NewClient(options)
		if err := clients[i].HGet(context.Background(), "probe", "x").Err(); err != nil && err != redis.Nil {
			return err
		}
	}
	over := make(chan struct{})
	go func() {
		os.Stdin.Read(make([]byte, 1))
		close(over)
	}()
	os.Stdout.Write([]byte{'!'})
	var both [2]waits
	for ticker := time.NewTicker(500 * time.Microsecond); ; <-ticker.C {
		for i, client := range clients {
			begun := time.Now()
			client.HGet(context.Background(), "probe", "x")
			both[i] = append(both[i], time.Since(begun))
		}
		select {
		case <-over:
			return gob.NewEncoder(os.Stdout).Encode(both)
		default:
		}
	}
}
