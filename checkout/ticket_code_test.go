package checkout

import (
	"strings"
	"testing"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/internal/engines"
	"github.com/ropeline/ropeline/internal/keyring"
)

func ring(t testing.TB) *keyring.Keyring {
	t.Helper()
	k, err := keyring.Load(t.Context(), engines.Test(t).Pool)
	must(t, err)
	return k
}

func TestCode(t *testing.T) {
	k := ring(t)
	facts := TicketFacts{ropeline.NewID[ropeline.EventID](), ropeline.NewID[ropeline.TicketID](), 513}
	code := Code(k, facts)
	if len(code) != 160 || strings.Trim(code, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") != "" {
		t.Fatalf("%d characters: %s", len(code), code)
	}
	if code != Code(k, facts) {
		t.Error("the same ticket has two codes")
	}
	got, err := ParseCode(k, code)
	if err != nil || got != facts {
		t.Fatalf("%v %+v", err, got)
	}
	for i := range code {
		for _, c := range []byte{'A', 'B'} {
			if code[i] == c {
				continue
			}
			forged := code[:i] + string(c) + code[i+1:]
			if _, err := ParseCode(k, forged); err == nil {
				t.Fatalf("taken with its character %d changed", i)
			}
		}
	}
	for _, other := range []string{"", code + "A", code[:159], strings.ToLower(code)} {
		if _, err := ParseCode(k, other); err == nil {
			t.Errorf("%q was taken", other)
		}
	}
	if _, err := ParseCode(ring(t), code); err == nil {
		t.Error("another house's code was taken")
	}
	if Code(k, TicketFacts{"short", "", 1}) != "" {
		t.Error("an id that is none has a code")
	}
}

func FuzzParseCode(f *testing.F) {
	k := ring(f)
	f.Add(Code(k, TicketFacts{ropeline.NewID[ropeline.EventID](), ropeline.NewID[ropeline.TicketID](), 1}))
	f.Add("")
	f.Add(strings.Repeat("A", 160))
	f.Fuzz(func(t *testing.T, code string) {
		if facts, err := ParseCode(k, code); err == nil && Code(k, facts) != code {
			t.Fatalf("%+v has another code than %s", facts, code)
		}
	})
}

func FuzzParseLetter(f *testing.F) {
	e := ropeline.EventID("00000000000000000000000000")
	l := letter{Kind: letterReserve, Reservation: ropeline.NewReservationID(e, [16]byte{1}), Fan: fan(), Pass: "p",
		Items: []ropeline.Item{{TicketType: ropeline.NewID[ropeline.TicketTypeID](), Quantity: 1}}}
	f.Add(l.id(), l.body())
	f.Add("due", letter{Kind: letterDue}.body())
	f.Add("", "")
	f.Fuzz(func(t *testing.T, id, body string) {
		l, err := parseLetter(e, id, body)
		if err == nil && l.id() != id {
			t.Fatalf("%q calls itself %q", id, l.id())
		}
	})
}

func TestParseEmail(t *testing.T) {
	for in, want := range map[string]string{
		"fan@example.com":      "fan@example.com",
		" Fan@Example.COM ":    "Fan@example.com",
		"a+b.c@sub.example.at": "a+b.c@sub.example.at",
	} {
		if got, err := ParseEmail(in); err != nil || got != want {
			t.Errorf("%q: %v %q", in, err, got)
		}
	}
	for _, in := range []string{
		"", "fan", "fan@", "@example.com", "fan@localhost", "Fan <fan@example.com>", "a@b.c, d@e.f", "fan@exa mple.com",
		"fan@example.com\r\nBcc: x@y.z", "fan\x00@example.com", strings.Repeat("a", 65) + "@example.com",
		"fan@" + strings.Repeat("a", 250) + ".com", "fän@example.com", `"a b"@example.com`, "fan@[127.0.0.1]", "fan@-x.com",
	} {
		if got, err := ParseEmail(in); ropeline.CodeOf(err) != ropeline.CodeInvalidEmail {
			t.Errorf("%q was taken as %q (%v)", in, got, err)
		}
	}
}

func FuzzParseEmail(f *testing.F) {
	f.Add("fan@example.com")
	f.Add("\"\"@[::1]")
	f.Fuzz(func(t *testing.T, in string) {
		got, err := ParseEmail(in)
		if err != nil {
			return
		}
		if again, err := ParseEmail(got); err != nil || again != got || strings.ContainsAny(got, "\r\n \x00") {
			t.Fatalf("%q became %q, then %q (%v)", in, got, again, err)
		}
	})
}
