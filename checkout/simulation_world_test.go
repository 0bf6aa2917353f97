package checkout

import (
	"container/heap"
	"context"
	"fmt"
	"hash/fnv"
	"iter"
	"math/rand/v2"
	"slices"
	"time"
)

// world is one run of the simulation: a clock that only the schedule moves,
// actors that take turns, the rows that were committed, a gateway. Everything
// in it follows from its seed and its cast.
type world struct {
	seed    uint64
	cast    cast
	without variation
	now     time.Time
	begin   time.Time
	queue   turns
	turn    int
	alive   []*actor
	over    bool // the play has ended
	calm    bool // nobody wants anything new, and nothing goes wrong any more
	trace   []string
	broken  *broken

	*books
	*mailroom
	gateway   *simGateway
	clerkFell time.Time // when a clerk last died or fell asleep, or was not woken
	clerks    int
	messages  int
}

// cast says who and what takes part; a failing run is made shorter by leaving
// out what it does not need.
type cast struct {
	out []string // names of actors and kinds of faults that are left out
}

func (c cast) has(name string) bool { return !slices.Contains(c.out, name) }

// The kinds of faults.
const (
	deaths  = "deaths"    // of any actor, between two of its steps
	sleeps  = "sleep"     // a clerk or a worker stands still until another has its work
	lines   = "bad lines" // a call to the gateway, or its answer, is lost
	posting = "bad post"  // webhooks are lost, late, doubled
)

var faultKinds = []string{deaths, sleeps, lines, posting}

// broken is a promise that was not kept.
type broken struct{ invariant, detail string }

// actor is somebody who does one thing after another; between two steps others
// may act, and it may die.
type actor struct {
	*world
	name   string
	mortal bool
	dice   *rand.Rand // its own, so that leaving out another does not change what it wants
	at     time.Time
	order  int
	next   func() (time.Duration, bool)
	stop   func()
	yield  func(time.Duration) bool
	holds  []func() // locks, given back when it dies
}

type died struct{}

func (w *world) fate(name string) *rand.Rand {
	h := fnv.New64a()
	h.Write([]byte(name))
	return rand.New(rand.NewPCG(w.seed, h.Sum64()))
}

// enter brings an actor in after a while.
func (w *world) enter(name string, after time.Duration, mortal bool, play func(*actor)) {
	if !w.cast.has(name) {
		return
	}
	a := &actor{world: w, name: name, mortal: mortal, dice: w.fate(name)}
	a.next, a.stop = iter.Pull(func(yield func(time.Duration) bool) {
		a.yield = yield
		defer func() {
			r := recover()
			for _, giveBack := range a.holds {
				giveBack()
			}
			if _, dead := r.(died); r != nil && !dead {
				panic(r)
			}
		}()
		play(a)
	})
	w.schedule(a, after)
	w.alive = append(w.alive, a)
}

func (w *world) schedule(a *actor, after time.Duration) {
	w.turn++
	a.at, a.order = w.now.Add(after), w.turn
	heap.Push(&w.queue, a)
}

// play lets the actors act until a promise is broken or until the end.
func (w *world) play(until time.Time) {
	for len(w.queue) > 0 && w.broken == nil {
		a := heap.Pop(&w.queue).(*actor)
		if a.at.After(until) {
			heap.Push(&w.queue, a)
			w.now = until
			return
		}
		w.now = a.at
		if after, more := a.next(); more {
			w.schedule(a, after)
		}
		w.check()
	}
}

func (w *world) end() {
	w.over = true
	for _, a := range w.alive {
		a.stop()
	}
}

func (w *world) tell(who, format string, args ...any) {
	w.trace = append(w.trace, fmt.Sprintf("%9.3fs  %-12s %s", w.now.Sub(w.begin).Seconds(), who, fmt.Sprintf(format, args...)))
}

func (w *world) breaks(invariant, format string, args ...any) {
	if w.broken == nil {
		w.broken = &broken{invariant, fmt.Sprintf(format, args...)}
		w.tell("!", "%s: %s", invariant, w.broken.detail)
	}
}

// say writes a line of the trace.
func (a *actor) say(format string, args ...any) { a.tell(a.name, format, args...) }

// pass lets time go by: others act, and a mortal actor may die.
func (a *actor) pass(d time.Duration) {
	if !a.yield(d) {
		panic(died{})
	}
	if a.mortal && !a.calm && a.cast.has(deaths) && a.dice.IntN(60) == 0 {
		a.say("dies")
		panic(died{})
	}
}

// step is a moment: a round trip to an engine, or a thought.
func (a *actor) step() { a.pass(a.between(time.Millisecond, 20*time.Millisecond)) }

func (a *actor) between(least, most time.Duration) time.Duration {
	return least + time.Duration(a.dice.Int64N(int64(most-least)))
}

func (a *actor) chance(percent int) bool { return a.dice.IntN(100) < percent }

type actorKey struct{}

func (a *actor) context() context.Context {
	return context.WithValue(context.Background(), actorKey{}, a)
}

// turns is the schedule, the nearest turn first.
type turns []*actor

func (t turns) Len() int { return len(t) }
func (t turns) Less(i, j int) bool {
	return t[i].at.Before(t[j].at) || t[i].at.Equal(t[j].at) && t[i].order < t[j].order
}
func (t turns) Swap(i, j int) { t[i], t[j] = t[j], t[i] }
func (t *turns) Push(x any)   { *t = append(*t, x.(*actor)) }
func (t *turns) Pop() any {
	last := (*t)[len(*t)-1]
	*t = (*t)[:len(*t)-1]
	return last
}
