package draw

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/ropeline/ropeline"
)

func crowd(n int) []ropeline.FanID {
	fans := make([]ropeline.FanID, n)
	for i := range fans {
		fans[i] = ropeline.NewID[ropeline.FanID]()
	}
	return fans
}

// The numbers are a permutation, whoever came first, last or twice; anybody
// computes them again the slow way.
func TestTheDrawIsFair(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		fans := crowd(rapid.IntRange(0, 60).Draw(t, "fans"))
		seed := rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "seed")
		entropy := Entropy(rapid.SliceOf(rapid.Byte()).Draw(t, "value"))
		one := NewEntrants(slices.Clone(fans))
		again := append(slices.Clone(fans), fans[:len(fans)/2]...)
		rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "shuffle"), 1)).Shuffle(len(again), func(i, j int) { again[i], again[j] = again[j], again[i] })
		two := NewEntrants(again)
		if string(one) != string(two) || !one.Sorted() {
			t.Fatal("the entrants depend on how they came")
		}
		order := Order(seed, entropy, one)
		if len(order) != len(fans) {
			t.Fatalf("%d numbers for %d fans", len(order), len(fans))
		}
		seen := map[uint32]bool{}
		for number, index := range order {
			if seen[index] {
				t.Fatalf("entrant %d has two numbers", index)
			}
			seen[index] = true
			mac := hmac.New(sha256.New, append(slices.Clone(seed), entropy[:]...))
			mac.Write(one.At(int(index)))
			mine, smaller := string(mac.Sum(nil)), 0
			for i := range one.Len() {
				if rank := Rank(seed, entropy, ropeline.FanID(one.At(i))); string(rank[:]) < mine {
					smaller++
				}
			}
			if smaller != number {
				t.Fatalf("entrant %d has number %d and %d ranks below it", index, number, smaller)
			}
		}
	})
}

func TestEntropyAndSeedBothDecide(t *testing.T) {
	entrants := NewEntrants(crowd(100))
	seed := make([]byte, 32)
	base := Order(seed, Entropy([]byte("a")), entrants)
	if slices.Equal(base, Order(seed, Entropy([]byte("b")), entrants)) {
		t.Error("another entropy gives the same order")
	}
	other := append([]byte{1}, seed[1:]...)
	if slices.Equal(base, Order(other, Entropy([]byte("a")), entrants)) {
		t.Error("another seed gives the same order")
	}
}

// Where a fan stands is even over many draws: chi-squared over the number of
// one fan among ten, 9 degrees of freedom.
func TestNoEntrantIsFavoured(t *testing.T) {
	entrants := NewEntrants(crowd(10))
	const draws = 5000
	var at [10]int
	for i := range draws {
		order := Order([]byte(fmt.Sprintf("%032d", i)), Hash{}, entrants)
		at[slices.Index(order, 3)]++
	}
	chi := 0.0
	for _, n := range at {
		d := float64(n) - draws/10
		chi += d * d / (draws / 10)
	}
	if chi > 33.7 { // one in ten thousand
		t.Errorf("chi-squared %.1f: %v", chi, at)
	}
}

func TestEveryPathProvesItsFanAndNoOther(t *testing.T) {
	for n := range 40 {
		entrants := NewEntrants(crowd(n))
		root := Root(entrants)
		for i := range n {
			fan, path := ropeline.FanID(entrants.At(i)), Path(entrants, i)
			if !Included(root, fan, i, n, path) {
				t.Fatalf("entrant %d of %d is not included", i, n)
			}
			if Included(root, ropeline.NewID[ropeline.FanID](), i, n, path) {
				t.Fatalf("a stranger is included as %d of %d", i, n)
			}
			if Included(root, fan, (i+1)%n, n, path) && n > 1 {
				t.Fatalf("entrant %d of %d is included as another", i, n)
			}
			if len(path) > 0 && Included(root, fan, i, n, path[1:]) {
				t.Fatalf("a shortened path of %d of %d passes", i, n)
			}
			if Included(root, fan, i, n, append(path, Hash{})) {
				t.Fatalf("a lengthened path of %d of %d passes", i, n)
			}
			if at, found := entrants.Find(fan); !found || at != i {
				t.Fatalf("entrant %d of %d is found at %d, %v", i, n, at, found)
			}
		}
		if _, found := entrants.Find(ropeline.NewID[ropeline.FanID]()); found {
			t.Fatal("a stranger is found")
		}
	}
}

