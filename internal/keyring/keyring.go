// Package keyring holds the secrets that the house signs with. They are made
// at the first start, under a lock, and kept in Postgres, so that every node
// signs and verifies alike and nothing has to be configured.
//
// A MAC (HMAC-SHA256) protects what only this house reads: a fan's identity,
// a place. An Ed25519 signature protects what others may verify with the
// public key alone: a pass, a ticket's code, the end of a pace log.
package keyring

import (
	"context"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"hash"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Purpose keeps one use of a key apart from another.
type Purpose string

// The purposes. PurposePass, PurposeTicket and PurposePace are Ed25519 keys, the
// rest MACs.
const (
	PurposeFan      Purpose = "fan"
	PurposePlace    Purpose = "place"
	PurposeRecovery Purpose = "recovery"
	PurposeShopper  Purpose = "shopper"
	PurposeSandbox  Purpose = "sandbox-webhook"
	PurposePass     Purpose = "pass"
	PurposeTicket   Purpose = "ticket"
	PurposePace     Purpose = "pace"
	PurposeWork     Purpose = "work"
	PurposeSession  Purpose = "session"
	PurposeLink     Purpose = "link" // in a mail
	PurposeAccount  Purpose = "account"
)

var macPurposes = []Purpose{PurposeFan, PurposePlace, PurposeRecovery, PurposeShopper, PurposeSandbox, PurposeWork,
	PurposeSession, PurposeLink, PurposeAccount}
var signPurposes = []Purpose{PurposePass, PurposeTicket, PurposePace}

const lockNumber = 0x726f7065 // pg_advisory_xact_lock, "rope"

// Keyring is immutable after Load and safe for concurrent use.
type Keyring struct {
	secrets map[Purpose][]byte
	macs    map[Purpose]*sync.Pool // of keyed hashes: keying costs as much as a MAC
	signers map[Purpose]signer
	public  map[Purpose]map[uint8]ed25519.PublicKey
}

type signer struct {
	id  uint8
	key ed25519.PrivateKey
}

// Load reads the keys, and makes those that are missing.
func Load(ctx context.Context, pool *pgxpool.Pool) (*Keyring, error) {
	k := &Keyring{
		secrets: map[Purpose][]byte{},
		macs:    map[Purpose]*sync.Pool{},
		signers: map[Purpose]signer{},
		public:  map[Purpose]map[uint8]ed25519.PublicKey{},
	}
	err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "select pg_advisory_xact_lock($1)", lockNumber); err != nil {
			return err
		}
		if err := k.loadSecrets(ctx, tx); err != nil {
			return err
		}
		return k.loadSigners(ctx, tx)
	})
	if err != nil {
		return nil, fmt.Errorf("keyring: %w", err)
	}
	return k, nil
}

func (k *Keyring) loadSecrets(ctx context.Context, tx pgx.Tx) error {
	for _, purpose := range macPurposes {
		fresh := make([]byte, 32)
		rand.Read(fresh)
		var value []byte
		err := tx.QueryRow(ctx, `
			insert into secrets (purpose, value) values ($1, $2)
			on conflict (purpose) do update set purpose = excluded.purpose
			returning value`, purpose, fresh).Scan(&value)
		if err != nil {
			return err
		}
		k.secrets[purpose] = value
		k.macs[purpose] = &sync.Pool{New: func() any { return hmac.New(sha256.New, value) }}
	}
	return nil
}

func (k *Keyring) loadSigners(ctx context.Context, tx pgx.Tx) error {
	for _, purpose := range signPurposes {
		fresh := make([]byte, ed25519.SeedSize)
		rand.Read(fresh)
		_, err := tx.Exec(ctx, `
			insert into signing_keys (purpose, seed)
			select $1, $2 where not exists (select from signing_keys where purpose = $1 and retired_at is null)`, purpose, fresh)
		if err != nil {
			return err
		}
		k.public[purpose] = map[uint8]ed25519.PublicKey{}
	}
	rows, err := tx.Query(ctx, "select id, purpose, seed, retired_at is null from signing_keys order by id")
	if err != nil {
		return err
	}
	var (
		id      uint8
		purpose Purpose
		seed    []byte
		active  bool
	)
	_, err = pgx.ForEachRow(rows, []any{&id, &purpose, &seed, &active}, func() error {
		key := ed25519.NewKeyFromSeed(seed)
		if k.public[purpose] == nil {
			k.public[purpose] = map[uint8]ed25519.PublicKey{}
		}
		k.public[purpose][id] = key.Public().(ed25519.PublicKey)
		if active {
			k.signers[purpose] = signer{id: id, key: key}
		}
		return nil
	})
	return err
}

// Secret is the 32-byte MAC key of a purpose.
func (k *Keyring) Secret(purpose Purpose) []byte { return k.secrets[purpose] }

// MAC returns the first 16 bytes of HMAC-SHA256 over the message.
func (k *Keyring) MAC(purpose Purpose, message []byte) []byte {
	pool := k.macs[purpose]
	mac := pool.Get().(hash.Hash)
	mac.Reset()
	mac.Write(message)
	sum := mac.Sum(make([]byte, 0, sha256.Size))
	pool.Put(mac)
	return sum[:16]
}

// CheckMAC tells in constant time whether mac belongs to the message.
func (k *Keyring) CheckMAC(purpose Purpose, message, mac []byte) bool {
	return hmac.Equal(k.MAC(purpose, message), mac)
}

// Sign returns the id of the key in use and its 64-byte Ed25519 signature.
func (k *Keyring) Sign(purpose Purpose, message []byte) (keyID uint8, signature []byte) {
	s := k.signers[purpose]
	return s.id, ed25519.Sign(s.key, message)
}

// SigningKeyID is the id of the key that Sign uses now.
func (k *Keyring) SigningKeyID(purpose Purpose) uint8 { return k.signers[purpose].id }

// Verify checks a signature made by Sign, with any key that was ever in use.
func (k *Keyring) Verify(purpose Purpose, keyID uint8, message, signature []byte) bool {
	key, known := k.public[purpose][keyID]
	return known && ed25519.Verify(key, message, signature)
}

// Public lists the public keys of a purpose by their id.
func (k *Keyring) Public(purpose Purpose) map[uint8]ed25519.PublicKey { return k.public[purpose] }
