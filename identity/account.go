package identity

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ropeline/ropeline"
)

// SessionLife is how long a sign-in lasts.
const SessionLife = 12 * time.Hour

// OwnerEmail is the address of the account that the first start makes.
const OwnerEmail = "owner@ropeline.local"

// Account is somebody who organizes events.
type Account struct {
	ID    ropeline.AccountID
	Email string
	Role  string // owner | organizer
}

// Accounts keeps organizers and their sessions.
type Accounts struct {
	pool   *pgxpool.Pool
	hasher *hasher
}

// NewAccounts works on the house's database.
func NewAccounts(pool *pgxpool.Pool) *Accounts {
	return &Accounts{pool: pool, hasher: newHasher()}
}

// EnsureOwner makes the owner's account when there is no account at all, and
// returns its generated password then; "" when an account exists. Of several
// nodes that start at once, exactly one makes it.
func (a *Accounts) EnsureOwner(ctx context.Context) (password string, err error) {
	var exists bool
	if err := a.pool.QueryRow(ctx, "select exists (select from accounts)").Scan(&exists); err != nil {
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
	tag, err := a.pool.Exec(ctx, `
		insert into accounts (id, email, password_hash, role) values ($1, $2, $3, 'owner')
		on conflict do nothing`, ropeline.NewID[ropeline.AccountID](), OwnerEmail, hash)
	if err != nil {
		return "", ropeline.Unavailable(err)
	}
	if tag.RowsAffected() == 0 {
		return "", nil
	}
	return password, nil
}

// ResetOwner gives the owner a new password and ends all its sessions.
func (a *Accounts) ResetOwner(ctx context.Context) (password string, err error) {
	password = randomText(12)
	hash, err := a.hasher.hash(ctx, password)
	if err != nil {
		return "", err
	}
	err = pgx.BeginFunc(ctx, a.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `
			insert into accounts (id, email, password_hash, role) values ($1, $2, $3, 'owner')
			on conflict (lower(email)) do update set password_hash = excluded.password_hash`,
			ropeline.NewID[ropeline.AccountID](), OwnerEmail, hash); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `delete from sessions where account_id = (select id from accounts where lower(email) = $1)`, OwnerEmail)
		return err
	})
	if err != nil {
		return "", ropeline.Unavailable(err)
	}
	return password, nil
}

// Login checks the password and opens a session. Its answer, and the time it
// takes, do not tell whether the address has an account.
func (a *Accounts) Login(ctx context.Context, email, password string) (token string, account Account, err error) {
	if strings.IndexByte(email, 0) >= 0 || !utf8.ValidString(email) {
		email = "" // nobody's, and nothing that Postgres could compare
	}
	var hash string
	err = a.pool.QueryRow(ctx, "select id, email, role, password_hash from accounts where lower(email) = $1",
		strings.ToLower(strings.TrimSpace(email))).Scan(&account.ID, &account.Email, &account.Role, &hash)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return "", Account{}, ropeline.Unavailable(err)
	}
	matches, err := a.hasher.check(ctx, hash, password)
	if err != nil {
		return "", Account{}, err
	}
	if !matches {
		return "", Account{}, ropeline.Errorf(ropeline.CodeUnauthenticated, "The e-mail address or the password is wrong.")
	}
	token = randomText(32)
	sum := sha256.Sum256([]byte(token))
	if _, err := a.pool.Exec(ctx, `insert into sessions (token_hash, account_id, expires_at) values ($1, $2, now() + $3::interval)`,
		sum[:], account.ID, SessionLife); err != nil {
		return "", Account{}, ropeline.Unavailable(err)
	}
	return token, account, nil
}

// Session finds who holds a session token; code unauthenticated for nobody.
func (a *Accounts) Session(ctx context.Context, token string) (Account, error) {
	sum := sha256.Sum256([]byte(token))
	var account Account
	err := a.pool.QueryRow(ctx, `
		select a.id, a.email, a.role from sessions s join accounts a on a.id = s.account_id
		where s.token_hash = $1 and s.expires_at > now()`, sum[:]).Scan(&account.ID, &account.Email, &account.Role)
	if errors.Is(err, pgx.ErrNoRows) {
		return Account{}, ropeline.Errorf(ropeline.CodeUnauthenticated, "Sign in first.")
	}
	if err != nil {
		return Account{}, ropeline.Unavailable(err)
	}
	return account, nil
}

// Logout ends a session; one that is not there has ended already.
func (a *Accounts) Logout(ctx context.Context, token string) error {
	sum := sha256.Sum256([]byte(token))
	if _, err := a.pool.Exec(ctx, "delete from sessions where token_hash = $1 or expires_at < now()", sum[:]); err != nil {
		return ropeline.Unavailable(err)
	}
	return nil
}

// randomText is base64url of so many random bytes.
func randomText(bytes int) string {
	raw := make([]byte, bytes)
	rand.Read(raw)
	return base64.RawURLEncoding.EncodeToString(raw)
}
