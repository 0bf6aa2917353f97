package identity_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/ropeline/ropeline"
)

// An account's way with a second factor: set up, needed at log-in, each code
// once, recovery codes once, taken away.
func TestSecondFactor(t *testing.T) {
	accounts, mails, _ := openAccounts(t)
	ctx := t.Context()
	if err := accounts.SendLink(ctx, "fan@example.org"); err != nil {
		t.Fatal(err)
	}
	session, account, _, err := accounts.SetPassword(ctx, (<-mails).token(), goodPassword, "")
	if err != nil {
		t.Fatal(err)
	}
	elsewhere, _, _, err := accounts.Login(ctx, account.Email, goodPassword, "", "")
	if err != nil {
		t.Fatal(err)
	}
	secret, err := accounts.BeginTOTP(ctx, account)
	if err != nil {
		t.Fatal(err)
	}
	// Codes count from a step before to a step after: with three in hand no
	// boundary between two steps can disturb the test.
	at := time.Now()
	codeOf := func(steps int) string {
		t.Helper()
		code, err := totp.GenerateCode(secret.Secret, at.Add(time.Duration(steps)*30*time.Second))
		if err != nil {
			t.Fatal(err)
		}
		return code
	}
	if _, err := accounts.ConfirmTOTP(ctx, account.ID, session, "000000x"); code(err) != ropeline.CodeUnauthenticated {
		t.Errorf("a wrong code: %v", err)
	}
	if _, _, _, err := accounts.Login(ctx, account.Email, goodPassword, "", ""); err != nil {
		t.Errorf("a second factor that was never confirmed: %v", err)
	}
	recovery, err := accounts.ConfirmTOTP(ctx, account.ID, session, codeOf(0))
	if err != nil || len(recovery) != 10 {
		t.Fatalf("%v %v", recovery, err)
	}
	if _, err := accounts.Session(ctx, elsewhere); code(err) != ropeline.CodeUnauthenticated {
		t.Errorf("a session from before the second factor: %v", err)
	}
	if actor, err := accounts.Actor(ctx, session); err != nil || !actor.TOTP {
		t.Errorf("%+v %v", actor, err)
	}
	if _, err := accounts.BeginTOTP(ctx, account); code(err) != ropeline.CodeAlreadySet {
		t.Errorf("a second secret: %v", err)
	}

	if _, _, _, err := accounts.Login(ctx, account.Email, "wrong password", "", ""); code(err) != ropeline.CodeUnauthenticated {
		t.Errorf("a wrong password tells of the second factor: %v", err)
	}
	half, _, _, err := accounts.Login(ctx, account.Email, goodPassword, "", "")
	if code(err) != ropeline.CodeTOTPNeeded {
		t.Fatal(err)
	}
	for _, bad := range []string{codeOf(0), "123456", "", recovery[0][1:]} {
		if _, _, _, err := accounts.LoginHalf(ctx, half, bad, ""); code(err) != ropeline.CodeUnauthenticated {
			t.Errorf("code %q: %v", bad, err)
		}
	}
	// The next code lets one in, of however many who bring it at once.
	var racing sync.WaitGroup
	let := make(chan string, 4)
	for range 4 {
		racing.Go(func() {
			if token, _, _, err := accounts.LoginHalf(context.WithoutCancel(ctx), half, codeOf(1), ""); err == nil {
				let <- token
			} else if code(err) != ropeline.CodeUnauthenticated {
				t.Error(err)
			}
		})
	}
	racing.Wait()
	if len(let) != 1 {
		t.Fatalf("one code let %d in", len(let))
	}
	if actor, err := accounts.Actor(ctx, <-let); err != nil || !actor.TOTP {
		t.Errorf("%+v %v", actor, err)
	}
	if _, err := accounts.Session(ctx, half); code(err) != ropeline.CodeUnauthenticated {
		t.Errorf("half a log-in is a session: %v", err)
	}

	if _, _, _, err := accounts.Login(ctx, account.Email, goodPassword, recovery[0], ""); err != nil {
		t.Errorf("a recovery code: %v", err)
	}
	if _, _, _, err := accounts.Login(ctx, account.Email, goodPassword, recovery[0], ""); code(err) != ropeline.CodeUnauthenticated {
		t.Errorf("a recovery code twice: %v", err)
	}
	if has, left, err := accounts.HasTOTP(ctx, account.ID); err != nil || !has || left != 9 {
		t.Errorf("%v %d %v", has, left, err)
	}

	// A link by mail is no way around it.
	if err := accounts.SendLink(ctx, account.Email); err != nil {
		t.Fatal(err)
	}
	if token, _, _, err := accounts.SetPassword(ctx, (<-mails).token(), "another good one", ""); err != nil || token != "" {
		t.Errorf("a new password opened %q, %v", token, err)
	}
	if err := accounts.EndTOTP(ctx, account.ID, "123456"); code(err) != ropeline.CodeUnauthenticated {
		t.Errorf("taken away with a wrong code: %v", err)
	}
	if err := accounts.EndTOTP(ctx, account.ID, recovery[1]); err != nil {
		t.Error(err)
	}
	if _, _, _, err := accounts.Login(ctx, account.Email, "another good one", "", ""); err != nil {
		t.Errorf("after the second factor: %v", err)
	}
}
