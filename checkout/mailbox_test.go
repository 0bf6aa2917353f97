package checkout

import (
	"fmt"
	"testing"

	"github.com/ropeline/ropeline"
)

// box is a mailbox with three letters and the lease of "clerk".
func box(t *testing.T) (*house, ropeline.Event, []envelope) {
	t.Helper()
	h := newHouse(t, Options{}, true)
	e := ropeline.Event{ID: ropeline.NewID[ropeline.EventID]()}
	held, err := h.mailbox.lease(t.Context(), e.ID, "clerk", true)
	if err != nil || !held {
		t.Fatal(held, err)
	}
	for i := range 3 {
		h.lay(e, fmt.Sprintf("letter-%d", i), fmt.Sprintf("body-%d", i))
	}
	letters := h.take(e, "clerk", nil)
	if len(letters) != 3 || letters[1] != (envelope{"letter-1", "body-1"}) {
		t.Fatalf("%v", letters)
	}
	return h, e, letters
}

func (h *house) take(e ropeline.Event, token string, decided []envelope) []envelope {
	h.t.Helper()
	letters, _, err := h.mailbox.trim(h.t.Context(), e.ID, token, decided, batchSize)
	must(h.t, err)
	return letters
}

func TestLeaseIsForOne(t *testing.T) {
	h, e, _ := box(t)
	for _, c := range []struct {
		token string
		take  bool
		held  bool
	}{{"clerk", true, true}, {"clerk", false, true}, {"other", true, false}, {"other", false, false}} {
		held, err := h.mailbox.lease(t.Context(), e.ID, c.token, c.take)
		if err != nil || held != c.held {
			t.Errorf("%+v: %v %v", c, held, err)
		}
	}
	must(t, h.redis.Write.Del(t.Context(), keysOf(e.ID).lease).Err())
	if held, err := h.mailbox.lease(t.Context(), e.ID, "clerk", false); err != nil || held {
		t.Errorf("a lease that was lost is renewed: %v %v", held, err)
	}
}

// A trim that is sent twice removes once, and never what was not decided.
func TestTrimTwice(t *testing.T) {
	h, e, letters := box(t)
	for range 2 {
		if left := h.take(e, "clerk", letters[:2]); len(left) != 1 || left[0] != letters[2] {
			t.Fatalf("%v", left)
		}
	}
	// The same id has come again, behind one that nobody has decided.
	h.lay(e, "letter-0", "body-0 again")
	if left := h.take(e, "clerk", letters[:2]); len(left) != 2 {
		t.Fatalf("%v", left)
	}
	if left := h.take(e, "clerk", letters[2:]); len(left) != 1 || left[0].body != "body-0 again" {
		t.Fatalf("%v", left)
	}
	if n := h.redis.Read.HLen(t.Context(), keysOf(e.ID).bodies).Val(); n != 1 {
		t.Errorf("%d bodies", n)
	}
}

// Who has lost the lease trims nothing and reads nothing.
func TestTrimNeedsTheLease(t *testing.T) {
	h, e, letters := box(t)
	left, held, err := h.mailbox.trim(t.Context(), e.ID, "other", letters, batchSize)
	if err != nil || held || len(left) != 0 || h.lengthOf(e) != 3 {
		t.Fatalf("%v %v %v, %d letters", left, held, err, h.lengthOf(e))
	}
}

func TestCloseOnlyWhenEmpty(t *testing.T) {
	h, e, letters := box(t)
	closed, _, err := h.mailbox.close(t.Context(), e.ID, "clerk", false)
	if err != nil || closed {
		t.Fatalf("closed over letters: %v", err)
	}
	h.take(e, "clerk", letters)
	if closed, _, err = h.mailbox.close(t.Context(), e.ID, "clerk", false); err != nil || !closed {
		t.Fatalf("not closed: %v", err)
	}
	if h.redis.Read.Exists(t.Context(), keysOf(e.ID).lease).Val() != 0 {
		t.Error("closed with a lease")
	}
}

// A clerk that must go leaves a wake-up for what it leaves behind, once.
func TestCloseInAnyCase(t *testing.T) {
	h, e, _ := box(t)
	closed, generation, err := h.mailbox.close(t.Context(), e.ID, "clerk", true)
	if err != nil || !closed || generation == 0 {
		t.Fatal(closed, generation, err)
	}
	if _, again, err := h.mailbox.close(t.Context(), e.ID, "clerk", true); err != nil || again != 0 {
		t.Errorf("woken twice: %v", err)
	}
	if next, _, err := h.mailbox.push(t.Context(), e.ID, nil); err != nil || next != 0 {
		t.Errorf("a push wakes while a wake-up is under way: %d %v", next, err)
	}
}
