package ropeline_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ropeline/ropeline"
)

func TestMoney(t *testing.T) {
	for want, m := range map[string]ropeline.Money{
		"12.50 EUR": {Minor: 1250, Currency: "EUR"}, "0.05 EUR": {Minor: 5, Currency: "EUR"}, "-1.00 USD": {Minor: -100, Currency: "USD"},
		"700 JPY": {Minor: 700, Currency: "JPY"}, "1.234 KWD": {Minor: 1234, Currency: "KWD"},
	} {
		if got := m.String(); got != want {
			t.Errorf("%+v is written %q, want %q", m, got, want)
		}
	}
}

func TestPhases(t *testing.T) {
	drop := time.Date(2026, 12, 1, 10, 0, 0, 0, time.UTC)
	event := ropeline.Event{DropAt: drop, ClosesAt: drop.Add(time.Hour)}
	for _, c := range []struct {
		at      time.Duration
		soldOut bool
		want    ropeline.Phase
	}{
		{-time.Nanosecond, false, ropeline.PhaseAnnounced}, {0, false, ropeline.PhaseOnSale}, {time.Minute, true, ropeline.PhaseSoldOut},
		{time.Hour - 1, false, ropeline.PhaseOnSale}, {time.Hour, false, ropeline.PhaseClosed}, {time.Hour, true, ropeline.PhaseClosed},
	} {
		if got := event.PhaseAt(drop.Add(c.at), c.soldOut); got != c.want {
			t.Errorf("at drop%+v, sold out %v: %s, want %s", c.at, c.soldOut, got, c.want)
		}
	}
}

func TestIDs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := ropeline.NewID[ropeline.EventID]()
		if got, err := ropeline.ParseID[ropeline.EventID](string(id)); err != nil || got != id {
			t.Fatalf("%q: %q %v", id, got, err)
		}
		request := [16]byte(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "request"))
		reservation := ropeline.NewReservationID(id, request)
		if got, err := ropeline.ParseReservationID(string(reservation)); err != nil || got != reservation || got.Event() != id {
			t.Fatalf("%q: %q of %q, %v", reservation, got, got.Event(), err)
		}
	})
	early := ropeline.NewID[ropeline.FanID]()
	for start := time.Now(); time.Since(start) < 2*time.Millisecond; {
	}
	if late := ropeline.NewID[ropeline.FanID](); late <= early {
		t.Errorf("%q, made later, sorts before %q", late, early)
	}
}

func FuzzParseID(f *testing.F) {
	f.Add(string(ropeline.NewID[ropeline.EventID]()))
	f.Add("")
	f.Add("00000000000000000000000000-00000000000000000000000000")
	f.Fuzz(func(t *testing.T, s string) {
		if id, err := ropeline.ParseID[ropeline.EventID](s); err == nil && (len(id) != 26 || strings.ContainsAny(string(id), "{}:- '\"\n")) {
			t.Errorf("%q is taken for an id", s)
		}
		if id, err := ropeline.ParseReservationID(s); err == nil {
			if _, err := ropeline.ParseID[ropeline.EventID](string(id.Event())); err != nil {
				t.Errorf("%q names the event %q", s, id.Event())
			}
		}
	})
}

func TestErrorKeepsItsCauseApart(t *testing.T) {
	cause := errors.New("password=secret")
	err := fmt.Errorf("while joining: %w", ropeline.Unavailable(cause))
	if ropeline.CodeOf(err) != ropeline.CodeUnavailable || !errors.Is(err, cause) {
		t.Errorf("%v has the code %s", err, ropeline.CodeOf(err))
	}
	known, _ := errors.AsType[*ropeline.Error](err)
	if strings.Contains(known.Message, "secret") {
		t.Error("the cause is in the message for the caller")
	}
	if ropeline.CodeOf(cause) != ropeline.CodeInternal {
		t.Error("an error without a code is not internal")
	}
}
