package checkout

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/internal/batch"
)

// tray is rounds that remember which letters each trip has put in.
type tray struct {
	*rounds
	put [][]string
}

// trayOf is one whose trips put letters in with an error, or nil.
func trayOf(err error) *tray {
	y := &tray{}
	y.rounds = newRounds(func(_ context.Context, all []trimming) []batch.Result[trimmed] {
		mail := make([]batch.Result[trimmed], len(all))
		for i, each := range all {
			mail[i].Value.held = true
			if each.puts == nil {
				continue
			}
			var ids []string
			each.puts.err = err
			for _, l := range each.puts.letters {
				ids = append(ids, l.id())
				each.puts.codes = append(each.puts.codes, pushedNew)
			}
			y.put = append(y.put, ids)
		}
		return mail
	}, nil, nil)
	return y
}

func releaseOf(e ropeline.EventID, n byte) post {
	return post{event: e, letter: letter{Kind: letterRelease, Reservation: ropeline.NewReservationID(e, [16]byte{n})}}
}

// Letters that come while a clerk is away go with its next visit, in order, and
// each sender hears of its own.
func TestLettersGoWithTheClerk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y, e, other := trayOf(nil), ropeline.NewID[ropeline.EventID](), ropeline.NewID[ropeline.EventID]()
		defer y.join(e)()
		defer y.join(other)()
		var all sync.WaitGroup
		var want []string
		for n := range byte(3) {
			p := releaseOf(e, n)
			want = append(want, p.letter.id())
			all.Go(func() {
				if code, err := y.hand(t.Context(), p); code != pushedNew || err != nil {
					t.Error(code, err)
				}
			})
			synctest.Wait()
		}
		for _, event := range []ropeline.EventID{other, e} {
			if _, err := y.visit(trimming{event: event}, noBatch); err != nil {
				t.Fatal(err)
			}
		}
		all.Wait()
		if len(y.put) != 1 || !slices.Equal(y.put[0], want) {
			t.Errorf("%v, want %v", y.put, want)
		}
	})
}

// No more letters go along than a script may have.
func TestTrayIsTakenInBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y, e := trayOf(nil), ropeline.NewID[ropeline.EventID]()
		defer y.join(e)()
		var all sync.WaitGroup
		for n := range batchSize + 10 {
			all.Go(func() {
				p := post{event: e, letter: letter{Kind: letterCapacity, Op: fmt.Sprint(n)}}
				if _, err := y.hand(t.Context(), p); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		for range 2 {
			if _, err := y.visit(trimming{event: e}, noBatch); err != nil {
				t.Fatal(err)
			}
		}
		all.Wait()
		if len(y.put) != 2 || len(y.put[0]) != batchSize || len(y.put[1]) != 10 {
			t.Errorf("%d trips", len(y.put))
		}
	})
}

// Without a clerk, and when the clerk goes, a letter is its sender's again.
func TestLettersWithoutAClerk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y, e := trayOf(nil), ropeline.NewID[ropeline.EventID]()
		if _, err := y.hand(t.Context(), releaseOf(e, 1)); !errors.Is(err, errNoClerk) {
			t.Error(err)
		}
		leave, stay := y.join(e), y.join(e)
		told := make(chan error, 1)
		go func() {
			_, err := y.hand(t.Context(), releaseOf(e, 1))
			told <- err
		}()
		synctest.Wait()
		leave()
		select {
		case err := <-told:
			t.Fatalf("one of two clerks has left, and the letter with it: %v", err)
		default:
		}
		stay()
		if err := <-told; !errors.Is(err, errNoClerk) {
			t.Error(err)
		}
	})
}

// A clerk that is held up keeps no letter: it comes back, and goes nowhere later.
func TestLetterIsTakenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y, e := trayOf(nil), ropeline.NewID[ropeline.EventID]()
		defer y.join(e)()
		begin := time.Now()
		if _, err := y.hand(t.Context(), releaseOf(e, 1)); !errors.Is(err, errNoClerk) || time.Since(begin) != handTime {
			t.Error(err, time.Since(begin))
		}
		if _, err := y.visit(trimming{event: e}, noBatch); err != nil || len(y.put) > 0 {
			t.Error(y.put, err)
		}
	})
}

