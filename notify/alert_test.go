package notify

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
)

func TestParsePhone(t *testing.T) {
	for in, want := range map[string]string{
		"+43 664 123-4567": "+436641234567", "+1 (500) 555 0006": "+15005550006", "0664 1234567": "", "+0664123456": "", "+12": "", "+1234567890123456": "", "+43x6641234567": "", "": "",
	} {
		got, err := ParsePhone(in)
		if got != want || (want == "") != (ropeline.CodeOf(err) == ropeline.CodeInvalidPhone && err != nil) {
			t.Errorf("%q: %q %v", in, got, err)
		}
	}
}

// One address is not flooded by many fans; a fan may change the address.
func TestAlertsOfOneAddressAreFew(t *testing.T) {
	h := newHouse(t, Options{Senders: map[Channel]Sender{Email: NewLog(nil)}})
	set := func(fan, to string) error {
		return h.SetAlert(t.Context(), Alert{Event: h.event.ID, Fan: ropeline.FanID(fan), Channel: Email, To: to})
	}
	for i := range mostAlerts {
		if err := set(fmt.Sprint("f", i), "a@example.com"); err != nil {
			t.Fatal(err)
		}
	}
	if err := set("f0", "a@example.com"); err != nil {
		t.Errorf("the same again: %v", err)
	}
	if err := set("f9", "a@example.com"); ropeline.CodeOf(err) != ropeline.CodeRateLimited {
		t.Errorf("one more: %v", err)
	}
	if err := set("f0", "b@example.com"); err != nil {
		t.Error(err)
	}
	waiting := func() string {
		all, err := h.Alerts(t.Context(), h.event.ID, "", 10)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("%d %s", len(all), all[0].To)
	}
	if got := waiting(); got != "3 b@example.com" {
		t.Error(got)
	}
	if err := h.DropAlert(t.Context(), h.event.ID, "f0"); err != nil {
		t.Error(err)
	}
	if got := waiting(); got != "2 a@example.com" {
		t.Error(got)
	}
	if err := h.SetAlert(t.Context(), Alert{Event: h.event.ID, Fan: "f", Channel: SMS, To: "+1"}); ropeline.CodeOf(err) != ropeline.CodeChannelUnavailable {
		t.Errorf("a channel without sender: %v", err)
	}
}

// The spellings of one mailbox are one address, also when they come at once,
// and each message goes to the spelling that was given.
func TestAnAddressIsCountedInAnySpelling(t *testing.T) {
	h := newHouse(t, Options{Senders: map[Channel]Sender{Email: NewLog(nil), SMS: NewLog(nil)}})
	spellings := []string{"ann@gmail.com", "Ann@gmail.com", "ann+1@gmail.com", "a.nn@gmail.com", "ANN+2@googlemail.com", "an.n@gmail.com"}
	var all sync.WaitGroup
	refused := atomic.Int32{}
	for i, to := range spellings {
		all.Go(func() {
			err := h.SetAlert(t.Context(), Alert{Event: h.event.ID, Fan: ropeline.FanID(fmt.Sprint("f", i)), Channel: Email, To: to})
			if ropeline.CodeOf(err) == ropeline.CodeRateLimited {
				refused.Add(1)
			} else if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if got := int(refused.Load()); got != len(spellings)-mostAlerts {
		t.Errorf("%d of %d were refused", got, len(spellings))
	}
	waiting, err := h.Alerts(t.Context(), h.event.ID, "", 10)
	if err != nil || len(waiting) != mostAlerts {
		t.Errorf("%v %v", waiting, err)
	}
	for _, a := range waiting {
		if !slices.Contains(spellings, a.To) {
			t.Errorf("the message goes to %s", a.To)
		}
	}
	if err := h.SetAlert(t.Context(), Alert{Event: h.event.ID, Fan: "phone", Channel: SMS, To: "+436641234567"}); err != nil {
		t.Error(err)
	}
}

// Who was told is told so when asking again, and who could not be told may ask
// again after coming back.
func TestAnAlertThatWasToldIsNotSetAnew(t *testing.T) {
	h := newHouse(t, Options{Senders: map[Channel]Sender{Email: NewLog(nil)}})
	told := Alert{Event: h.event.ID, Fan: "told", Channel: Email, To: "a@example.com"}
	left := Alert{Event: h.event.ID, Fan: "left", Channel: Email, To: "b@example.com"}
	for _, a := range []Alert{told, left} {
		if err := h.SetAlert(t.Context(), a); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.Tell(t.Context(), h.event.ID, []Alert{told}, nil, []ropeline.FanID{left.Fan}); err != nil {
		t.Fatal(err)
	}
	told.To = "c@example.com"
	if err := h.SetAlert(t.Context(), told); ropeline.CodeOf(err) != ropeline.CodeAlreadyTold {
		t.Errorf("once more after the message: %v", err)
	}
	if err := h.SetAlert(t.Context(), left); err != nil {
		t.Errorf("once more without a message: %v", err)
	}
	waiting, err := h.Alerts(t.Context(), h.event.ID, "", 10)
	if err != nil || len(waiting) != 1 || waiting[0].Fan != left.Fan {
		t.Errorf("%v %v", waiting, err)
	}
}

// Tickets are sent again, but not by somebody who only clicks.
func TestAgain(t *testing.T) {
	h := newHouse(t, Options{})
	n := h.notice(Tickets, "tickets:o1")
	h.post(n)
	if err := h.more(t, n); ropeline.CodeOf(err) != ropeline.CodeRateLimited {
		t.Errorf("at once: %v", err)
	}
	for i := range mostAgain + 1 {
		h.exec("update notifications set created_at = created_at - interval '2 minutes'")
		if err := h.more(t, n); (err == nil) != (i < mostAgain) {
			t.Errorf("%d: %v", i, err)
		}
	}
}

func (h *house) more(t *testing.T, n Notice) error {
	return pgx.BeginFunc(t.Context(), h.pool, func(tx pgx.Tx) error { return h.Again(t.Context(), tx, n) })
}
