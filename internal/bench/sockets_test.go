package bench

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/admission"
)

// BenchmarkSockets opens 15,000 waiting sockets on a web node in a process of
// its own, while fans are admitted and positions flow, and reports how much
// the node's resident memory grew for each.
func BenchmarkSockets(b *testing.B) {
	const sockets, warm, flow = 15_000, 200, 15 * time.Second
	h := openHouse(b)
	binary := build(b)
	figures := rounds{}
	for b.Loop() {
		event := h.event(b, 100_000)
		node, address := h.node(b, binary)
		fans := h.crowd(b, event.ID, address, sockets+warm)
		var frames atomic.Int64
		release := hold(b, address, fans[:warm], &frames)
		before := resident(b, node.Process.Pid)
		releaseAll := hold(b, address, fans[warm:], &frames)
		rules, err := h.Admission.Rules(b.Context(), event.ID)
		if err != nil {
			b.Fatal(err)
		}
		rules.Paused, rules.RatePerMinute, rules.ShowUp, rules.MaxShoppers = false, 600, time.Minute, 10_000
		if _, err := h.Admission.SetRules(b.Context(), event.ID, rules, 0, "bench"); err != nil {
			b.Fatal(err)
		}
		select {
		case <-time.After(flow):
		case <-b.Context().Done():
		}
		after := resident(b, node.Process.Pid)
		figures.add("heap-KiB/socket", nodeMetric(b, address, "go_memstats_heap_inuse_bytes")/1024/sockets)
		figures.add("stack-KiB/socket", nodeMetric(b, address, "go_memstats_stack_inuse_bytes")/1024/sockets)
		figures.add("KiB/socket", float64(after-before)/1024/sockets)
		figures.add("frames/s", float64(frames.Load())/flow.Seconds())
		release()
		releaseAll()
		node.Process.Signal(os.Interrupt)
		node.Wait()
	}
	figures.report(b)
}

// BenchmarkStreams is BenchmarkSockets for fans whose network refuses
// WebSockets: 5,000 event streams.
func BenchmarkStreams(b *testing.B) {
	const streams, warm, flow = 5_000, 200, 15 * time.Second
	h := openHouse(b)
	binary := build(b)
	figures := rounds{}
	for b.Loop() {
		event := h.event(b, 100_000)
		node, address := h.node(b, binary)
		fans := h.crowd(b, event.ID, address, streams+warm)
		for i, socket := range fans {
			fans[i] = bytes.Replace(socket, []byte("/queue/ws "), []byte("/queue/sse "), 1) // the upgrade is ignored there
		}
		release := open(b, address, fans[:warm])
		before := resident(b, node.Process.Pid)
		releaseAll := open(b, address, fans[warm:])
		h.rules(b, event.ID, func(r *admission.Rules) {
			r.Paused, r.RatePerMinute, r.ShowUp, r.MaxShoppers = false, 600, time.Minute, 10_000
		})
		select {
		case <-time.After(flow):
		case <-b.Context().Done():
		}
		if n := nodeMetric(b, address, "ropeline_hub_sockets"); n < streams {
			b.Errorf("%.0f streams are open", n)
		}
		after := resident(b, node.Process.Pid)
		figures.add("heap-KiB/stream", nodeMetric(b, address, "go_memstats_heap_inuse_bytes")/1024/streams)
		figures.add("stack-KiB/stream", nodeMetric(b, address, "go_memstats_stack_inuse_bytes")/1024/streams)
		figures.add("KiB/stream", float64(after-before)/1024/streams)
		release()
		releaseAll()
		node.Process.Signal(os.Interrupt)
		node.Wait()
	}
	figures.report(b)
}

// open sends requests whose answers do not end, and drops what comes until the
// returned function is called.
func open(b *testing.B, address string, requests [][]byte) (release func()) {
	b.Helper()
	conns := make([]net.Conn, len(requests))
	var reading sync.WaitGroup
	for i, request := range requests {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			b.Fatal(err)
		}
		conns[i] = conn
		if _, err := conn.Write(request); err != nil {
			b.Fatal(err)
		}
		head := make([]byte, 12)
		if _, err := io.ReadFull(conn, head); err != nil || string(head[9:]) != "200" {
			b.Fatalf("%q %v", head, err)
		}
		reading.Go(func() { io.Copy(io.Discard, conn) })
	}
	return func() {
		for _, conn := range conns {
			conn.Close()
		}
		reading.Wait()
	}
}

// build compiles the program.
func build(b *testing.B) string {
	b.Helper()
	binary := filepath.Join(b.TempDir(), "ropeline")
	if out, err := exec.Command("go", "build", "-o", binary, "github.com/ropeline/ropeline/cmd/ropeline").CombinedOutput(); err != nil {
		b.Fatalf("build: %v\n%s", err, out)
	}
	return binary
}

