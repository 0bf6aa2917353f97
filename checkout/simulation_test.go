package checkout

import (
	flags "flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ropeline/ropeline"
)

// The simulation plays a whole sale in memory: the decisions are the real ones
// (the ledger, the tables, what is decided about payments, refunds, reviews and
// captures, and the talk with the gateway), the rows, the mailbox, the gateway
// and the clock are the test's. What happens in which order, and what goes
// wrong, follows from a seed:
//
//	go test ./checkout -run TestSimulation -seed 4711
//
// plays that one again, the same to the last step.
var simulatedSeed = flags.Uint64("seed", 0, "the one seed that TestSimulation plays, with its trace; 0: all of them")

const simulatedSeeds = 1000

// variation is a decision that is left out, to see that the simulation notices.
type variation string

// The variations.
const (
	nothing            variation = ""
	lateLooksAgain     variation = "late money is accepted without a look at the stock"
	lateMoneyGoes      variation = "refused money is not let go"
	takenMoneyGoesBack variation = "money that was taken for nothing is not given back"
	lettersKnown       variation = "a letter that was decided is decided again"
	webhooksKnown      variation = "a webhook that was seen counts again"
	capturesKnown      variation = "a capture that was written is written again"
	saleLocked         variation = "two clerks do not lock the sale"
	holdsExpire        variation = "holds do not expire"
)

// simulate plays one seed with a cast.
func simulate(seed uint64, c cast, without variation) *world {
	w := &world{
		seed: seed, cast: c, without: without, begin: time.Unix(1_800_000_000, 0), mailroom: &mailroom{},
		books: &books{
			stock: map[ropeline.TicketTypeID]*shelf{}, sums: map[ropeline.TicketTypeID]stockChange{}, reserved: map[stockChange]int{},
			decisions: map[string]*decision{}, webhooks: map[string]bool{},
		},
	}
	w.now = w.begin
	w.gateway = &simGateway{world: w}
	dice := w.fate("sale")
	for i, price := range []int64{100, []int64{0, 100, 70}[dice.IntN(3)]} {
		kind := ropeline.TicketTypeID(fmt.Sprintf("kind-%d", i))
		s := &shelf{capacity: 1 + dice.IntN(6), maxPerOrder: 2, maxPerFan: 3, unit: ropeline.Money{Minor: price, Currency: "EUR"}}
		w.kinds, w.stock[kind], w.sums[kind] = append(w.kinds, kind), s, stockChange{capacity: s.capacity}
	}
	for _, a := range people(dice) {
		w.enter(a.name, a.after, a.mortal, a.play)
	}
	defer w.end()
	w.play(w.begin.Add(70 * time.Second))
	w.calm = true // from now on everything goes well, and must come to an end
	for range 120 {
		if w.broken != nil {
			return w
		}
		w.play(w.now.Add(30 * time.Second))
		if len(w.lying()) == 0 && w.now.Sub(w.begin) > 5*time.Minute {
			break
		}
	}
	if w.broken == nil {
		for _, what := range w.lying() {
			w.breaks("left lying", "%s", what)
		}
		w.checkMoney()
	}
	return w
}

type person struct {
	name   string
	after  time.Duration
	mortal bool
	play   func(*actor)
}

func people(dice *rand.Rand) (all []person) {
	for i := range 3 + dice.IntN(5) {
		all = append(all, person{fmt.Sprintf("fan %d", i), 0, true, (*actor).visit})
	}
	for i := range 2 {
		all = append(all, person{fmt.Sprintf("organizer %d", i), 0, true, (*actor).organize})
	}
	for i := range 2 {
		all = append(all, person{fmt.Sprintf("sweep %d", i), time.Duration(i) * 300 * time.Millisecond, false, (*actor).sweep})
		name := fmt.Sprintf("worker %d", i)
		all = append(all, person{name, time.Duration(i) * 500 * time.Millisecond, true, func(a *actor) { a.workAndRise(name, 1) }})
	}
	return append(all, person{"books", 40 * time.Second, false, (*actor).reconcile})
}

// workAndRise is a worker that another takes the place of when it dies.
func (a *actor) workAndRise(name string, life int) {
	defer func() {
		if r := recover(); r != nil {
			if _, dead := r.(died); dead && a.broken == nil && !a.over {
				next := fmt.Sprintf("%s.%d", name, life+1)
				a.enter(next, 2*time.Second, true, func(b *actor) { b.workAndRise(name, life+1) })
			}
			panic(r)
		}
	}()
	a.work()
}

// shorten leaves out of a broken run whatever it does not need to break in the
// same way, and returns the shortest.
func shorten(w *world) *world {
	out := slices.Clone(faultKinds)
	for _, p := range people(w.fate("sale")) {
		if p.name != "sweep 0" && p.name != "worker 0" && p.name != "books" { // without them nothing comes to an end
			out = append(out, p.name)
		}
	}
	for range 2 {
		for _, name := range out {
			if !w.cast.has(name) {
				continue
			}
			again := simulate(w.seed, cast{append(slices.Clone(w.cast.out), name)}, w.without)
			if again.broken != nil && again.broken.invariant == w.broken.invariant {
				w = again
			}
		}
	}
	return w
}

