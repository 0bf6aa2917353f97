package identity

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/internal/keyring"
)

// How long a log-in lasts.
const (
	SessionLife = 12 * time.Hour      // of somebody who organizes
	FanLife     = 30 * 24 * time.Hour // of a fan
)

// A session's token is base64url of the account's id, 16 random bytes, the end
// in Unix seconds and 16 bytes of MAC: 83 characters. Postgres keeps its
// SHA-256. The MAC lets a node know the account without asking, see Claim.
const (
	idLength     = 26
	nonceLength  = 16
	macLength    = 16
	tokenLength  = idLength + nonceLength + 4 + macLength
	tokenLetters = (tokenLength*8 + 5) / 6
	mostDevice   = 200 // characters
)

// Session is one log-in of an account.
type Session struct {
	ID        string // for lists: it opens nothing
	Device    string // what the browser called itself
	CreatedAt time.Time
	ExpiresAt time.Time
}

// Login checks the password, and the code of the second factor where the
// account has one, and opens a session. Its answer, and the time it takes, do
// not tell whether the address has an account. Codes: unauthenticated, and
// totp_needed when the password is right and a code is missing.
func (a *Accounts) Login(ctx context.Context, email, password, code, device string) (token string, account Account, ends time.Time, err error) {
	if strings.IndexByte(email, 0) >= 0 || !utf8.ValidString(email) {
		email = "" // nobody's, and nothing that Postgres could compare
	}
	var hash string
	err = a.pool.QueryRow(ctx, "select id, email, password_hash from accounts where lower(email) = $1",
		strings.ToLower(strings.TrimSpace(email))).Scan(&account.ID, &account.Email, &hash)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return "", Account{}, ends, ropeline.Unavailable(err)
	}
	matches, err := a.hasher.check(ctx, hash, password)
	if err != nil {
		return "", Account{}, ends, err
	}
	if !matches {
		return "", Account{}, ends, ropeline.Errorf(ropeline.CodeUnauthenticated, "The e-mail address or the password is wrong.")
	}
	token, ends, err = a.enter(ctx, account, code, device)
	if ropeline.CodeOf(err) == ropeline.CodeTOTPNeeded && err != nil {
		return a.signLink(link{Kind: linkHalf, Email: account.Email}, time.Now().Add(halfLife)), Account{}, ends, err
	}
	if err != nil {
		return "", Account{}, ends, err
	}
	return token, account, ends, nil
}

// LoginHalf is the second half of a Login that needed a code: half is the
// token that Login returned with totp_needed. It works for five minutes, so
// that the page which asks for the code need not carry the password.
func (a *Accounts) LoginHalf(ctx context.Context, half, code, device string) (token string, account Account, ends time.Time, err error) {
	if account.Email, err = a.HalfEmail(half); err != nil {
		return "", Account{}, ends, err
	}
	if code == "" {
		return "", Account{}, ends, errCode()
	}
	if err := a.pool.QueryRow(ctx, "select id from accounts where lower(email) = $1", account.Email).Scan(&account.ID); err != nil {
		return "", Account{}, ends, ropeline.Unavailable(err)
	}
	if token, ends, err = a.enter(ctx, account, code, device); err != nil {
		return "", Account{}, ends, err
	}
	return token, account, ends, nil
}

// HalfEmail is whose the first half of a log-in is; code unauthenticated for
// one that is not ours, or older than five minutes.
func (a *Accounts) HalfEmail(half string) (string, error) {
	l, err := a.parseLink(half)
	if err != nil || l.Kind != linkHalf {
		return "", ropeline.Errorf(ropeline.CodeUnauthenticated, "That took too long: log in again.")
	}
	return l.Email, nil
}

const (
	linkHalf = "half"
	halfLife = 5 * time.Minute
)

// enter opens a session for whoever knew the password, and the code where one
// is needed.
func (a *Accounts) enter(ctx context.Context, account Account, code, device string) (token string, ends time.Time, err error) {
	err = a.within(ctx, func(tx pgx.Tx) error {
		factor, err := a.secondFactor(ctx, tx, account.ID, code)
		if err != nil {
			return err
		}
		if err := a.adopt(ctx, tx, account); err != nil { // what was bought since, without logging in
			return err
		}
		token, ends, err = a.open(ctx, tx, account, device, factor)
		return err
	})
	return token, ends, err
}

// Adopt gives an account what came to its address since it last logged in.
func (a *Accounts) Adopt(ctx context.Context, account Account) error {
	return a.within(ctx, func(tx pgx.Tx) error { return a.adopt(ctx, tx, account) })
}

// adopt leaves out the address that the house made up itself.
func (a *Accounts) adopt(ctx context.Context, tx pgx.Tx, account Account) error {
	if account.Email == OwnerEmail || a.options.Adopt == nil {
		return nil
	}
	return a.options.Adopt(ctx, tx, account.ID, account.Email)
}

