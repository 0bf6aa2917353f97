package admission

import (
	"crypto/ed25519"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/internal/engines"
	"github.com/ropeline/ropeline/internal/keyring"
)

func signer(t testing.TB) *Admission {
	t.Helper()
	keys, err := keyring.Load(t.Context(), engines.Test(t).Pool)
	if err != nil {
		t.Fatal(err)
	}
	return &Admission{keys: keys}
}

var admittedAt = time.UnixMilli(1_900_000_000_123)

func someShopper() Shopper {
	return Shopper{
		Event:      "0123456789abcdefghijklmnop",
		Fan:        "ponmlkjihgfedcba9876543210",
		Number:     1_234_567,
		Epoch:      2,
		PassID:     "2.1234567",
		State:      StateEntered,
		AdmittedAt: admittedAt,
		PassUntil:  admittedAt.Add(2 * time.Minute),
		ShopUntil:  admittedAt.Add(11 * time.Minute),
	}
}

func TestPassRoundTrip(t *testing.T) {
	a, s := signer(t), someShopper()
	token := a.Pass(s)
	if len(token) > 200 {
		t.Errorf("a pass takes %d characters", len(token))
	}
	want := Pass{Event: s.Event, Fan: s.Fan, Number: s.Number, Epoch: 2, ID: s.PassID, IssuedAt: s.AdmittedAt, ExpiresAt: s.PassUntil}
	got, err := a.ParsePass(token, s.PassUntil.Add(-time.Millisecond))
	if err != nil || got != want {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err = a.ParsePass(token, s.PassUntil); ropeline.CodeOf(err) != ropeline.CodePassExpired || got != want {
		t.Errorf("at its end: %+v, %v", got, err)
	}
	entered := s
	entered.State, entered.ShopUntil = StateAdmitted, time.Time{}
	if a.Pass(entered) != token {
		t.Error("the same admission has two passes")
	}
	// Anyone with the public key may verify it.
	raw, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		t.Fatal(err)
	}
	body, signature := raw[:len(raw)-ed25519.SignatureSize], raw[len(raw)-ed25519.SignatureSize:]
	if !ed25519.Verify(a.keys.Public(keyring.PurposePass)[body[1]], body, signature) {
		t.Error("the public key does not verify the pass")
	}
}

func TestShopperTokenRoundTrip(t *testing.T) {
	a, s := signer(t), someShopper()
	token := a.ShopperToken(s)
	want := s
	want.PassUntil = time.Time{}
	if got, err := a.ParseShopper(token, s.ShopUntil.Add(-time.Millisecond)); err != nil || got != want {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := a.ParseShopper(token, s.ShopUntil); ropeline.CodeOf(err) != ropeline.CodePassExpired {
		t.Errorf("at its end: %v", err)
	}
}

func TestForgeries(t *testing.T) {
	a, other, s := signer(t), signer(t), someShopper()
	for _, kind := range []struct {
		name  string
		good  string
		alien string
		code  ropeline.Code
		parse func(string) error
	}{
		{"pass", a.Pass(s), other.Pass(s), ropeline.CodePassInvalid,
			func(token string) error { _, err := a.ParsePass(token, admittedAt); return err }},
		{"shopper", a.ShopperToken(s), other.ShopperToken(s), ropeline.CodeNoPass,
			func(token string) error { _, err := a.ParseShopper(token, admittedAt); return err }},
	} {
		if err := kind.parse(kind.good); err != nil {
			t.Fatalf("%s: %v", kind.name, err)
		}
		forged := []string{"", "AQ", "%", kind.alien, kind.good + "A", kind.good[1:], kind.good + "=",
			kind.good[:9] + "\r\n" + kind.good[9:], strings.Repeat("A", 1<<20), a.Pass(s)[:80], a.ShopperToken(s) + a.Pass(s)}
		if kind.name == "pass" {
			forged = append(forged, a.ShopperToken(s))
		} else {
			forged = append(forged, a.Pass(s))
		}
		for i := range len(kind.good) {
			b := []byte(kind.good)
			b[i] ^= 1
			forged = append(forged, string(b))
		}
		for _, token := range forged {
			if err := kind.parse(token); ropeline.CodeOf(err) != kind.code {
				t.Errorf("%s %.60q: %v", kind.name, token, err)
			}
		}
	}
}

func FuzzTokens(f *testing.F) {
	a, s := signer(f), someShopper()
	f.Add(a.Pass(s))
	f.Add(a.ShopperToken(s))
	f.Add("")
	f.Add("AQE")
	f.Add(strings.Repeat("_", 200))
	f.Fuzz(func(t *testing.T, token string) {
		for _, now := range []time.Time{admittedAt, admittedAt.Add(time.Hour)} {
			p, err := a.ParsePass(token, now)
			if code := ropeline.CodeOf(err); err != nil && code != ropeline.CodePassInvalid && code != ropeline.CodePassExpired {
				t.Errorf("pass %q: %v", token, err)
			}
			if again := a.Pass(Shopper{Event: p.Event, Fan: p.Fan, Number: p.Number, Epoch: p.Epoch,
				AdmittedAt: p.IssuedAt, PassUntil: p.ExpiresAt}); err == nil && again != token {
				t.Errorf("%q is a second pass like %q", token, again)
			}
			sh, err := a.ParseShopper(token, now)
			if code := ropeline.CodeOf(err); err != nil && code != ropeline.CodeNoPass && code != ropeline.CodePassExpired {
				t.Errorf("shopper %q: %v", token, err)
			}
			if err == nil && a.ShopperToken(sh) != token {
				t.Errorf("%q is a second token", token)
			}
		}
	})
}

func TestClaimsLeaveNothingOver(t *testing.T) {
	whole := claims{"0123456789abcdefghijklmnop", "ponmlkjihgfedcba9876543210", [4]int64{0, 1, 300, 1 << 50}}
	b := whole.appendTo(nil)
	if got, ok := parseClaims(b); !ok || got != whole {
		t.Errorf("%+v, %v", got, ok)
	}
	for n := range b {
		if _, ok := parseClaims(b[:n]); ok {
			t.Errorf("%d of %d bytes are enough", n, len(b))
		}
	}
	if _, ok := parseClaims(append(b, 0)); ok {
		t.Error("a byte may be left over")
	}
}

func TestParseRecord(t *testing.T) {
	for _, bad := range []string{"", "1:2:3:4", "1:2:3:4:5:6", "1:2:x:4:5", "1:-2:3:4:5"} {
		if _, err := parseRecord("e", "f", bad); err == nil {
			t.Errorf("%q passed", bad)
		}
	}
	if s, err := parseRecord("e", "f", "3:17:1000:2000:0"); err != nil || s.PassID != "3.17" || s.State != StateAdmitted || !s.ShopUntil.IsZero() {
		t.Errorf("%+v, %v", s, err)
	}
}
