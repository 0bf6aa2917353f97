package queue

import (
	"context"
	"encoding/binary"
	"math/bits"
	"strconv"
	"time"

	"github.com/ropeline/ropeline"
)

// Snapshot is one line at one moment, as Redis held it. It is immutable and
// answers for every fan of the line without asking Redis again.
type Snapshot struct {
	Epoch    int64
	Next     int64     // the number that the next fan will get
	Waiting  int64     // fans in the line, and until the draw is done in the lobby
	Admitted int64     // fans admitted since the line was last rebuilt
	Left     int64     // fans who left since then
	Lost     int64     // numbers whose fans may still come back after the line was lost
	Offset   string    // of the last feed entry that it contains
	Lobby    Lobby     // whether a draw is still to come
	TakenAt  time.Time // by the clock of this node

	first  int64    // the number of the first bit; all numbers before it are gone
	gone   []byte   // as Redis has it: the first number is the highest bit of a byte
	before []uint32 // gone numbers before each run of runBits
}

const (
	runBytes = 64
	runBits  = runBytes * 8
)

// Snapshot reads the line once: counts and the bitmap from the head to the
// next number, 125 KB for a line of a million.
func (l *Line) Snapshot(ctx context.Context, event ropeline.EventID) (*Snapshot, error) {
	keys := KeysOf(event)
	for range 2 {
		reply, err := l.scripts.snapshot.RunRO(ctx, l.redis.Read, []string{keys.Meta, keys.Waiting, keys.Gone, keys.Lost, keys.Lobby}).Slice()
		if err != nil {
			return nil, ropeline.Unavailable(err)
		}
		if len(reply) == 1 {
			if err := l.Restore(ctx, event); err != nil {
				return nil, err
			}
			continue
		}
		s, err := parseSnapshot(reply)
		if err != nil {
			return nil, ropeline.Unavailable(err)
		}
		l.epochs.saw(event, s.Epoch)
		return s, nil
	}
	return nil, ropeline.Unavailable(errLost)
}

func parseSnapshot(reply []any) (*Snapshot, error) {
	if len(reply) != 10 {
		return nil, replyError("snapshot", len(reply))
	}
	var numbers [9]int64
	for i := range numbers {
		n, ok := reply[i].(int64)
		if !ok || n < 0 {
			return nil, replyError("snapshot", reply[:9])
		}
		numbers[i] = n
	}
	gone, ok := reply[9].(string)
	if !ok {
		return nil, replyError("snapshot", reply[:9])
	}
	s := &Snapshot{
		Epoch:    numbers[0],
		Next:     numbers[1],
		Waiting:  numbers[2],
		Admitted: numbers[3],
		Left:     numbers[4],
		Offset:   offset(numbers[0], numbers[5]),
		Lost:     numbers[6],
		Lobby:    Lobby(numbers[8]),
		TakenAt:  time.Now(),
		first:    numbers[7] * 8,
	}
	s.index(gone)
	return s, nil
}

func offset(epoch, seq int64) string {
	return strconv.FormatInt(epoch, 10) + "-" + strconv.FormatInt(seq, 10)
}

// Before tells whether the snapshot is older than a feed offset; false for what
// is not an offset.
func (s *Snapshot) Before(id string) bool {
	epoch, seq, err := splitOffset(id)
	if err != nil {
		return false
	}
	_, own, _ := splitOffset(s.Offset)
	return s.Epoch < epoch || s.Epoch == epoch && own < seq
}

// index copies the bits to whole runs and counts them once.
func (s *Snapshot) index(gone string) {
	runs := (max(0, s.Next-s.first) + runBits - 1) / runBits
	s.gone = make([]byte, runs*runBytes)
	copy(s.gone, gone) // Redis leaves trailing zeros out
	s.before = make([]uint32, runs)
	var sum uint32
	for run := range s.before {
		s.before[run] = sum
		for at := run * runBytes; at < (run+1)*runBytes; at += 8 {
			sum += uint32(bits.OnesCount64(binary.BigEndian.Uint64(s.gone[at:])))
		}
	}
}

// Position is how many fans stood before a number: its own fan's, while the
// number waits. A number that came after the snapshot counts from its end.
func (s *Snapshot) Position(number int64) int64 {
	if number >= s.Next {
		return s.Waiting + number - s.Next
	}
	if number <= s.first {
		return 0
	}
	at := number - s.first
	run := at / runBits
	ahead := at - int64(s.before[run])
	for from := run * runBits; from < at; from += 64 {
		word := binary.BigEndian.Uint64(s.gone[from/8:])
		if left := at - from; left < 64 {
			word >>= 64 - left
		}
		ahead -= int64(bits.OnesCount64(word))
	}
	return ahead
}

// Gone tells whether a number had stopped waiting: admitted, left, or lost
// and not yet taken back. Numbers after the snapshot are not gone.
func (s *Snapshot) Gone(number int64) bool {
	if number < s.first {
		return true
	}
	if number >= s.Next {
		return false
	}
	at := number - s.first
	return s.gone[at/8]&(0x80>>(at%8)) != 0
}
