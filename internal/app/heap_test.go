package app

import (
	"runtime"
	"runtime/debug"
	"testing"
	"time"
)

func TestPercentFor(t *testing.T) {
	for live, want := range map[uint64]int{0: 6300, 64 << 20: 300, 128 << 20: 100, 200 << 20: 100, 4 << 30: 100} {
		if got := percentFor(live); got != want {
			t.Errorf("%d bytes live: GOGC %d, want %d", live, got, want)
		}
	}
}

// The pace follows what lives, from one collection to the next.
func TestRoomy(t *testing.T) {
	t.Setenv("GOGC", "")
	percent := func() int {
		now := debug.SetGCPercent(100)
		debug.SetGCPercent(now)
		return now
	}
	before := percent()
	stop := roomy()
	held := make([]byte, 200<<20)
	eventually(t, 20*time.Second, "as Go does where much lives", func() bool { runtime.GC(); return percent() == 100 })
	runtime.KeepAlive(held)
	eventually(t, 20*time.Second, "more where less lives", func() bool { runtime.GC(); return percent() == percentFor(liveHeap()) })
	again := roomy()
	stop()
	eventually(t, 20*time.Second, "as long as somebody asks for it", func() bool { runtime.GC(); return percent() == percentFor(liveHeap()) })
	again()
	runtime.GC()
	if now := percent(); now != before {
		t.Errorf("GOGC is %d afterwards, %d before", now, before)
	}
}

func TestGOGCIsObeyed(t *testing.T) {
	t.Setenv("GOGC", "150")
	before := debug.SetGCPercent(150)
	defer debug.SetGCPercent(before)
	stop := roomy()
	if now := debug.SetGCPercent(150); now != 150 {
		t.Errorf("GOGC is %d", now)
	}
	stop()
	if now := debug.SetGCPercent(150); now != 150 {
		t.Errorf("GOGC is %d after the stop", now)
	}
}
