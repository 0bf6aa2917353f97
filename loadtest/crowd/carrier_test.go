package crowd

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"sync"
	"testing"
	"time"
)

// answering is a client of at most so many connections, of a server that
// answers as it is told.
func answering(t *testing.T, conns int, answer http.HandlerFunc) (*client, *httptest.Server) {
	t.Helper()
	server := httptest.NewServer(answer)
	t.Cleanup(server.Close)
	c, err := newClient(server.URL, conns, false, netip.Addr{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.close)
	return c, server
}

// Many requests share few connections, and each gets its own answer.
func TestFewConnectionsForMany(t *testing.T) {
	var conns sync.Map
	c, _ := answering(t, 3, func(out http.ResponseWriter, in *http.Request) {
		conns.Store(in.RemoteAddr, true)
		out.Header().Set("Retry-After", "7")
		out.Write([]byte(in.URL.RawQuery))
	})
	var all sync.WaitGroup
	for i := range 200 {
		all.Go(func() {
			var got int
			a := c.do(t.Context(), &request{method: "GET", path: "/?" + strconv.Itoa(i), into: &got, shopping: i%2 == 0})
			if !a.ok() || got != i || a.retryAfter != 7*time.Second {
				t.Errorf("request %d: %+v, %d", i, a, got)
			}
		})
	}
	all.Wait()
	n := 0
	conns.Range(func(any, any) bool { n++; return true })
	if n > 3 {
		t.Errorf("%d connections", n)
	}
}

// Whoever is let in does not queue behind those who come.
func TestShoppersGoFirst(t *testing.T) {
	var mu sync.Mutex
	var order []string
	first, open := make(chan struct{}), make(chan struct{})
	c, _ := answering(t, 1, func(_ http.ResponseWriter, in *http.Request) {
		mu.Lock()
		order = append(order, in.URL.Path)
		begins := len(order) == 1
		mu.Unlock()
		if begins {
			close(first)
			<-open
		}
	})
	var all sync.WaitGroup
	send := func(path string, shopping bool) {
		all.Go(func() { c.do(t.Context(), &request{method: "GET", path: path, shopping: shopping}) })
	}
	send("/holds-the-connection", false)
	<-first
	for range 5 {
		send("/comes", false)
	}
	send("/buys", true)
	time.AfterFunc(200*time.Millisecond, func() { close(open) }) // all of them queue by then
	all.Wait()
	if len(order) != 7 || order[1] != "/buys" {
		t.Error(order)
	}
}

// The end of its context breaks a request off, in the queue and under way.
func TestBrokenOff(t *testing.T) {
	arrived, open := make(chan struct{}, 2), make(chan struct{})
	c, _ := answering(t, 1, func(http.ResponseWriter, *http.Request) { arrived <- struct{}{}; <-open })
	ctx, cancel := context.WithCancel(t.Context())
	answers := make(chan answer, 2)
	for range 2 {
		go func() { answers <- c.do(ctx, &request{method: "GET", path: "/"}) }()
	}
	<-arrived
	cancel()
	for range 2 {
		if a := <-answers; a.status != 0 || a.code != "transport" {
			t.Errorf("%+v", a)
		}
	}
	close(open)
	if a := c.do(t.Context(), &request{method: "GET", path: "/"}); !a.ok() {
		t.Errorf("after it: %+v", a)
	}
}

// A connection that died while it rested is not the server's answer; one that
// dies over a request that may not be repeated is.
func TestADeadConnection(t *testing.T) {
	c, server := answering(t, 1, func(out http.ResponseWriter, in *http.Request) {
		if in.URL.Path == "/dies" {
			conn, _, _ := out.(http.Hijacker).Hijack()
			conn.Close()
		}
	})
	ask := func(method, path string) answer { return c.do(t.Context(), &request{method: method, path: path}) }
	for _, step := range []struct {
		method, path string
		ok           bool
	}{{"GET", "/", true}, {"GET", "/", true}, {"POST", "/dies", false}, {"POST", "/", true}} {
		if a := ask(step.method, step.path); a.ok() != step.ok {
			t.Errorf("%s %s: %+v", step.method, step.path, a)
		}
		if step.method == "GET" {
			server.CloseClientConnections()
		}
	}
}
