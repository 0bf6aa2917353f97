package queue

import (
	"math"
	"strings"
	"testing"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/internal/engines"
	"github.com/ropeline/ropeline/internal/keyring"
)

func signer(t testing.TB) *Line {
	t.Helper()
	keys, err := keyring.Load(t.Context(), engines.Test(t).Pool)
	if err != nil {
		t.Fatal(err)
	}
	return &Line{keys: keys}
}

func somePlace(number, epoch int64) Place {
	return Place{Event: "0123456789abcdefghijklmnop", Fan: "ponmlkjihgfedcba9876543210", Number: number, Epoch: epoch}
}

func TestTokenRoundTrip(t *testing.T) {
	l := signer(t)
	for _, number := range []int64{0, 1, 127, 128, 999_999, math.MaxInt64} {
		p := somePlace(number, number/2+1)
		got, err := l.ParseToken(l.Token(p))
		if err != nil || got != p {
			t.Errorf("%+v came back as %+v, %v", p, got, err)
		}
	}
	if token := l.Token(somePlace(1_000_000, 3)); len(token) > 110 {
		t.Errorf("a token takes %d characters", len(token))
	}
}

func TestForgedTokens(t *testing.T) {
	l, other := signer(t), signer(t)
	good := l.Token(somePlace(7, 1))
	forged := map[string]string{
		"empty":             "",
		"not base64":        "%%%",
		"short":             good[:20],
		"another house":     other.Token(somePlace(7, 1)),
		"line break":        good[:10] + "\n" + good[10:],
		"padding":           good + "=",
		"appended":          good + "AAAA",
		"very long":         strings.Repeat("A", 1<<20),
		"other fan's place": l.Token(somePlace(8, 1))[:73] + good[73:],
	}
	for i := range len(good) {
		b := []byte(good)
		b[i] ^= 1
		forged["flipped "+string(rune('0'+i%10))+good[:i]] = string(b)
	}
	for name, token := range forged {
		if _, err := l.ParseToken(token); ropeline.CodeOf(err) != ropeline.CodePlaceInvalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzParseToken(f *testing.F) {
	l := signer(f)
	for _, number := range []int64{0, 300, 1 << 40} {
		f.Add(l.Token(somePlace(number, 1)))
	}
	f.Add("")
	f.Add("AQ")
	f.Add(strings.Repeat("_", 120))
	f.Fuzz(func(t *testing.T, token string) {
		p, err := l.ParseToken(token)
		if err == nil && l.Token(p) != token {
			t.Errorf("%q is a second token for %+v", token, p)
		}
		if err != nil && ropeline.CodeOf(err) != ropeline.CodePlaceInvalid {
			t.Errorf("%q: %v", token, err)
		}
	})
}
