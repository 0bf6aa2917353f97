package identity

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
)

// Actor finds who holds a session, with all memberships; code unauthenticated.
func (a *Accounts) Actor(ctx context.Context, token string) (Actor, error) {
	if IsKey(token) {
		return a.keyActor(ctx, token)
	}
	var actor Actor
	if _, err := a.Claim(token); err != nil {
		return actor, err
	}
	sum := sha256.Sum256([]byte(token))
	rows, err := a.pool.Query(ctx, `
		select a.id, a.email, s.totp, coalesce(m.organization_id, ''), coalesce(o.name, ''), coalesce(m.role, ''), coalesce(o.totp_required, false)
		from sessions s join accounts a on a.id = s.account_id
			left join memberships m on m.account_id = a.id left join organizations o on o.id = m.organization_id
		where s.token_hash = $1 and s.expires_at > now() order by m.created_at, m.organization_id`, sum[:])
	if err != nil {
		return actor, ropeline.Unavailable(err)
	}
	var m Membership
	_, err = pgx.ForEachRow(rows, []any{&actor.ID, &actor.Email, &actor.TOTP, &m.Organization, &m.Name, &m.Role, &m.TOTPRequired}, func() error {
		if m.Organization != "" {
			actor.Members = append(actor.Members, m)
		}
		return nil
	})
	if err != nil {
		return Actor{}, ropeline.Unavailable(err)
	}
	if actor.ID == "" {
		return Actor{}, ropeline.Errorf(ropeline.CodeUnauthenticated, "Log in first.")
	}
	return actor, nil
}

// Key is an API key of an organization. Its token, "rlk_<prefix>_<secret>",
// is told once.
type Key struct {
	ID         ropeline.AccountID `json:"id"`
	Name       string             `json:"name"`
	Prefix     string             `json:"prefix"`
	Scopes     []Action           `json:"scopes"`
	CreatedBy  string             `json:"created_by"`
	CreatedAt  time.Time          `json:"created_at"`
	LastUsedAt *time.Time         `json:"last_used_at,omitempty"`
	Token      string             `json:"token,omitempty"`
}

const keyBegins = "rlk_"

// IsKey tells by its form an API key from a session.
func IsKey(token string) bool { return strings.HasPrefix(token, keyBegins) }

// CreateKey makes a key with some scopes.
func (a *Accounts) CreateKey(ctx context.Context, tx pgx.Tx, organization ropeline.OrganizationID, name string, scopes []Action, by string) (Key, error) {
	if err := checkName(strings.TrimSpace(name)); err != nil {
		return Key{}, err
	}
	scopes = slices.Compact(slices.Sorted(slices.Values(scopes)))
	if len(scopes) == 0 {
		return Key{}, ropeline.Errorf(ropeline.CodeInvalidRequest, "A key needs a scope: %v.", Actions())
	}
	for _, scope := range scopes {
		if !slices.Contains(Actions(), scope) {
			return Key{}, ropeline.Errorf(ropeline.CodeInvalidRequest, "%q is no scope of a key.", scope)
		}
	}
	k := Key{ID: ropeline.NewID[ropeline.AccountID](), Name: strings.TrimSpace(name), Prefix: strings.NewReplacer("-", "x", "_", "y").Replace(randomText(6)), Scopes: scopes, CreatedBy: by}
	secret := randomText(32)
	sum := sha256.Sum256([]byte(secret))
	err := tx.QueryRow(ctx, `insert into api_keys (id, organization_id, name, prefix, secret, scopes, created_by)
		values ($1, $2, $3, $4, $5, $6, $7) returning created_at`, k.ID, organization, k.Name, k.Prefix, sum[:], scopes, by).Scan(&k.CreatedAt)
	if err != nil {
		return Key{}, ropeline.Unavailable(err)
	}
	k.Token = keyBegins + k.Prefix + "_" + secret
	return k, nil
}

// Keys lists the keys of an organization that work, without their secrets.
func (a *Accounts) Keys(ctx context.Context, organization ropeline.OrganizationID) ([]Key, error) {
	rows, err := a.pool.Query(ctx, `select id, name, prefix, scopes, created_by, created_at, last_used_at, '' from api_keys
		where organization_id = $1 and revoked_at is null order by created_at`, organization)
	if err != nil {
		return nil, ropeline.Unavailable(err)
	}
	keys, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Key])
	if err != nil {
		return nil, ropeline.Unavailable(err)
	}
	return keys, nil
}

// RevokeKey ends a key at once; code not_found.
func (a *Accounts) RevokeKey(ctx context.Context, tx pgx.Tx, organization ropeline.OrganizationID, id string) error {
	tag, err := tx.Exec(ctx, "update api_keys set revoked_at = now() where organization_id = $1 and id = $2 and revoked_at is null", organization, id)
	if err != nil {
		return ropeline.Unavailable(err)
	}
	if tag.RowsAffected() == 0 {
		return ropeline.Errorf(ropeline.CodeNotFound, "There is no such key.")
	}
	return nil
}

func (a *Accounts) keyActor(ctx context.Context, token string) (Actor, error) {
	nobody := ropeline.Errorf(ropeline.CodeUnauthenticated, "The key is not valid.")
	prefix, secret, found := strings.Cut(strings.TrimPrefix(token, keyBegins), "_")
	if _, err := base64.RawURLEncoding.DecodeString(secret); !found || err != nil || len(token) > 100 || !printable(token) {
		return Actor{}, nobody
	}
	actor := Actor{Key: true}
	var m Membership
	var want []byte
	var name string
	var stale bool
	err := a.pool.QueryRow(ctx, `
		select k.id, k.name, k.secret, k.scopes, o.id, o.name, k.last_used_at is null or k.last_used_at < now() - interval '1 minute'
		from api_keys k join organizations o on o.id = k.organization_id where k.prefix = $1 and k.revoked_at is null`, prefix).
		Scan(&actor.ID, &name, &want, &actor.Scopes, &m.Organization, &m.Name, &stale)
	if errors.Is(err, pgx.ErrNoRows) {
		return Actor{}, nobody
	}
	if err != nil {
		return Actor{}, ropeline.Unavailable(err)
	}
	sum := sha256.Sum256([]byte(secret))
	if subtle.ConstantTimeCompare(sum[:], want) != 1 {
		return Actor{}, nobody
	}
	if stale {
		if _, err := a.pool.Exec(ctx, "update api_keys set last_used_at = now() where id = $1", actor.ID); err != nil {
			return Actor{}, ropeline.Unavailable(err)
		}
	}
	actor.Email = "key " + prefix + " (" + name + ")"
	actor.Members = []Membership{m}
	return actor, nil
}
