package fault_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/ropeline/ropeline/loadtest/fault"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// echo answers every line, and counts them.
func echo(t *testing.T) (proxy *fault.Proxy, heard *atomic.Int64) {
	t.Helper()
	heard = &atomic.Int64{}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				for lines := bufio.NewScanner(conn); lines.Scan(); {
					heard.Add(1)
					io.WriteString(conn, lines.Text()+"\n")
				}
			}()
		}
	}()
	if proxy, err = fault.NewProxy("tcp", listener.Addr().String()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { proxy.Close(); listener.Close() })
	return proxy, heard
}

type caller struct {
	net.Conn
	lines *bufio.Reader
}

func call(t *testing.T, p *fault.Proxy) *caller {
	t.Helper()
	conn, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &caller{conn, bufio.NewReader(conn)}
}

func (c *caller) ask(patience time.Duration) (string, error) {
	c.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(c, "x\n"); err != nil {
		return "", err
	}
	return c.lines.ReadString('\n')
}

func TestAProxyPassesOn(t *testing.T) {
	p, _ := echo(t)
	c := call(t, p)
	for range 3 {
		if got, err := c.ask(10 * time.Second); got != "x\n" {
			t.Fatalf("%q, %v", got, err)
		}
	}
	begun := time.Now()
	p.Delay(60 * time.Millisecond)
	if got, err := c.ask(10 * time.Second); got != "x\n" || time.Since(begun) < 120*time.Millisecond {
		t.Errorf("%q, %v after %v", got, err, time.Since(begun))
	}
	p.Delay(0)
	p.Cut(0)
	if _, err := c.ask(10 * time.Second); err == nil {
		t.Error("the connection was not cut")
	}
	if got, err := call(t, p).ask(10 * time.Second); got != "x\n" {
		t.Errorf("a new connection: %q, %v", got, err)
	}
}

func TestAReplyIsLost(t *testing.T) {
	p, heard := echo(t)
	c := call(t, p)
	p.LoseReplies(1)
	if got, err := c.ask(10 * time.Second); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%q, %v", got, err)
	}
	if heard.Load() != 1 {
		t.Errorf("the request was heard %d times", heard.Load())
	}
	p.LoseReplies(0)
	if got, err := call(t, p).ask(10 * time.Second); got != "x\n" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestAConnectionIsHalfOpen(t *testing.T) {
	p, _ := echo(t)
	c := call(t, p)
	if _, err := c.ask(10 * time.Second); err != nil {
		t.Fatal(err)
	}
	resume := p.Stall(0)
	if got, err := c.ask(100 * time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%q, %v", got, err)
	}
	if got, err := call(t, p).ask(10 * time.Second); got != "x\n" {
		t.Errorf("a new connection: %q, %v", got, err)
	}
	resume()
	c.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := c.lines.ReadString('\n'); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("afterwards: %v", err)
	}
}

// Webhooks come twice, and late, and none is lost.
func TestWebhooksComeTwiceAndLate(t *testing.T) {
	var got, good atomic.Int64
	house := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		got.Add(1)
		body, _ := io.ReadAll(r.Body)
		if r.URL.Path == "/payments/webhook" && string(body) == "paid" && r.Header.Get("Signature") == "s" {
			good.Add(1)
		}
	}))
	defer house.Close()
	relay, err := fault.NewWebhooks(func() string { return house.URL })
	if err != nil {
		t.Fatal(err)
	}
	defer relay.Close()
	relay.Duplicate(1)
	relay.Shuffle(1, 20*time.Millisecond)
	client := &http.Client{}
	defer client.CloseIdleConnections()
	for range 5 {
		req, err := http.NewRequest("POST", relay.URL()+"/payments/webhook", strings.NewReader("paid"))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Signature", "s")
		res, err := client.Do(req)
		if err != nil || res.StatusCode != http.StatusOK {
			t.Fatal(err)
		}
		res.Body.Close()
	}
	for deadline := time.Now().Add(20 * time.Second); got.Load() < 10; {
		if time.Now().After(deadline) {
			t.Fatalf("%d of 10 came", got.Load())
		}
		<-time.After(10 * time.Millisecond)
	}
	if good.Load() != got.Load() {
		t.Errorf("%d of %d were as they were sent", good.Load(), got.Load())
	}
}
