package app

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/loadtest/trace"
)

// A drop's trace has its fans by the time of their coming, under names that
// tell nothing.
func TestTraceOfADrop(t *testing.T) {
	opens := time.Now().Add(-time.Minute).Truncate(time.Millisecond)
	event := ropeline.Event{ID: ropeline.NewID[ropeline.EventID](), LobbyAt: &opens, DropAt: opens.Add(30 * time.Second)}
	fans := make(map[ropeline.FanID]time.Time)
	for i := range 50 {
		fan := ropeline.NewID[ropeline.FanID]()
		if mintedAt(fan).Before(time.Now().Add(-10 * time.Second)) {
			t.Fatalf("identity %s is of %v", fan, mintedAt(fan))
		}
		fans[fan] = time.Time{}
		if i == 7 {
			fans[fan] = time.Now().Add(3 * time.Second)
		}
	}
	fans["00000000000000000000000000"] = time.Time{} // of another time
	var file bytes.Buffer
	if err := writeTrace(&file, event, fans); err != nil {
		t.Fatal(err)
	}
	for fan := range fans {
		if strings.Contains(file.String(), string(fan)) {
			t.Errorf("fan %s is named", fan)
		}
	}
	stat, err := trace.Read(&file)
	if err != nil {
		t.Fatal(err)
	}
	if stat.Arrivals != 50 || stat.Left != 1 || stat.Head.DropMS != 30_000 || stat.Before != 0 || !strings.Contains(stat.Head.Note, "1 with an older") {
		t.Errorf("%+v", stat)
	}
}