// open writes a new session; factor tells that a second factor was shown.
func (a *Accounts) open(ctx context.Context, tx pgx.Tx, account Account, device string, factor bool) (token string, ends time.Time, err error) {
	var organizes bool
	if err := tx.QueryRow(ctx, "select exists (select from memberships where account_id = $1)", account.ID).Scan(&organizes); err != nil {
		return "", ends, err
	}
	life := FanLife
	if organizes {
		life = SessionLife
	}
	ends = time.Now().Add(life).Truncate(time.Second)
	token = a.token(account.ID, ends)
	sum := sha256.Sum256([]byte(token))
	_, err = tx.Exec(ctx, `insert into sessions (token_hash, account_id, expires_at, device, totp) values ($1, $2, $3, $4, $5)`,
		sum[:], account.ID, ends, deviceName(device), factor)
	return token, ends, err
}

func deviceName(s string) string {
	s = strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", ""), "")
	if runes := []rune(s); len(runes) > mostDevice {
		s = string(runes[:mostDevice])
	}
	return s
}

func (a *Accounts) token(account ropeline.AccountID, ends time.Time) string {
	body := make([]byte, 0, tokenLength)
	body = append(body, account...)
	body = body[:idLength+nonceLength]
	rand.Read(body[idLength:])
	body = binary.BigEndian.AppendUint32(body, uint32(ends.Unix()))
	return base64.RawURLEncoding.EncodeToString(append(body, a.keys.MAC(keyring.PurposeSession, body)...))
}

// Claim tells whose session a token is, without asking Postgres: the session
// may have been ended meanwhile. It is enough to look at a place in a line,
// and for nothing else. Code unauthenticated.
func (a *Accounts) Claim(token string) (ropeline.AccountID, error) {
	nobody := ropeline.Errorf(ropeline.CodeUnauthenticated, "Log in first.")
	if !IsSession(token) {
		return "", nobody
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(raw) != tokenLength || !a.keys.CheckMAC(keyring.PurposeSession, raw[:tokenLength-macLength], raw[tokenLength-macLength:]) {
		return "", nobody
	}
	if ends := binary.BigEndian.Uint32(raw[idLength+nonceLength:]); time.Now().Unix() >= int64(ends) {
		return "", nobody
	}
	return ropeline.AccountID(raw[:idLength]), nil
}

// IsSession tells by its form a session's token from an anonymous fan's.
func IsSession(token string) bool {
	return len(token) == tokenLetters && !strings.Contains(token, ".")
}

// Session finds who holds a session token; code unauthenticated for nobody.
func (a *Accounts) Session(ctx context.Context, token string) (Account, error) {
	var account Account
	if _, err := a.Claim(token); err != nil {
		return account, err
	}
	sum := sha256.Sum256([]byte(token))
	err := a.pool.QueryRow(ctx, `
		select a.id, a.email from sessions s join accounts a on a.id = s.account_id
		where s.token_hash = $1 and s.expires_at > now()`, sum[:]).Scan(&account.ID, &account.Email)
	if errors.Is(err, pgx.ErrNoRows) {
		return Account{}, ropeline.Errorf(ropeline.CodeUnauthenticated, "Log in first.")
	}
	if err != nil {
		return Account{}, ropeline.Unavailable(err)
	}
	return account, nil
}

// Sessions lists where an account is logged in, the newest first.
func (a *Accounts) Sessions(ctx context.Context, account ropeline.AccountID) ([]Session, error) {
	rows, err := a.pool.Query(ctx, `
		select substr(token_hash, 1, 6), device, created_at, expires_at from sessions
		where account_id = $1 and expires_at > now() order by created_at desc limit 100`, account)
	if err != nil {
		return nil, ropeline.Unavailable(err)
	}
	sessions, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Session, error) {
		var s Session
		var sum []byte
		err := row.Scan(&sum, &s.Device, &s.CreatedAt, &s.ExpiresAt)
		s.ID = hex.EncodeToString(sum)
		return s, err
	})
	if err != nil {
		return nil, ropeline.Unavailable(err)
	}
	return sessions, nil
}

func tokenSum(token string) []byte {
	sum := sha256.Sum256([]byte(token))
	return sum[:]
}

// SessionID is how Sessions names the session of a token.
func SessionID(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:6])
}

// Logout ends a session; one that is not there has ended already.
func (a *Accounts) Logout(ctx context.Context, token string) error {
	sum := sha256.Sum256([]byte(token))
	if _, err := a.pool.Exec(ctx, "delete from sessions where token_hash = $1 or expires_at < now()", sum[:]); err != nil {
		return ropeline.Unavailable(err)
	}
	return nil
}

// LogoutEverywhere ends every session of an account.
func (a *Accounts) LogoutEverywhere(ctx context.Context, account ropeline.AccountID) error {
	if _, err := a.pool.Exec(ctx, "delete from sessions where account_id = $1", account); err != nil {
		return ropeline.Unavailable(err)
	}
	return nil
}