// A trip that fails is told to everybody whose letter was on it.
func TestLettersOnATripThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y, e := trayOf(errors.New("away")), ropeline.NewID[ropeline.EventID]()
		defer y.join(e)()
		told := make(chan error, 1)
		go func() {
			_, err := y.hand(t.Context(), releaseOf(e, 1))
			told <- err
		}()
		synctest.Wait()
		if _, err := y.visit(trimming{event: e}, noBatch); err != nil {
			t.Fatal(err)
		}
		if err := <-told; err == nil || errors.Is(err, errNoClerk) {
			t.Error(err)
		}
	})
}

// One letter "due" is enough for everybody who has something due; the next one is
// for what comes after the visit.
func TestDueLiesOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y, e := trayOf(nil), ropeline.NewID[ropeline.EventID]()
		defer y.join(e)()
		due := post{event: e, letter: letter{Kind: letterDue}}
		for range 2 {
			first := make(chan pushed, 1)
			go func() {
				code, _ := y.hand(t.Context(), due)
				first <- code
			}()
			synctest.Wait()
			if code, err := y.hand(t.Context(), due); code != pushedAgain || err != nil {
				t.Error(code, err)
			}
			if _, err := y.visit(trimming{event: e}, noBatch); err != nil {
				t.Fatal(err)
			}
			if code := <-first; code != pushedNew {
				t.Error(code)
			}
		}
		if len(y.put) != 2 || len(y.put[0]) != 1 || len(y.put[1]) != 1 {
			t.Errorf("%v", y.put)
		}
	})
}

// A letter wakes the clerk that naps.
func TestLetterEndsANap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y, e := trayOf(nil), ropeline.NewID[ropeline.EventID]()
		defer y.join(e)()
		go func() {
			time.Sleep(time.Millisecond)
			_, _ = y.hand(t.Context(), releaseOf(e, 1))
		}()
		for _, long := range []time.Duration{time.Millisecond, 0} { // it lies there still: no nap
			begin := time.Now()
			if y.nap(t.Context(), e, time.Hour); time.Since(begin) != long {
				t.Errorf("%v, want %v", time.Since(begin), long)
			}
		}
		begin := time.Now()
		if _, err := y.visit(trimming{event: e}, noBatch); err != nil {
			t.Fatal(err)
		}
		if y.nap(t.Context(), e, time.Second); time.Since(begin) != time.Second {
			t.Errorf("napped %v", time.Since(begin))
		}
	})
}

// One trip puts letters in and reads them. For a clerk whose lease another one has
// they are put in all the same, and the other one reads them.
func TestLettersArePutInBeforeTheTrim(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Options{}, true)
	e := ropeline.NewID[ropeline.EventID]()
	if held, err := h.mailbox.lease(t.Context(), e, "clerk", true); err != nil || !held {
		t.Fatal(held, err)
	}
	visit := func(token string, n byte) (batch.Result[trimmed], *bundle) {
		puts := &bundle{event: e, letters: []letter{releaseOf(e, n).letter}}
		return h.visitAll(t.Context(), []trimming{{event: e, token: token, next: batchSize, puts: puts}})[0], puts
	}
	lost, puts := visit("other", 1)
	if lost.Err != nil || lost.Value.held || puts.err != nil || puts.codes[0] != pushedNew {
		t.Fatalf("%+v, %+v", lost, puts)
	}
	kept, puts := visit("clerk", 2)
	if kept.Err != nil || !kept.Value.held || puts.codes[0] != pushedNew || len(kept.Value.letters) != 2 {
		t.Fatalf("%+v, %+v", kept, puts)
	}
	// What it has put in it knows; what the other one has, it reads.
	for i, want := range []bool{false, true} {
		letter := kept.Value.letters[i]
		own, ok := puts.known()[letter.id]
		if ok != want || ok && own.body != letter.body {
			t.Errorf("%v: %v", letter.id, ok)
		}
	}
	// The same letter once more, and what its caller asks of it is another body.
	again, puts := visit("clerk", 2)
	if puts.codes[0] != pushedAgain || len(again.Value.letters) != 2 {
		t.Errorf("%+v", puts)
	}
}
