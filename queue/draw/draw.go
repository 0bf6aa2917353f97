package draw

import (
	"bytes"
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"slices"

	"github.com/ropeline/ropeline"
)

// IDLength is the length of every fan id.
const IDLength = 26

// Hash is a SHA-256 sum.
type Hash = [sha256.Size]byte

// Commitment is what is published of a seed before it is revealed.
func Commitment(seed []byte) Hash { return sha256.Sum256(seed) }

// Entropy is what a source's value counts as.
func Entropy(value []byte) Hash { return sha256.Sum256(value) }

// Entrants are the ids of fans, 26 bytes each, sorted and without repetition.
type Entrants []byte

// NewEntrants sorts ids and drops repetitions.
func NewEntrants(fans []ropeline.FanID) Entrants {
	slices.Sort(fans)
	fans = slices.Compact(fans)
	packed := make(Entrants, 0, len(fans)*IDLength)
	for _, fan := range fans {
		packed = append(packed, fan...)
	}
	return packed
}

// Len is how many entrants there are.
func (e Entrants) Len() int { return len(e) / IDLength }

// At is one entrant's id.
func (e Entrants) At(i int) []byte { return e[i*IDLength : (i+1)*IDLength] }

// Page is one page of PageSize entrants; the last may be short.
func (e Entrants) Page(i int) Entrants {
	return e[i*PageSize*IDLength : min(len(e), (i+1)*PageSize*IDLength)]
}

// Find is the index of a fan among the entrants.
func (e Entrants) Find(fan ropeline.FanID) (index int, found bool) {
	low, high := 0, e.Len()
	for low < high {
		mid := (low + high) / 2
		switch c := cmp.Compare(string(e.At(mid)), string(fan)); {
		case c == 0:
			return mid, true
		case c < 0:
			low = mid + 1
		default:
			high = mid
		}
	}
	return low, false
}

// Sorted tells whether the ids are in form: whole, rising, none twice.
func (e Entrants) Sorted() bool {
	if len(e)%IDLength != 0 {
		return false
	}
	for i := 1; i < e.Len(); i++ {
		if bytes.Compare(e.At(i-1), e.At(i)) >= 0 {
			return false
		}
	}
	return true
}

// Rank is what decides a fan's number.
func Rank(seed []byte, entropy Hash, fan ropeline.FanID) (rank Hash) {
	mac := hmac.New(sha256.New, slices.Concat(seed, entropy[:]))
	mac.Write([]byte(fan))
	mac.Sum(rank[:0])
	return rank
}

// ranked is an entrant on its way to a number. The head of the rank decides
// almost always.
type ranked struct {
	head  uint64
	rest  [24]byte
	index uint32
}

// Order lists the indexes of the entrants in the order of their numbers: the
// entrant with index Order[n] gets number n.
func Order(seed []byte, entropy Hash, entrants Entrants) []uint32 {
	mac := hmac.New(sha256.New, slices.Concat(seed, entropy[:]))
	all := make([]ranked, entrants.Len())
	var sum [sha256.Size]byte
	for i := range all {
		mac.Reset()
		mac.Write(entrants.At(i))
		mac.Sum(sum[:0])
		all[i] = ranked{head: binary.BigEndian.Uint64(sum[:8]), rest: [24]byte(sum[8:]), index: uint32(i)}
	}
	slices.SortFunc(all, func(a, b ranked) int {
		if c := cmp.Compare(a.head, b.head); c != 0 {
			return c
		}
		return cmp.Or(bytes.Compare(a.rest[:], b.rest[:]), cmp.Compare(a.index, b.index))
	})
	order := make([]uint32, len(all))
	for n := range all {
		order[n] = all[n].index
	}
	return order
}
