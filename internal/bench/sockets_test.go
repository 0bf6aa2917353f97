package bench

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ropeline/ropeline"
)

// BenchmarkSockets opens 15,000 waiting sockets on a web node in a process of
// its own, while fans are admitted and positions flow, and reports how much
// the node's resident memory grew for each.
func BenchmarkSockets(b *testing.B) {
	const sockets, warm, flow = 15_000, 200, 15 * time.Second
	h := openHouse(b)
	binary := filepath.Join(b.TempDir(), "ropeline")
	if out, err := exec.Command("go", "build", "-o", binary, "github.com/ropeline/ropeline/cmd/ropeline").CombinedOutput(); err != nil {
		b.Fatalf("build: %v\n%s", err, out)
	}
	figures := rounds{}
	for b.Loop() {
		event := h.event(b, 100_000)
		node, address := h.node(b, binary)
		fans := make([][]byte, sockets+warm)
		for i := range fans {
			fan, token := h.Fans.Mint()
			place, err := h.Line.Join(b.Context(), event.ID, fan, nil)
			if err != nil {
				b.Fatal(err)
			}
			fans[i] = upgrade(event.ID, address, token, h.Line.Token(place))
		}
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
		for name, value := range nodeMetrics(b, address) {
			figures.add(name, value/1024/sockets)
		}
		figures.add("KiB/socket", float64(after-before)/1024/sockets)
		figures.add("frames/s", float64(frames.Load())/flow.Seconds())
		release()
		releaseAll()
		node.Process.Signal(os.Interrupt)
		node.Wait()
	}
	figures.report(b)
}

// nodeMetrics tells what the resident memory of a node is made of, in bytes.
func nodeMetrics(b *testing.B, address string) map[string]float64 {
	b.Helper()
	answer, err := http.Get("http://" + address + "/metrics")
	if err != nil {
		b.Fatal(err)
	}
	defer answer.Body.Close()
	names := map[string]string{"go_memstats_heap_inuse_bytes": "heap-KiB/socket", "go_memstats_stack_inuse_bytes": "stack-KiB/socket"}
	found := map[string]float64{}
	for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), " ")
		if as := names[name]; as != "" {
			if found[as], err = strconv.ParseFloat(value, 64); err != nil {
				b.Fatal(err)
			}
		}
	}
	return found
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

// hold opens sockets and reads from them until the returned function is called.
func hold(b *testing.B, address string, requests [][]byte, frames *atomic.Int64) (release func()) {
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
			for {
				if err := readFrame(reader); err != nil {
					return
				}
				frames.Add(1)
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

// readFrame reads one server's frame (RFC 6455, section 5.2) of less than 64 KiB.
func readFrame(r *bufio.Reader) error {
	head := make([]byte, 2)
	for i := range head {
		c, err := r.ReadByte()
		if err != nil {
			return err
		}
		head[i] = c
	}
	length := int(head[1] & 0x7f)
	if length == 126 {
		length = 0
		for range 2 {
			c, err := r.ReadByte()
			if err != nil {
				return err
			}
			length = length<<8 | int(c)
		}
	}
	_, err := r.Discard(length)
	return err
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
