package identity_test

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/identity"
	"github.com/ropeline/ropeline/internal/engines"
	"github.com/ropeline/ropeline/internal/keyring"
)

// letter is a mail that would have been sent.
type letter struct {
	kind, to, url string
}

// newAccounts keeps accounts, and what they would have mailed.
func newAccounts(t testing.TB) (*identity.Accounts, chan letter) {
	t.Helper()
	accounts, mails, _ := openAccounts(t)
	return accounts, mails
}

func openAccounts(t testing.TB) (*identity.Accounts, chan letter, *pgxpool.Pool) {
	t.Helper()
	pool := engines.Test(t).Pool
	keys, err := keyring.Load(t.Context(), pool)
	if err != nil {
		t.Fatal(err)
	}
	mails := make(chan letter, 100)
	return identity.NewAccounts(pool, keys, identity.Options{PublicURL: "https://tickets.example/", Memory: 64,
		Mail: func(_ context.Context, kind, to string, data map[string]string) error {
			mails <- letter{kind, to, data["url"]}
			return nil
		}}), mails, pool
}

func (l letter) token() string { return l.url[strings.LastIndexByte(l.url, '/')+1:] }

const goodPassword = "four ropes and a door"

func code(err error) ropeline.Code {
	if err == nil {
		return ""
	}
	return ropeline.CodeOf(err)
}

func TestFanMakesAnAccount(t *testing.T) {
	accounts, mails := newAccounts(t)
	if err := accounts.SendLink(t.Context(), " Fan@Example.org "); err != nil {
		t.Fatal(err)
	}
	mail := <-mails
	if mail.kind != identity.MailVerification || mail.to != "fan@example.org" || !strings.HasPrefix(mail.url, "https://tickets.example/password/") {
		t.Fatalf("%+v", mail)
	}
	if email, fresh, err := accounts.LinkEmail(mail.token()); err != nil || !fresh || email != "fan@example.org" {
		t.Errorf("%q %v %v", email, fresh, err)
	}
	for _, short := range []string{"", "short", "fan@example.org", "aaaaaaaaaaaaaa", strings.Repeat("x y", 200)} {
		if _, _, _, err := accounts.SetPassword(t.Context(), mail.token(), short, ""); code(err) != ropeline.CodeInvalidPassword {
			t.Errorf("password %.20q: %v", short, err)
		}
	}
	session, account, _, err := accounts.SetPassword(t.Context(), mail.token(), goodPassword, "a phone")
	if err != nil || account.Email != "fan@example.org" {
		t.Fatalf("%+v %v", account, err)
	}
	if got, err := accounts.Session(t.Context(), session); err != nil || got != account {
		t.Errorf("%+v %v", got, err)
	}
	if claimed, err := accounts.Claim(session); err != nil || claimed != account.ID {
		t.Errorf("%s %v", claimed, err)
	}
	if _, _, _, err := accounts.SetPassword(t.Context(), mail.token(), goodPassword, ""); code(err) != ropeline.CodeLinkInvalid {
		t.Errorf("the link works twice: %v", err)
	}
	other, _, _, err := accounts.Login(t.Context(), "FAN@example.org", goodPassword, "", "a laptop\x00\xff")
	if err != nil {
		t.Fatal(err)
	}
	sessions, err := accounts.Sessions(t.Context(), account.ID)
	if err != nil || len(sessions) != 2 || sessions[0].Device != "a laptop" || sessions[0].ID != identity.SessionID(other) {
		t.Errorf("%+v %v", sessions, err)
	}
	if err := accounts.LogoutEverywhere(t.Context(), account.ID); err != nil {
		t.Fatal(err)
	}
	for _, token := range []string{session, other} {
		if _, err := accounts.Session(t.Context(), token); code(err) != ropeline.CodeUnauthenticated {
			t.Errorf("after logging out everywhere: %v", err)
		}
	}
}