func (w *world) String() string {
	return fmt.Sprintf("seed %d breaks %s: %s\nplay it again: go test ./checkout -run TestSimulation -seed %d\nwithout %s:\n%s",
		w.seed, w.broken.invariant, w.broken.detail, w.seed, strings.Join(w.cast.out, ", "), strings.Join(w.trace, "\n"))
}

// simulateAll plays seeds until one breaks a promise, on all processors; the
// lowest one that does is returned.
func simulateAll(seeds uint64, without variation) (first *world, played int64) {
	var next, count atomic.Int64
	var mu sync.Mutex
	var all sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		all.Go(func() {
			for {
				seed := uint64(next.Add(1))
				mu.Lock()
				enough := seed > seeds || first != nil && seed > first.seed
				mu.Unlock()
				if enough {
					return
				}
				w := simulate(seed, cast{}, without)
				count.Add(1)
				mu.Lock()
				if w.broken != nil && (first == nil || seed < first.seed) {
					first = w
				}
				mu.Unlock()
			}
		})
	}
	all.Wait()
	return first, count.Load()
}

func TestSimulation(t *testing.T) {
	if seed := *simulatedSeed; seed != 0 {
		w := simulate(seed, cast{}, nothing)
		if w.broken != nil {
			t.Fatal(shorten(w))
		}
		t.Log("seed ", seed, " keeps every promise\n", strings.Join(w.trace, "\n"))
		return
	}
	if w, _ := simulateAll(simulatedSeeds, nothing); w != nil {
		t.Fatal(shorten(w))
	}
}

// A seed is played the same each time, to the last step.
func TestSimulationIsRepeatable(t *testing.T) {
	for seed := range uint64(20) {
		one, two := simulate(seed+1, cast{}, nothing), simulate(seed+1, cast{}, nothing)
		if !slices.Equal(one.trace, two.trace) {
			t.Fatalf("seed %d was played in two ways", seed+1)
		}
	}
}

// The simulation is no use if it cannot fail: with any one of these decisions
// left out, one of its seeds breaks the promise that the decision keeps.
func TestSimulationFinds(t *testing.T) {
	for without, invariants := range map[variation][]string{
		lateLooksAgain:     {"I1"},
		lateMoneyGoes:      {"I6", "left lying"},
		takenMoneyGoesBack: {"I6"},
		lettersKnown:       {"I10"},
		webhooksKnown:      {"I10"},
		capturesKnown:      {"I7"},
		saleLocked:         {"I1", "I10", "stock"},
		holdsExpire:        {"I9"},
	} {
		w, played := simulateAll(simulatedSeeds, without)
		if w == nil {
			t.Errorf("%s: not found", without)
			continue
		}
		if !slices.Contains(invariants, w.broken.invariant) {
			t.Errorf("%s: found as %s", without, w)
		}
		short := shorten(w)
		t.Logf("%s: found after %d seeds, in %d steps (%d at first): %s %s", without, played, len(short.trace), len(w.trace), short.broken.invariant, short.broken.detail)
	}
}

// What the seeds play is not only the easy way: every state and fault comes up.
func TestSimulationGoesEverywhere(t *testing.T) {
	seen := map[string]int{}
	for seed := range uint64(150) {
		w := simulate(seed+1, cast{}, nothing)
		for _, r := range w.reservations {
			seen["reservation "+string(r.State)]++
		}
		for _, o := range w.orders {
			seen["order "+string(o.state)]++
			seen["risk "+string(o.review.Decision)]++
			if o.state == OrderPaid && !o.reservation.Deadline.After(o.reservation.ended) {
				seen["late and honoured"]++
			}
		}
		for _, p := range w.payments {
			seen["payment "+string(p.state)]++
		}
		for _, f := range w.books.refunds {
			seen["refund "+string(f.state)]++
		}
		for _, line := range w.trace {
			for _, what := range []string{"dies between commit", "dies before its commit", "sleeps", "gives way", "lost its lease", "answer is lost", "does not arrive", "cancels the event", "sets the capacity", "decides about", "behind the house's back", "stands still"} {
				if strings.Contains(line, what) {
					seen[what]++
				}
			}
		}
	}
	for _, what := range []string{
		"reservation rejected", "reservation expired", "reservation released", "reservation converted",
		"order paid", "order expired", "order canceled", "risk allow", "risk reject", "late and honoured",
		"payment confirmed", "payment canceled", "payment failed", "refund done",
		"dies between commit", "dies before its commit", "sleeps", "answer is lost", "does not arrive", "cancels the event", "sets the capacity", "decides about",
	} {
		if seen[what] == 0 {
			t.Errorf("never seen: %s", what)
		}
	}
	for _, what := range slices.Sorted(maps.Keys(seen)) {
		t.Logf("%6d  %s", seen[what], what)
	}
}