func TestPagesMakeTheSameTree(t *testing.T) {
	fans := crowd(3*PageSize + 5)
	for _, n := range []int{0, 1, PageSize - 1, PageSize, PageSize + 1, 2*PageSize + 1, 3 * PageSize, len(fans)} {
		entrants := NewEntrants(slices.Clone(fans[:n]))
		pages, root := PageRoots(entrants), Root(entrants)
		if Join(pages) != root {
			t.Errorf("%d entrants: the pages have another root", n)
		}
		if n == 0 {
			continue
		}
		index := n - 1
		page := index / PageSize
		inPage := entrants[page*PageSize*IDLength : min(len(entrants), (page+1)*PageSize*IDLength)]
		path := append(Path(inPage, index%PageSize), JoinPath(pages, page)...)
		if !Included(root, ropeline.FanID(entrants.At(index)), index, n, path) {
			t.Errorf("%d entrants: the last is not included by its page", n)
		}
	}
}

// Vectors that another program computed (hashlib and hmac of Python).
func TestVectors(t *testing.T) {
	seed := make([]byte, 32)
	for i := range seed {
		seed[i] = byte(i)
	}
	entrants := NewEntrants([]ropeline.FanID{
		"00000000000000000000000003", "00000000000000000000000001", "00000000000000000000000002",
	})
	hexOf := func(h Hash) string { return hex.EncodeToString(h[:]) }
	entropy := Entropy([]byte("7 11 19 23 31 42"))
	for what, got := range map[string][2]string{
		"commitment": {hexOf(Commitment(seed)), "630dcd2966c4336691125448bbb25b4ff412a49c732db2c8abc1b8581bd710dd"},
		"root":       {hexOf(Root(entrants)), "f3aebda7ed4de1e63caf43fcacaca77ea4275e23b5b0524ba459a480e976f367"},
		"entropy":    {hexOf(entropy), "9ba55525c89d49757e325c3b638291bc94bf58ae025af37beb5ce48011a82edb"},
		"order":      {fmt.Sprint(Order(seed, entropy, entrants)), "[0 1 2]"},
		"no one":     {hexOf(Root(nil)), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
	} {
		if got[0] != got[1] {
			t.Errorf("%s: %s", what, got[0])
		}
	}
}

// Round 1000 of quicknet as drand published it: only its own signature counts,
// only for its own round.
func TestDrandRound(t *testing.T) {
	const signature = "b44679b9a59af2ec876b1a6b1ad52ea9b1615fc3982b19576350f93447cb1125e342b73a8dd2bacbe47e4b6b63ed5e39"
	source, known := SourceOf(Drand)
	if !known {
		t.Fatal("drand is not known")
	}
	if err := source.Check("1000", signature); err != nil {
		t.Error(err)
	}
	if at := source.Known("1000"); at.Unix() != 1692803367+999*3 {
		t.Errorf("round 1000 was at %v", at)
	}
	flipped := "c" + signature[1:]
	for promise, value := range map[string]string{
		"1001": signature, "1000": flipped, "999": strings.ToUpper(signature), "998": "", "997": "zz",
	} {
		if source.Check(promise, value) == nil {
			t.Errorf("round %s with %q passed", promise, value)
		}
	}
	if source.Check("1000", strings.ToUpper(signature)) == nil {
		t.Error("the same signature in another writing passed")
	}
	for _, promise := range []string{"", "0", "-1", "1e3", " 1000", "01000", "a round"} {
		if source.Promised(promise) == nil {
			t.Errorf("promise %q passed", promise)
		}
	}
}