func TestPasswordIsReset(t *testing.T) {
	accounts, mails := newAccounts(t)
	send := func() letter {
		t.Helper()
		if err := accounts.SendLink(t.Context(), "fan@example.org"); err != nil {
			t.Fatal(err)
		}
		return <-mails
	}
	first, second := send(), send() // two links to verify, asked for before either is used
	old, _, _, err := accounts.SetPassword(t.Context(), first.token(), goodPassword, "")
	if err != nil {
		t.Fatal(err)
	}
	if _, _, _, err := accounts.SetPassword(t.Context(), second.token(), "somebody else's choice", ""); code(err) != ropeline.CodeLinkInvalid {
		t.Errorf("a link to make an account that exists: %v", err)
	}
	one, two := send(), send()
	if one.kind != identity.MailReset {
		t.Errorf("%+v", one)
	}
	if _, _, _, err := accounts.SetPassword(t.Context(), two.token(), "a new one, quite long", ""); err != nil {
		t.Fatal(err)
	}
	if _, _, _, err := accounts.SetPassword(t.Context(), one.token(), "an older link's choice", ""); code(err) != ropeline.CodeLinkInvalid {
		t.Errorf("a link from before the new password: %v", err)
	}
	if _, err := accounts.Session(t.Context(), old); code(err) != ropeline.CodeUnauthenticated {
		t.Errorf("a session from before the new password: %v", err)
	}
	if _, _, _, err := accounts.Login(t.Context(), "fan@example.org", goodPassword, "", ""); code(err) != ropeline.CodeUnauthenticated {
		t.Errorf("the old password: %v", err)
	}
}

// Of many who use one link at once, one is let in.
func TestLinkWorksOnce(t *testing.T) {
	accounts, mails := newAccounts(t)
	if err := accounts.SendLink(t.Context(), "fan@example.org"); err != nil {
		t.Fatal(err)
	}
	token := (<-mails).token()
	var racing sync.WaitGroup
	results := make(chan error, 6)
	for range 6 {
		racing.Go(func() {
			_, _, _, err := accounts.SetPassword(context.WithoutCancel(t.Context()), token, goodPassword, "")
			results <- err
		})
	}
	racing.Wait()
	var let int
	for range 6 {
		if err := <-results; err == nil {
			let++
		} else if code(err) != ropeline.CodeLinkInvalid {
			t.Error(err)
		}
	}
	if let != 1 {
		t.Errorf("%d were let in", let)
	}
}

func TestBadAddressesAndTokens(t *testing.T) {
	accounts, mails := newAccounts(t)
	for _, email := range []string{"", "nobody", "a@b", "a@b.example\r\nBcc: c@d.example", "Name <a@b.example>", "ä@b.example", "a b@c.example", strings.Repeat("x", 300) + "@b.example", "a\x00@b.example"} {
		if err := accounts.SendLink(t.Context(), email); code(err) != ropeline.CodeInvalidEmail {
			t.Errorf("%q: %v", email, err)
		}
	}
	if err := accounts.SendLink(t.Context(), "a@b.example"); err != nil {
		t.Fatal(err)
	}
	token := (<-mails).token()
	for _, bad := range []string{"", "x", token[1:], token + "A", "!" + token[1:], strings.Repeat("A", 5000)} {
		if _, _, err := accounts.LinkEmail(bad); code(err) != ropeline.CodeLinkInvalid {
			t.Errorf("link %.30q: %v", bad, err)
		}
		if _, err := accounts.Claim(bad); code(err) != ropeline.CodeUnauthenticated {
			t.Errorf("session %.30q: %v", bad, err)
		}
	}
}

func FuzzTokens(f *testing.F) {
	accounts, mails := newAccounts(f)
	if err := accounts.SendLink(f.Context(), "a@b.example"); err != nil {
		f.Fatal(err)
	}
	link := (<-mails).token()
	session, _, _, err := accounts.SetPassword(f.Context(), link, goodPassword, "")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(link)
	f.Add(session)
	f.Fuzz(func(t *testing.T, token string) {
		if _, err := accounts.Claim(token); err == nil && token != session {
			t.Errorf("%q is taken for a session", token)
		}
		if _, _, err := accounts.LinkEmail(token); err == nil && token != link {
			t.Errorf("%q is taken for a link", token)
		}
	})
}
