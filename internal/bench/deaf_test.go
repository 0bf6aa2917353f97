package bench

import (
	"bytes"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/admission"
)

// BenchmarkDeaf lets 3,000 fans in at 1,000 a second and tells how long after
// the decision 2,000 of them, who read, had the frame: while the other 1,000
// have no socket, while they read theirs, and while they never read theirs,
// which are full to the brim as the admissions begin. The bar is on the figures
// with sockets that are never read, as multiples of the other two.
// Afterwards all of the 1,000 must be disconnected as slow.
func BenchmarkDeaf(b *testing.B) {
	const readers, others = 2000, 1000
	h := openHouse(b)
	binary := build(b)
	figures := rounds{}
	for b.Loop() {
		absent := h.deafRound(b, binary, readers, others, noSocket)
		reading := h.deafRound(b, binary, readers, others, readSocket)
		deaf := h.deafRound(b, binary, readers, others, deafSocket)
		for name, share := range map[string]float64{"p50": 0.5, "p99": 0.99} {
			figures.add(name+"-ms-absent", absent.part(share))
			figures.add(name+"-ms-reading", reading.part(share))
			figures.add(name+"-ms-deaf", deaf.part(share))
			figures.add("x-"+name+"-absent", deaf.part(share)/absent.part(share))
			figures.add("x-"+name+"-reading", deaf.part(share)/reading.part(share))
		}
	}
	figures.report(b)
}

// What the others do.
const (
	noSocket = iota
	readSocket
	deafSocket
)

func (h *house) deafRound(b *testing.B, binary string, readers, deaf, others int) *latencies {
	b.Helper()
	event := h.event(b, 100_000)
	node, address := h.node(b, binary)
	all := h.crowd(b, event.ID, address, readers+deaf)
	var reading, mute [][]byte
	for i, request := range all { // every third fan is one of them
		if i%3 == 2 && len(mute) < deaf {
			mute = append(mute, request)
		} else {
			reading = append(reading, request)
		}
	}
	heard := &latencies{}
	release := listen(b, address, reading, heard.hear)
	var conns []net.Conn
	switch others {
	case readSocket:
		defer listen(b, address, mute, func([]byte) {})()
	case deafSocket:
		conns = ignore(b, address, mute)
	}
	h.letGo(b, event.ID)
	for _, conn := range conns {
		shout(b, conn)
	}
	<-time.After(1500 * time.Millisecond)
	h.admit(b, event.ID, 1000, readers+deaf, readers, heard)
	slow := func() float64 { return nodeMetric(b, address, `ropeline_hub_disconnects_total{reason="slow"}`) }
	for deadline := time.Now().Add(30 * time.Second); others == deafSocket && slow() < float64(deaf); <-time.After(time.Second) {
		h.rules(b, event.ID, func(r *admission.Rules) { r.Paused = !r.Paused }) // news for whoever was not full yet
		if time.Now().After(deadline) {
			b.Fatalf("%.0f of %d sockets that never read were disconnected as slow, %.0f as lost, %.0f are open and hold a frame", slow(), deaf,
				nodeMetric(b, address, `ropeline_hub_disconnects_total{reason="lost"}`), nodeMetric(b, address, "ropeline_hub_held"))
		}
	}
	for _, conn := range conns {
		conn.Close()
	}
	release()
	node.Process.Signal(os.Interrupt)
	node.Wait()
	return heard
}

// ignore opens sockets with the smallest receive buffer and never reads more
// than the upgrade's answer.
func ignore(b *testing.B, address string, requests [][]byte) []net.Conn {
	b.Helper()
	small := net.Dialer{Control: func(_, _ string, raw syscall.RawConn) error {
		return raw.Control(func(fd uintptr) {
			syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 1)
		})
	}}
	conns := make([]net.Conn, len(requests))
	for i, request := range requests {
		conn, err := small.DialContext(b.Context(), "tcp", address)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := conn.Write(request); err != nil {
			b.Fatal(err)
		}
		head := make([]byte, 0, 512)
		for !bytes.HasSuffix(head, []byte("\r\n\r\n")) {
			head = head[:len(head)+1]
			if _, err := conn.Read(head[len(head)-1:]); err != nil {
				b.Fatal(err)
			}
		}
		conns[i] = conn
	}
	return conns
}

// shout sends pings, whose pongs fill all that the kernels keep for a socket.
func shout(b *testing.B, conn net.Conn) {
	b.Helper()
	const payload = 125
	ping := append([]byte{0x89, 0x80 | payload, 0, 0, 0, 0}, make([]byte, payload)...)
	conn.SetWriteDeadline(time.Now().Add(time.Second))
	conn.Write(bytes.Repeat(ping, 250)) // the server may have hung up already
}

// letGo unpauses a line that moves no fan yet, and waits until everybody has
// heard of that.
func (h *house) letGo(b *testing.B, event ropeline.EventID) {
	b.Helper()
	h.rules(b, event, func(r *admission.Rules) { r.Paused, r.RatePerMinute, r.ShowUp = false, 0, benchShowUp })
	select {
	case <-time.After(4 * time.Second):
	case <-b.Context().Done():
	}
}
