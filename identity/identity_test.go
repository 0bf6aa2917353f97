package identity_test

import (
	"strings"
	"sync"
	"testing"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/identity"
	"github.com/ropeline/ropeline/internal/engines"
	"github.com/ropeline/ropeline/internal/keyring"
)

func TestMain(m *testing.M) { engines.Main(m) }

func TestFanToken(t *testing.T) {
	keys, err := keyring.Load(t.Context(), engines.Test(t).Pool)
	if err != nil {
		t.Fatal(err)
	}
	fans := identity.NewFans(keys)
	fan, token := fans.Mint()
	if got, err := fans.Parse(token); err != nil || got != fan {
		t.Fatalf("Parse = %q, %v", got, err)
	}
	other, _ := fans.Mint()
	for name, bad := range map[string]string{
		"empty": "", "no signature": string(fan), "another fan's id": string(other) + token[26:], "shortened": token[:len(token)-1],
		"lengthened": token + "A", "garbage": strings.Repeat("x", 4000), "not base64": string(fan) + "." + strings.Repeat("!", 22),
	} {
		if _, err := fans.Parse(bad); err == nil || ropeline.CodeOf(err) != ropeline.CodeUnauthenticated {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzFanToken(f *testing.F) {
	keys, err := keyring.Load(f.Context(), engines.Test(f).Pool)
	if err != nil {
		f.Fatal(err)
	}
	fans := identity.NewFans(keys)
	_, token := fans.Mint()
	f.Add(token)
	f.Add(".")
	f.Fuzz(func(t *testing.T, token string) {
		if fan, err := fans.Parse(token); err == nil && fans.Token(fan) != token {
			t.Errorf("%q is taken for %q", token, fans.Token(fan))
		}
	})
}

func TestOwnerSignsIn(t *testing.T) {
	accounts, _ := newAccounts(t)
	var (
		starting  sync.WaitGroup
		mu        sync.Mutex
		passwords []string
	)
	for range 4 { // nodes that start at once make one owner
		starting.Go(func() {
			password, err := accounts.EnsureOwner(t.Context())
			if err != nil {
				t.Error(err)
			}
			if password != "" {
				mu.Lock()
				passwords = append(passwords, password)
				mu.Unlock()
			}
		})
	}
	starting.Wait()
	if len(passwords) != 1 {
		t.Fatalf("%d passwords were given out", len(passwords))
	}
	refused := func(email, password string) {
		t.Helper()
		if _, _, _, err := accounts.Login(t.Context(), email, password, "", ""); ropeline.CodeOf(err) != ropeline.CodeUnauthenticated || err == nil {
			t.Errorf("Login(%q, %q): %v", email, password, err)
		}
	}
	refused(identity.OwnerEmail, "wrong")
	refused("nobody@example.org", passwords[0])
	refused(identity.OwnerEmail, strings.Repeat("x", 100_000))
	refused("", "")
	refused("a\x00b@example.org", "x")
	refused("a\xff@example.org", "x")

	token, account, _, err := accounts.Login(t.Context(), " OWNER@ropeline.local ", passwords[0], "", "")
	if err != nil {
		t.Fatalf("%+v %v", account, err)
	}
	if got, err := accounts.Session(t.Context(), token); err != nil || got != account {
		t.Errorf("Session = %+v, %v", got, err)
	}
	if err := accounts.Logout(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	if _, err := accounts.Session(t.Context(), token); ropeline.CodeOf(err) != ropeline.CodeUnauthenticated {
		t.Errorf("a session after signing out: %v", err)
	}

	token, _, _, _ = accounts.Login(t.Context(), identity.OwnerEmail, passwords[0], "", "")
	fresh, err := accounts.ResetOwner(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := accounts.Session(t.Context(), token); err == nil {
		t.Error("a session outlives the reset")
	}
	refused(identity.OwnerEmail, passwords[0])
	if _, _, _, err := accounts.Login(t.Context(), identity.OwnerEmail, fresh, "", ""); err != nil {
		t.Errorf("the new password: %v", err)
	}
}
