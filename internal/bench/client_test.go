package bench

import (
	"bytes"
	"encoding/gob"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// order is what the load process is to do.
type order struct {
	Address     string
	Connections int
	N, Want     int
	Requests    [][]byte  // one for all, or one for each
	Shoppers    []shopper // instead of requests: N of them, one after the other on each connection
}

type outcome struct {
	Failure   string
	Begun     time.Time // when the first request was sent
	PerSecond float64
	P99       time.Duration
}

const loadVariable = "ROPELINE_BENCH_LOAD"

// TestMain is also the processes that load and that ask: this binary, started
// again.
func TestMain(m *testing.M) {
	if os.Getenv(probeVariable) != "" {
		if err := probe(strings.Fields(os.Getenv(probeVariable))); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	if os.Getenv(loadVariable) == "" {
		os.Exit(m.Run())
	}
	var o order
	if err := gob.NewDecoder(os.Stdin).Decode(&o); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	gob.NewEncoder(os.Stdout).Encode(o.run())
}

// load sends n requests over so many kept-alive connections and returns how
// many answers came a second and the 99th percentile of their latency. The load
// is a process of its own, with one thread and as thin as HTTP/1.1 allows, so
// that it weighs little against the servers it compares, and alike. An answer
// with a status other than want fails.
func load(b *testing.B, address string, connections, n, want int, request func(i int) []byte) (perSecond float64, p99 time.Duration) {
	b.Helper()
	o := order{Address: address, Connections: connections, N: n, Want: want, Requests: [][]byte{request(0)}}
	if second := request(1); !bytes.Equal(second, o.Requests[0]) {
		for i := 1; i < n; i++ {
			o.Requests = append(o.Requests, request(i))
		}
	}
	result := runLoad(b, o)
	return result.PerSecond, result.P99
}

// runLoad starts the load process and waits for what it has found.
func runLoad(b *testing.B, o order) outcome {
	b.Helper()
	var in, out bytes.Buffer
	if err := gob.NewEncoder(&in).Encode(o); err != nil {
		b.Fatal(err)
	}
	child := exec.CommandContext(b.Context(), os.Args[0])
	child.Env = append(os.Environ(), loadVariable+"=1", "GOMAXPROCS=1")
	child.Stdin, child.Stdout, child.Stderr = &in, &out, os.Stderr
	if err := child.Run(); err != nil {
		b.Fatal(err)
	}
	var result outcome
	if err := gob.NewDecoder(&out).Decode(&result); err != nil {
		b.Fatal(err)
	}
	if result.Failure != "" {
		b.Fatal(result.Failure)
	}
	return result
}

// link is one connection of the load process.
type link struct {
	fd   int
	in   []byte
	sent time.Time

	buys int // the shopper, and what they have done
	step int
}

func (o order) run() (result outcome) {
	total := o.N
	if len(o.Shoppers) > 0 {
		total *= steps
	}
	latencies := make([]time.Duration, 0, total)
	links, poll, err := o.dial()
	if err == nil {
		next := 0
		result.Begun = time.Now()
		send := func(l *link) error {
			request, err := o.next(l, &next)
			if err != nil || request == nil {
				return err
			}
			l.sent, l.in = time.Now(), l.in[:0]
			if n, err := syscall.Write(l.fd, request); err != nil || n != len(request) {
				return fmt.Errorf("wrote %d of %d bytes: %v", n, len(request), err)
			}
			return nil
		}
		for i := range links {
			links[i].step = steps // the purchase before, as it were
			if err == nil {
				err = send(&links[i])
			}
		}
		events := make([]syscall.EpollEvent, o.Connections)
		for len(latencies) < total && err == nil {
			var ready int
			if ready, err = syscall.EpollWait(poll, events, -1); err == syscall.EINTR {
				ready, err = 0, nil
			}
			for _, event := range events[:max(0, ready)] {
				l := &links[event.Fd]
				want := o.Want
				if len(o.Shoppers) > 0 {
					want = o.Shoppers[l.buys].want(l.step)
				}
				var whole bool
				if whole, err = l.read(want); err != nil {
					break
				}
				if whole {
					latencies = append(latencies, time.Since(l.sent))
					if err = send(l); err != nil {
						break
					}
				}
			}
		}
		result.PerSecond = float64(o.N) / time.Since(result.Begun).Seconds()
	}
	if err != nil {
		return outcome{Failure: err.Error()}
	}
	slices.Sort(latencies)
	result.P99 = latencies[len(latencies)*99/100]
	return result
}

// next is what a link sends now; nil: nothing is left. at counts the requests,
// or the shoppers, that have begun.
func (o order) next(l *link, at *int) ([]byte, error) {
	if len(o.Shoppers) > 0 && l.step < steps-1 {
		l.step++
		return o.Shoppers[l.buys].request(l.step, o.Address, l.in)
	}
	if *at >= o.N {
		return nil, nil
	}
	i := *at
	*at++
	if len(o.Shoppers) > 0 {
		l.buys, l.step = i, 0
		return o.Shoppers[i].request(0, o.Address, nil)
	}
	if len(o.Requests) > 1 {
		return o.Requests[i], nil
	}
	return o.Requests[0], nil
}

func (o order) dial() ([]link, int, error) {
	address, err := netip.ParseAddrPort(o.Address)
	if err != nil {
		return nil, 0, err
	}
	poll, err := syscall.EpollCreate1(0)
	if err != nil {
		return nil, 0, err
	}
	links := make([]link, o.Connections)
	for i := range links {
		fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
		if err == nil {
			err = syscall.Connect(fd, &syscall.SockaddrInet4{Addr: address.Addr().As4(), Port: int(address.Port())})
		}
		if err == nil {
			err = syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1)
		}
		if err == nil {
			err = syscall.EpollCtl(poll, syscall.EPOLL_CTL_ADD, fd, &syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: int32(i)})
		}
		if err != nil {
			return nil, 0, fmt.Errorf("dial: %w", err)
		}
		links[i] = link{fd: fd, in: make([]byte, 0, 16<<10)}
	}
	return links, poll, nil
}

