package bench

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// load sends n requests over so many kept-alive connections and returns how
// many answers came a second and the 99th percentile of their latency. The
// client is as thin as HTTP/1.1 allows, so that it weighs little against the
// servers it compares. An answer with a status other than want fails.
func load(b *testing.B, address string, connections, n, want int, request func(i int) []byte) (perSecond float64, p99 time.Duration) {
	b.Helper()
	var (
		next      atomic.Int64
		wg        sync.WaitGroup
		mu        sync.Mutex
		latencies = make([]time.Duration, 0, n)
		failure   atomic.Pointer[string]
	)
	fail := func(format string, args ...any) {
		text := fmt.Sprintf(format, args...)
		failure.CompareAndSwap(nil, &text)
	}
	start := time.Now()
	for range connections {
		wg.Go(func() {
			conn, err := net.Dial("tcp", address)
			if err != nil {
				fail("dial: %v", err)
				return
			}
			defer conn.Close()
			reader := bufio.NewReaderSize(conn, 8192)
			mine := make([]time.Duration, 0, n/connections+1)
			for failure.Load() == nil {
				i := int(next.Add(1)) - 1
				if i >= n {
					break
				}
				body := request(i)
				sent := time.Now()
				if _, err := conn.Write(body); err != nil {
					fail("write: %v", err)
					return
				}
				status, answer, err := readAnswer(reader)
				if err != nil || status != want {
					fail("status %d (want %d), error %v: %s", status, want, err, answer)
					return
				}
				mine = append(mine, time.Since(sent))
			}
			mu.Lock()
			latencies = append(latencies, mine...)
			mu.Unlock()
		})
	}
	wg.Wait()
	took := time.Since(start)
	if text := failure.Load(); text != nil {
		b.Fatal(*text)
	}
	slices.Sort(latencies)
	return float64(n) / took.Seconds(), latencies[len(latencies)*99/100]
}

// readAnswer reads one response that has a Content-Length.
func readAnswer(r *bufio.Reader) (status int, body []byte, err error) {
	line, err := r.ReadSlice('\n')
	if err != nil {
		return 0, nil, err
	}
	if len(line) < 12 {
		return 0, nil, fmt.Errorf("status line %q", line)
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, nil, err
	}
	length := 0
	for {
		if line, err = r.ReadSlice('\n'); err != nil {
			return 0, nil, err
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			break
		}
		if value, found := bytes.CutPrefix(line, []byte("Content-Length: ")); found {
			if length, err = strconv.Atoi(string(value)); err != nil {
				return 0, nil, err
			}
		}
	}
	if status < 300 {
		_, err = r.Discard(length)
		return status, nil, err
	}
	body = make([]byte, length)
	_, err = io.ReadFull(r, body)
	return status, body, err
}

// rounds keeps the figures of several rounds.
type rounds map[string][]float64

func (r rounds) add(name string, value float64) { r[name] = append(r[name], value) }

// report gives the median of each figure.
func (r rounds) report(b *testing.B) {
	for name, values := range r {
		slices.Sort(values)
		b.ReportMetric(values[len(values)/2], name)
	}
	b.ReportMetric(0, "ns/op") // a round has no meaning of its own
}