// crowd joins so many fans and returns what opens the socket of each.
func (h *house) crowd(b *testing.B, event ropeline.EventID, address string, n int) [][]byte {
	b.Helper()
	fans := make([][]byte, n)
	for i := range fans {
		fan, token := h.Fans.Mint()
		place, err := h.Line.Join(b.Context(), event, fan, nil)
		if err != nil {
			b.Fatal(err)
		}
		fans[i] = upgrade(event, address, token, h.Line.Token(place))
	}
	return fans
}

// nodeMetric reads one series of a node; 0 when it is not there yet.
func nodeMetric(b *testing.B, address, series string) float64 {
	b.Helper()
	answer, err := http.Get("http://" + address + "/metrics")
	if err != nil {
		b.Fatal(err)
	}
	defer answer.Body.Close()
	for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
		if text, found := strings.CutPrefix(lines.Text(), series+" "); found {
			value, err := strconv.ParseFloat(text, 64)
			if err != nil {
				b.Fatal(err)
			}
			return value
		}
	}
	return 0
}

// node starts a web node on a free port.
func (h *house) node(b *testing.B, binary string) (*exec.Cmd, string) {
	b.Helper()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	address := free.Addr().String()
	free.Close()
	node := exec.Command(binary, "serve", "--roles", "web", "--listen", address, "--log-level", "error",
		"--database-url", h.engines.DatabaseURL(), "--redis-url", h.engines.RedisURL())
	node.Stderr = os.Stderr
	if err := node.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { node.Process.Kill() })
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for deadline := time.Now().Add(20 * time.Second); ; <-ticker.C {
		if conn, err := net.Dial("tcp", address); err == nil {
			conn.Close()
			return node, address
		}
		if time.Now().After(deadline) {
			b.Fatal("the node does not listen")
		}
	}
}

func upgrade(event ropeline.EventID, address, token, place string) []byte {
	return []byte("GET /events/" + string(event) + "/queue/ws HTTP/1.1\r\nHost: " + address +
		"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==" +
		"\r\nAuthorization: Bearer " + token + "\r\nRopeline-Place: " + place + "\r\n\r\n")
}

// hold opens sockets and counts the frames that come until the returned
// function is called.
func hold(b *testing.B, address string, requests [][]byte, frames *atomic.Int64) (release func()) {
	b.Helper()
	return listen(b, address, requests, func([]byte) { frames.Add(1) })
}

// listen opens sockets and calls heard with each frame that comes, from a
// goroutine for each, until the returned function is called.
func listen(b *testing.B, address string, requests [][]byte, heard func([]byte)) (release func()) {
	b.Helper()
	conns := make([]net.Conn, len(requests))
	var reading sync.WaitGroup
	for i, request := range requests {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			b.Fatal(err)
		}
		conns[i] = conn
		if _, err := conn.Write(request); err != nil {
			b.Fatal(err)
		}
		reader := bufio.NewReaderSize(conn, 512)
		status, err := reader.ReadString('\n')
		if err != nil || !strings.Contains(status, "101") {
			b.Fatalf("upgrade: %q %v", status, err)
		}
		for line := status; line != "\r\n"; {
			if line, err = reader.ReadString('\n'); err != nil {
				b.Fatal(err)
			}
		}
		reading.Go(func() {
			var body []byte
			for {
				var err error
				if body, err = readFrame(reader, body); err != nil {
					return
				}
				heard(body)
			}
		})
	}
	return func() {
		for _, conn := range conns {
			conn.Close()
		}
		reading.Wait()
	}
}

// readFrame reads one server's frame (RFC 6455, section 5.2) of less than 64
// KiB into a buffer that it returns.
func readFrame(r *bufio.Reader, buffer []byte) ([]byte, error) {
	head := make([]byte, 2)
	if _, err := io.ReadFull(r, head); err != nil {
		return buffer, err
	}
	length := int(head[1] & 0x7f)
	if length == 126 {
		if _, err := io.ReadFull(r, head); err != nil {
			return buffer, err
		}
		length = int(head[0])<<8 | int(head[1])
	}
	buffer = slices.Grow(buffer[:0], length)[:length]
	_, err := io.ReadFull(r, buffer)
	return buffer, err
}

// resident is the resident memory of a process in bytes, from /proc.
func resident(b *testing.B, pid int) int64 {
	b.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Fatal(err)
	}
	for line := range bytes.Lines(status) {
		if value, found := bytes.CutPrefix(line, []byte("VmRSS:")); found {
			kib, err := strconv.ParseInt(strings.Fields(string(value))[0], 10, 64)
			if err != nil {
				b.Fatal(err)
			}
			return kib * 1024
		}
	}
	b.Fatal("no VmRSS")
	return 0
}
