package identity

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"errors"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/pquerna/otp/hotp"
	"github.com/pquerna/otp/totp"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/internal/keyring"
)

// The second factor is TOTP (RFC 6238) as authenticator programs know it:
// SHA-1, six digits, 30 seconds. A code counts from a step before to a step
// after its time, and once.
const (
	totpStep      = 30 // seconds
	recoveryCodes = 10
)

// TOTP is what an authenticator program needs, to be shown once.
type TOTP struct {
	Secret string `json:"secret"` // base32
	URL    string `json:"url"`    // otpauth://
}

// BeginTOTP makes a new secret for an account that has no second factor yet;
// it is in force once ConfirmTOTP has seen a code of it. Code already_set.
func (a *Accounts) BeginTOTP(ctx context.Context, account Account) (TOTP, error) {
	secret := make([]byte, 20)
	rand.Read(secret)
	key, err := totp.Generate(totp.GenerateOpts{Issuer: "ropeline", AccountName: account.Email, Secret: secret})
	if err != nil {
		return TOTP{}, err
	}
	tag, err := a.pool.Exec(ctx, "update accounts set totp_secret = $2 where id = $1 and totp_since is null", account.ID, secret)
	if err != nil {
		return TOTP{}, ropeline.Unavailable(err)
	}
	if tag.RowsAffected() == 0 {
		return TOTP{}, ropeline.Errorf(ropeline.CodeAlreadySet, "The account has a second factor. Take it away first, with a code of it.")
	}
	return TOTP{Secret: key.Secret(), URL: key.URL()}, nil
}

// ConfirmTOTP puts the second factor in force and returns the recovery codes,
// of which each opens the account once. Sessions without it end, but for the
// one that confirms. Codes: unauthenticated for a wrong code, already_set.
func (a *Accounts) ConfirmTOTP(ctx context.Context, account ropeline.AccountID, session, code string) (recovery []string, err error) {
	err = a.within(ctx, func(tx pgx.Tx) error {
		secret, since, step, err := readTOTP(ctx, tx, account)
		switch {
		case err != nil:
			return err
		case since != nil:
			return ropeline.Errorf(ropeline.CodeAlreadySet, "The account has a second factor.")
		case secret == nil:
			return ropeline.Errorf(ropeline.CodeUnauthenticated, "Begin with a new secret.")
		}
		used, ok := matches(secret, code, step, time.Now())
		if !ok {
			return errCode()
		}
		if recovery, err = a.newRecovery(ctx, tx, account); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "update accounts set totp_since = now(), totp_step = $2 where id = $1", account, used); err != nil {
			return err
		}
		sum := tokenSum(session)
		if _, err := tx.Exec(ctx, "delete from sessions where account_id = $1 and token_hash <> $2", account, sum); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, "update sessions set totp = true where token_hash = $1", sum)
		return err
	})
	return recovery, err
}

// EndTOTP takes the second factor away, with a code of it or a recovery code.
func (a *Accounts) EndTOTP(ctx context.Context, account ropeline.AccountID, code string) error {
	return a.within(ctx, func(tx pgx.Tx) error {
		if factor, err := a.secondFactor(ctx, tx, account, code); err != nil || !factor {
			return err
		}
		if _, err := tx.Exec(ctx, "delete from recovery_codes where account_id = $1", account); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "update sessions set totp = false where account_id = $1", account); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "update accounts set totp_secret = null, totp_since = null where id = $1", account)
		return err
	})
}

// HasTOTP tells whether an account has a second factor, and how many recovery
// codes are left.
func (a *Accounts) HasTOTP(ctx context.Context, account ropeline.AccountID) (has bool, codes int, err error) {
	err = a.pool.QueryRow(ctx, "select totp_since is not null, (select count(*) from recovery_codes where account_id = $1) from accounts where id = $1", account).
		Scan(&has, &codes)
	if err != nil {
		return false, 0, ropeline.Unavailable(err)
	}
	return has, codes, nil
}

// secondFactor checks the code of an account that has a second factor; false
// for an account without one.
func (a *Accounts) secondFactor(ctx context.Context, tx pgx.Tx, account ropeline.AccountID, code string) (factor bool, err error) {
	secret, since, step, err := readTOTP(ctx, tx, account)
	if err != nil || since == nil {
		return false, err
	}
	code = strings.ToLower(strings.NewReplacer(" ", "", "-", "").Replace(code))
	if code == "" {
		return false, ropeline.Errorf(ropeline.CodeTOTPNeeded, "This account has a second factor: give the code of your authenticator, or a recovery code.")
	}
	if used, ok := matches(secret, code, step, time.Now()); ok {
		_, err := tx.Exec(ctx, "update accounts set totp_step = $2 where id = $1", account, used)
		return true, err
	}
	tag, err := tx.Exec(ctx, "delete from recovery_codes where account_id = $1 and code = $2", account, a.recoveryMAC(account, code))
	if err == nil && tag.RowsAffected() == 0 {
		err = errCode()
	}
	return err == nil, err
}

// readTOTP locks the account: of two who bring one code at once, one is late.
func readTOTP(ctx context.Context, tx pgx.Tx, account ropeline.AccountID) (secret []byte, since *time.Time, step int64, err error) {
	err = tx.QueryRow(ctx, "select totp_secret, totp_since, totp_step from accounts where id = $1 for update", account).Scan(&secret, &since, &step)
	return secret, since, step, err
}

// matches finds the time step whose code this is, if it is later than the last
// one that was used.
func matches(secret []byte, code string, last int64, now time.Time) (step int64, ok bool) {
	text := base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(secret)
	for step := now.Unix()/totpStep - 1; step <= now.Unix()/totpStep+1; step++ {
		if step > last && hotp.Validate(code, uint64(step), text) {
			return step, true
		}
	}
	return 0, false
}

func errCode() error {
	return ropeline.Errorf(ropeline.CodeUnauthenticated, "The code is wrong, or was used already. The next one comes within half a minute.")
}

// newRecovery replaces an account's recovery codes: 80 bits each.
func (a *Accounts) newRecovery(ctx context.Context, tx pgx.Tx, account ropeline.AccountID) ([]string, error) {
	if _, err := tx.Exec(ctx, "delete from recovery_codes where account_id = $1", account); err != nil {
		return nil, err
	}
	codes := make([]string, recoveryCodes)
	for i := range codes {
		raw := make([]byte, 10)
		rand.Read(raw)
		code := idEncoding.EncodeToString(raw)
		if _, err := tx.Exec(ctx, "insert into recovery_codes (account_id, code) values ($1, $2)", account, a.recoveryMAC(account, code)); err != nil {
			return nil, err
		}
		codes[i] = code[:4] + "-" + code[4:8] + "-" + code[8:12] + "-" + code[12:]
	}
	return codes, nil
}

func (a *Accounts) recoveryMAC(account ropeline.AccountID, code string) []byte {
	return a.keys.MAC(keyring.PurposeAccount, []byte("recovery\x00"+string(account)+"\x00"+code))
}

// within runs do in a transaction; what is not ours becomes unavailable.
func (a *Accounts) within(ctx context.Context, do func(pgx.Tx) error) error {
	err := pgx.BeginFunc(ctx, a.pool, do)
	if _, ours := errors.AsType[*ropeline.Error](err); err != nil && !ours {
		err = ropeline.Unavailable(err)
	}
	return err
}
