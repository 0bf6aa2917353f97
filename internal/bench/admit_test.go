package bench

import (
	"bytes"
	"encoding/json"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/admission"
)

const benchShowUp = 10 * time.Minute

// latencies collects how long after the decision the frame of an admission
// reached its fan, by one machine's clock: the pass tells when it was given.
type latencies struct {
	mu   sync.Mutex
	all  []time.Duration
	seen map[int64]bool // by number: later frames of the same fan do not count
}

func (l *latencies) hear(frame []byte) {
	if !bytes.Contains(frame, []byte(`"standing":"admitted"`)) {
		return
	}
	at := time.Now()
	var status ropeline.Status
	if json.Unmarshal(frame, &status) != nil || status.PassUntil == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.seen[status.Number] {
		return
	}
	if l.seen == nil {
		l.seen = map[int64]bool{}
	}
	l.seen[status.Number] = true
	l.all = append(l.all, at.Sub(status.PassUntil.Add(-benchShowUp)))
}

func (l *latencies) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.seen)
}

// part is a share of the latencies in milliseconds: 0.5 is the median.
func (l *latencies) part(share float64) float64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	slices.Sort(l.all)
	return float64(l.all[int(float64(len(l.all)-1)*share)].Microseconds()) / 1000
}

// admit lets n fans in at a rate per second and waits until so many have heard.
func (h *house) admit(b *testing.B, event ropeline.EventID, perSecond, n, hearing int, heard *latencies) {
	b.Helper()
	h.rules(b, event, func(r *admission.Rules) {
		r.Paused, r.StockGate, r.RatePerMinute, r.Burst, r.Batch = false, false, perSecond*60, perSecond/10, 1000
		r.MaxShoppers, r.ShowUp = n, benchShowUp
	})
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for deadline := time.Now().Add(time.Minute + time.Duration(n/perSecond)*time.Second); heard.count() < hearing; <-ticker.C {
		if time.Now().After(deadline) {
			b.Fatalf("%d of %d fans heard of their admission", heard.count(), hearing)
		}
	}
}

func (h *house) rules(b *testing.B, event ropeline.EventID, change func(*admission.Rules)) {
	b.Helper()
	rules, err := h.Admission.Rules(b.Context(), event)
	if err != nil {
		b.Fatal(err)
	}
	change(&rules)
	if _, err := h.Admission.SetRules(b.Context(), event, rules, 0, "bench"); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkAdmit holds 15,000 sockets on a web node of its own, lets all of
// them in at 1,000 a second, and tells how long after the decision each fan
// had the frame. Before that it does the same with a line that the same change
// of the rules unpauses, so that everybody is told of that meanwhile.
func BenchmarkAdmit(b *testing.B) {
	const sockets = 15_000
	h := openHouse(b)
	binary := build(b)
	figures := rounds{}
	for b.Loop() {
		for _, name := range []string{"unpausing-", ""} {
			event := h.event(b, 100_000)
			node, address := h.node(b, binary)
			heard := &latencies{}
			release := listen(b, address, h.crowd(b, event.ID, address, sockets), heard.hear)
			if name == "" {
				h.letGo(b, event.ID)
			}
			h.admit(b, event.ID, 1000, sockets, sockets, heard)
			figures.add(name+"p50-ms", heard.part(0.5))
			figures.add(name+"p99-ms", heard.part(0.99))
			figures.add(name+"max-ms", heard.part(1))
			release()
			node.Process.Signal(os.Interrupt)
			node.Wait()
		}
	}
	figures.report(b)
}