// read takes what has come, and tells whether the answer is whole. Every answer
// has a Content-Length.
func (l *link) read(want int) (whole bool, err error) {
	n, err := syscall.Read(l.fd, l.in[len(l.in):cap(l.in)])
	if err != nil || n == 0 {
		return false, fmt.Errorf("read: %d bytes, %v", n, err)
	}
	l.in = l.in[:len(l.in)+n]
	head := bytes.Index(l.in, []byte("\r\n\r\n"))
	if head < 0 {
		return false, nil
	}
	if status, err := strconv.Atoi(string(l.in[9:12])); err != nil || status != want {
		return false, fmt.Errorf("status %d (want %d): %s", status, want, l.in)
	}
	const name = "Content-Length: "
	at := bytes.Index(l.in[:head], []byte(name))
	if at < 0 {
		return false, fmt.Errorf("no Content-Length: %s", l.in)
	}
	length := 0
	for _, digit := range l.in[at+len(name) : head] {
		if digit < '0' || digit > '9' {
			break
		}
		length = 10*length + int(digit-'0')
	}
	return len(l.in) >= head+4+length, nil
}

// rounds keeps the figures of several rounds.
type rounds map[string][]float64

func (r rounds) add(name string, value float64) { r[name] = append(r[name], value) }

// report gives the median of each figure; of an even number of rounds it is the
// mean of the two in the middle.
func (r rounds) report(b *testing.B) {
	for name, values := range r {
		slices.Sort(values)
		b.ReportMetric((values[(len(values)-1)/2]+values[len(values)/2])/2, name)
	}
	b.ReportMetric(0, "ns/op") // a round has no meaning of its own
}
