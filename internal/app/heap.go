package app

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
)

// heapFloor is what the heap of a process with the worker's role may hold before
// it is collected. What a purchase leaves behind is garbage after milliseconds,
// and what stays is little, so by the default of GOGC=100 the collector would
// come back every few dozen megabytes and mark the same again. Whoever keeps
// much for long, as a web node its sockets, collects as Go does.
const heapFloor = 256 << 20

// roomy keeps the next collection at heapFloor, or at twice what lives where
// that is more, until stop is called by all who asked for it. GOGC in the
// environment is obeyed instead; GOMEMLIMIT bounds the heap in any case.
func roomy() (stop func()) {
	if os.Getenv("GOGC") != "" {
		return func() {}
	}
	collector.mu.Lock()
	defer collector.mu.Unlock()
	if collector.users++; collector.users == 1 {
		collector.turn++
		collector.before = debug.SetGCPercent(percentFor(liveHeap()))
		follow(collector.turn)
	}
	return sync.OnceFunc(func() {
		collector.mu.Lock()
		defer collector.mu.Unlock()
		if collector.users--; collector.users == 0 {
			debug.SetGCPercent(collector.before)
		}
	})
}

// collector is the process' one, whoever asked for room.
var collector struct {
	mu     sync.Mutex
	users  int
	turn   int // counts the times that somebody began to use it
	before int // GOGC when nobody did
}

// follow sets the pace anew after each collection: that is when a finalizer runs.
func follow(turn int) {
	runtime.SetFinalizer(new([16]byte), func(*[16]byte) {
		collector.mu.Lock()
		defer collector.mu.Unlock()
		if collector.users > 0 && collector.turn == turn {
			debug.SetGCPercent(percentFor(liveHeap()))
			follow(turn)
		}
	})
}

// percentFor is the GOGC by which a heap of so many living bytes is collected
// at heapFloor, and 100 where that is less.
func percentFor(live uint64) int {
	const least = 4 << 20 // below it Go's own minimum decides
	return max(100, int(heapFloor*100/max(live, least))-100)
}

// liveHeap is what the last collection left.
func liveHeap() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
