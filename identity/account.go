package identity

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"net/mail"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/internal/keyring"
)

// OwnerEmail is the address of the account that the first start makes.
const OwnerEmail = "owner@ropeline.local"

// Account is somebody who can log in: a fan, or somebody who organizes events.
type Account struct {
	ID    ropeline.AccountID
	Email string
}

// Kinds of mail that accounts cause; see Options.Mail.
const (
	MailVerification = "EmailVerification" // data: url, minutes
	MailReset        = "PasswordReset"     // data: url, minutes
)

// Options are what accounts need from outside.
type Options struct {
	// Mail hands a mail over for sending; its data has strings by name. It must
	// not wait for a mail server: how long an answer takes must not tell which
	// accounts exist. nil: no mail is sent.
	Mail func(ctx context.Context, kind, to string, data map[string]string) error
	// Adopt gives what was bought with a verified address to its account, in
	// the transaction that verifies the address. nil: nothing is adopted.
	Adopt func(ctx context.Context, tx pgx.Tx, account ropeline.AccountID, email string) error
	// Memory is what hashing a password takes, in KiB; 0: 19 MiB. Tests take
	// less: a weak hash is only as good as the passwords of a test need.
	Memory uint32
	// PublicURL is what links in mails begin with, without a slash at the end.
	PublicURL string
}

// Accounts keeps accounts and their sessions.
type Accounts struct {
	pool    *pgxpool.Pool
	keys    *keyring.Keyring
	options Options
	hasher  *hasher
}

// NewAccounts works on the house's database.
func NewAccounts(pool *pgxpool.Pool, keys *keyring.Keyring, o Options) *Accounts {
	o.PublicURL = strings.TrimRight(o.PublicURL, "/")
	return &Accounts{pool: pool, keys: keys, options: o, hasher: newHasher(o.Memory)}
}

// EnsureOwner makes the owner's account when nobody organizes yet, and returns
// its generated password then; "" when there is somebody. Of several nodes that
// start at once, exactly one makes it.
func (a *Accounts) EnsureOwner(ctx context.Context) (password string, err error) {
	var exists bool
	if err := a.pool.QueryRow(ctx, "select exists (select from memberships)").Scan(&exists); err != nil {
		return "", ropeline.Unavailable(err)
	}
	if exists {
		return "", nil
	}
	password = randomText(12)
	hash, err := a.hasher.hash(ctx, password)
	if err != nil {
		return "", err
	}
	var made bool
	err = pgx.BeginFunc(ctx, a.pool, func(tx pgx.Tx) error {
		id := ropeline.NewID[ropeline.AccountID]()
		tag, err := tx.Exec(ctx, `insert into accounts (id, email, password_hash) values ($1, $2, $3) on conflict do nothing`, id, OwnerEmail, hash)
		if err != nil || tag.RowsAffected() == 0 {
			return err
		}
		made = true
		return a.addMember(ctx, tx, HouseOrganization, id, RoleOwner)
	})
	if err != nil {
		return "", ropeline.Unavailable(err)
	}
	if !made {
		return "", nil
	}
	return password, nil
}

// ResetOwner gives the owner a new password, takes its second factor away and
// ends all its sessions.
func (a *Accounts) ResetOwner(ctx context.Context) (password string, err error) {
	password = randomText(12)
	hash, err := a.hasher.hash(ctx, password)
	if err != nil {
		return "", err
	}
	err = pgx.BeginFunc(ctx, a.pool, func(tx pgx.Tx) error {
		var id ropeline.AccountID
		if err := tx.QueryRow(ctx, `
			insert into accounts (id, email, password_hash) values ($1, $2, $3)
			on conflict (lower(email)) do update set password_hash = excluded.password_hash, password_at = clock_timestamp(),
				totp_secret = null, totp_since = null
			returning id`, ropeline.NewID[ropeline.AccountID](), OwnerEmail, hash).Scan(&id); err != nil {
			return err
		}
		if err := a.addMember(ctx, tx, HouseOrganization, id, RoleOwner); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `delete from sessions where account_id = $1`, id)
		return err
	})
	if err != nil {
		return "", ropeline.Unavailable(err)
	}
	return password, nil
}

const mostEmail = 254 // RFC 5321, 4.5.3.1.3

// parseEmail checks an address that a link is to be sent to; code invalid_email.
func parseEmail(s string) (string, error) {
	s = strings.ToLower(strings.TrimSpace(s))
	address, err := mail.ParseAddress(s)
	if len(s) > mostEmail || err != nil || address.Name != "" || address.Address != s || !strings.Contains(s, ".") || !printable(s) {
		return "", ropeline.Errorf(ropeline.CodeInvalidEmail, "This is not an e-mail address that we can write to.")
	}
	return s, nil
}

// printable is ASCII without spaces: what can stand in the head of a mail.
func printable(s string) bool {
	for _, b := range []byte(s) {
		if b <= ' ' || b > '~' {
			return false
		}
	}
	return true
}

// randomText is base64url of so many random bytes.
func randomText(bytes int) string {
	raw := make([]byte, bytes)
	rand.Read(raw)
	return base64.RawURLEncoding.EncodeToString(raw)
}

func minutes(d time.Duration) string { return d.Truncate(time.Minute).String() }
