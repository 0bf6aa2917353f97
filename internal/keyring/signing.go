package keyring

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	refreshEvery = 2 * time.Second
	refreshTime  = 5 * time.Second
	// Lead is how long a new key is published before it signs: several refreshes.
	Lead = 10 * time.Second
)

// Key is the public half of a signing key.
type Key struct {
	ID        uint8
	Purpose   Purpose
	Public    ed25519.PublicKey
	CreatedAt time.Time
	ActiveAt  time.Time // signs from then on, until a newer key does
	Signs     bool      // is the one that signs
}

// signing is one reading of the signing keys.
type signing struct {
	signers map[Purpose]signer
	public  map[Purpose]map[uint8]ed25519.PublicKey
}

type signer struct {
	id  uint8
	key ed25519.PrivateKey
}

func makeSigners(ctx context.Context, tx pgx.Tx) error {
	for _, purpose := range signPurposes {
		_, err := tx.Exec(ctx, `
			insert into signing_keys (purpose, seed)
			select $1, $2 where not exists (select from signing_keys where purpose = $1 and retired_at is null)`, purpose, freshSeed())
		if err != nil {
			return err
		}
	}
	return nil
}

func freshSeed() []byte {
	seed := make([]byte, ed25519.SeedSize)
	rand.Read(seed)
	return seed
}

// Run reads the signing keys again every two seconds until ctx ends.
func (k *Keyring) Run(ctx context.Context, log *slog.Logger) error {
	ticker := time.NewTicker(refreshEvery)
	defer ticker.Stop()
	away := false
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
		err := k.Refresh(ctx)
		if err != nil && !away && ctx.Err() == nil {
			log.Warn("the signing keys cannot be read; those known are kept", "err", err)
		}
		away = err != nil
	}
}

// Refresh reads the signing keys once. Of a purpose's keys the newest one
// whose time has come, by Postgres' clock, signs.
func (k *Keyring) Refresh(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, refreshTime)
	defer cancel()
	rows, err := k.pool.Query(ctx, "select id, purpose, seed, active_at <= now() from signing_keys order by active_at, id")
	if err != nil {
		return err
	}
	next := &signing{signers: map[Purpose]signer{}, public: map[Purpose]map[uint8]ed25519.PublicKey{}}
	var (
		id      uint8
		purpose Purpose
		seed    []byte
		active  bool
	)
	_, err = pgx.ForEachRow(rows, []any{&id, &purpose, &seed, &active}, func() error {
		key := ed25519.NewKeyFromSeed(seed)
		if next.public[purpose] == nil {
			next.public[purpose] = map[uint8]ed25519.PublicKey{}
		}
		next.public[purpose][id] = key.Public().(ed25519.PublicKey)
		if active {
			next.signers[purpose] = signer{id: id, key: key}
		}
		return nil
	})
	if err == nil {
		k.signing.Store(next)
	}
	return err
}

// Keys lists the signing keys of a purpose as they are in Postgres, oldest first.
func (k *Keyring) Keys(ctx context.Context, purpose Purpose) ([]Key, error) {
	rows, err := k.pool.Query(ctx, `
		select id, seed, created_at, active_at, id = (select id from signing_keys
			where purpose = $1 and active_at <= now() order by active_at desc, id desc limit 1)
		from signing_keys where purpose = $1 order by active_at, id`, purpose)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (Key, error) {
		key := Key{Purpose: purpose}
		var seed []byte
		err := row.Scan(&key.ID, &seed, &key.CreatedAt, &key.ActiveAt, &key.Signs)
		key.Public = ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey)
		return key, err
	})
}

// Rotate makes a new key of a purpose. It is published at once and signs after
// Lead; the keys before it go on verifying. A house has 256 key ids in all.
func (k *Keyring) Rotate(ctx context.Context, purpose Purpose) (Key, error) {
	if !slices.Contains(signPurposes, purpose) {
		return Key{}, fmt.Errorf("keyring: there are no signing keys for %q", purpose)
	}
	var id uint8
	err := pgx.BeginFunc(ctx, k.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "select pg_advisory_xact_lock($1)", lockNumber); err != nil {
			return err
		}
		return tx.QueryRow(ctx, `
			with old as (
				update signing_keys set retired_at = now() + $3::interval where purpose = $1 and retired_at is null
			)
			insert into signing_keys (purpose, seed, active_at) values ($1, $2, now() + $3::interval) returning id`,
			purpose, freshSeed(), Lead).Scan(&id)
	})
	if err != nil {
		return Key{}, fmt.Errorf("keyring: %w", err)
	}
	keys, err := k.Keys(ctx, purpose)
	if err != nil {
		return Key{}, fmt.Errorf("keyring: %w", err)
	}
	at := slices.IndexFunc(keys, func(key Key) bool { return key.ID == id })
	if at < 0 {
		return Key{}, errors.New("keyring: the new key is gone")
	}
	return keys[at], nil
}

// Sign returns the id of the key in use and its 64-byte Ed25519 signature.
func (k *Keyring) Sign(purpose Purpose, message []byte) (keyID uint8, signature []byte) {
	s := k.signing.Load().signers[purpose]
	return s.id, ed25519.Sign(s.key, message)
}

// SignWith signs what begins with its key's id: fill is given the id, and
// returns the message.
func (k *Keyring) SignWith(purpose Purpose, fill func(keyID uint8) []byte) (message, signature []byte) {
	s := k.signing.Load().signers[purpose]
	message = fill(s.id)
	return message, ed25519.Sign(s.key, message)
}

// Verify checks a signature made by Sign, with any key that was ever in use.
func (k *Keyring) Verify(purpose Purpose, keyID uint8, message, signature []byte) bool {
	key, known := k.signing.Load().public[purpose][keyID]
	return known && ed25519.Verify(key, message, signature)
}

// Public lists the public keys of a purpose by their id.
func (k *Keyring) Public(purpose Purpose) map[uint8]ed25519.PublicKey {
	return k.signing.Load().public[purpose]
}
