package queue

import (
	"fmt"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
	"pgregory.net/rapid"
)

// fake builds a snapshot as Redis would answer it, from the waiting numbers.
func fake(t interface{ Fatal(...any) }, next int64, waits func(int64) bool) *Snapshot {
	var gone []byte
	waiting, head := int64(0), next
	for n := range next {
		if int64(len(gone))*8 <= n {
			gone = append(gone, 0)
		}
		if waits(n) {
			waiting++
			head = min(head, n)
		} else {
			gone[n/8] |= 0x80 >> (n % 8)
		}
	}
	from := head / 8
	bits := ""
	if from*8 < next {
		bits = string(gone[from:])
	}
	s, err := parseSnapshot([]any{int64(1), next, waiting, int64(0), int64(0), int64(1), int64(0), from, int64(0), bits})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestPositionsAreExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		next := rapid.Int64Range(0, 3000).Draw(t, "next")
		cut := rapid.Int64Range(0, next).Draw(t, "all gone before")
		modulus := rapid.Int64Range(1, 9).Draw(t, "modulus")
		waits := func(n int64) bool { return n >= cut && (n*n+n/7)%modulus == 0 }
		s := fake(t, next, waits)
		ahead := int64(0)
		for n := range next {
			if got := s.Position(n); got != ahead {
				t.Fatalf("Position(%d) = %d, want %d", n, got, ahead)
			}
			if got := s.Gone(n); got == waits(n) {
				t.Fatalf("Gone(%d) = %v", n, got)
			}
			if waits(n) {
				ahead++
			}
		}
		for n := next; n < next+3; n++ { // joined after the snapshot
			if s.Gone(n) || s.Position(n) != ahead+n-next {
				t.Fatalf("number %d after the end: position %d, gone %v", n, s.Position(n), s.Gone(n))
			}
		}
	})
}

func TestSnapshotRejectsNonsense(t *testing.T) {
	good := func() []any {
		return []any{int64(1), int64(8), int64(8), int64(0), int64(0), int64(1), int64(0), int64(0), int64(0), "\x00"}
	}
	if _, err := parseSnapshot(good()); err != nil {
		t.Fatal(err)
	}
	for i := range good() {
		bad := good()
		bad[i] = nil
		if _, err := parseSnapshot(bad); err == nil {
			t.Errorf("field %d may be missing", i)
		}
	}
	if _, err := parseSnapshot(good()[:9]); err == nil {
		t.Error("a short answer passed")
	}
	negative := good()
	negative[1] = int64(-1)
	if _, err := parseSnapshot(negative); err == nil {
		t.Error("a negative number passed")
	}
}

func BenchmarkPosition(b *testing.B) {
	for _, size := range []int64{1_000, 1_000_000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			s := fake(b, size, func(n int64) bool { return n%3 != 0 })
			n := int64(0)
			for b.Loop() {
				n = (n + 7919) % size
				s.Position(n)
			}
		})
	}
}

func TestAMillionNumbersTravelIn125KB(t *testing.T) {
	h := newHouse(t)
	event, fan := h.event(), fans(1)[0]
	h.join(event, fan, nil)
	ctx, keys := t.Context(), KeysOf(event)
	const million = 1_000_000
	for _, err := range []error{ // everybody but the first and every eighth has left
		h.redis.Write.HSet(ctx, keys.Meta, "next", million, "reserved", million).Err(),
		h.redis.Write.SetRange(ctx, keys.Gone, 0, strings.Repeat("\x7f", million/8)).Err(),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	reply, err := h.line.scripts.snapshot.RunRO(ctx, h.redis.Read, []string{keys.Meta, keys.Waiting, keys.Gone, keys.Lost, keys.Lobby}).Slice()
	if err != nil {
		t.Fatal(err)
	}
	if size := len(reply[9].(string)); size != 125_000 {
		t.Errorf("the bitmap of a million takes %d bytes", size)
	}
	s := h.snapshot(event)
	for _, n := range []int64{0, 8, 4096, 999_992} {
		if s.Position(n) != n/8 || s.Gone(n) || !s.Gone(n+1) {
			t.Errorf("number %d has position %d", n, s.Position(n))
		}
	}
	// What lies before the head is not fetched.
	h.redis.Write.ZAdd(ctx, keys.Waiting, redis.Z{Score: 900_000, Member: string(fan)})
	if s := h.snapshot(event); len(s.gone) > 12_600 || s.Position(900_008) != 1 || !s.Gone(17) {
		t.Errorf("the end of the line takes %d bytes, position %d", len(s.gone), s.Position(900_008))
	}
}
