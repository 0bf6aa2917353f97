// Package keyring holds the secrets that the house signs with. They are made
// at the first start, under a lock, and kept in Postgres, so that every node
// signs and verifies alike and nothing has to be configured.
//
// A MAC (HMAC-SHA256) protects what only this house reads: a fan's identity,
// a place. An Ed25519 signature protects what others may verify with the
// public key alone: a pass, a ticket's code, the end of a pace log.
//
// Signing keys rotate: each has an id, which stands in what it signs, and one
// of each purpose signs. A new key is published some seconds before it begins
// to sign, so that every node knows it by then; old ones go on verifying.
// While Postgres is away a node signs and verifies with the keys it has.
package keyring

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"sync"
	"sync/atomic"

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
	PurposeFraud    Purpose = "fraud"
	PurposeAddress  Purpose = "address" // network addresses in the audit log
	PurposeHouse    Purpose = "house"   // its name
)

var macPurposes = []Purpose{PurposeFan, PurposePlace, PurposeRecovery, PurposeShopper, PurposeSandbox, PurposeWork,
	PurposeSession, PurposeLink, PurposeAccount, PurposeAddress, PurposeFraud, PurposeHouse}
var signPurposes = []Purpose{PurposePass, PurposeTicket, PurposePace}

const lockNumber = 0x726f7065 // pg_advisory_xact_lock, "rope"

// Keyring signs and verifies; safe for concurrent use. Its secrets never
// change. Run keeps its signing keys as they are in Postgres.
type Keyring struct {
	pool    *pgxpool.Pool
	secrets map[Purpose][]byte
	macs    map[Purpose]*sync.Pool // of keyed hashes: keying costs as much as a MAC
	signing atomic.Pointer[signing]
}

// Load reads the keys, and makes those that are missing.
func Load(ctx context.Context, pool *pgxpool.Pool) (*Keyring, error) {
	k := &Keyring{pool: pool, secrets: map[Purpose][]byte{}, macs: map[Purpose]*sync.Pool{}}
	err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "select pg_advisory_xact_lock($1)", lockNumber); err != nil {
			return err
		}
		if err := k.loadSecrets(ctx, tx); err != nil {
			return err
		}
		return makeSigners(ctx, tx)
	})
	if err == nil {
		err = k.Refresh(ctx)
	}
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
		k.macs[purpose] = &sync.Pool{New: func() any { return &keyed{hash: hmac.New(sha256.New, value)} }}
	}
	return nil
}

// Secret is the 32-byte MAC key of a purpose.
func (k *Keyring) Secret(purpose Purpose) []byte { return k.secrets[purpose] }

// House names the house to others, as among those that share an account at a
// gateway: 32 hex digits, always the same, and no secret.
func (k *Keyring) House() string { return hex.EncodeToString(k.MAC(PurposeHouse, nil)) }

// keyed is a keyed hash with what would be allocated for each MAC.
type keyed struct {
	hash    hash.Hash
	message []byte
	sum     [sha256.Size]byte
}

// MAC returns the first 16 bytes of HMAC-SHA256 over the message.
func (k *Keyring) MAC(purpose Purpose, message []byte) []byte {
	return k.AppendMAC(nil, purpose, message)
}

// AppendMAC appends the MAC of a message to dst, which may hold the message
// too. Neither has to be on the heap.
func (k *Keyring) AppendMAC(dst []byte, purpose Purpose, message []byte) []byte {
	pool := k.macs[purpose]
	mac := pool.Get().(*keyed)
	mac.message = append(mac.message[:0], message...)
	mac.hash.Reset()
	mac.hash.Write(mac.message)
	mac.hash.Sum(mac.sum[:0])
	dst = append(dst, mac.sum[:16]...)
	pool.Put(mac)
	return dst
}

// CheckMAC tells in constant time whether mac belongs to the message.
func (k *Keyring) CheckMAC(purpose Purpose, message, mac []byte) bool {
	return hmac.Equal(k.MAC(purpose, message), mac)
}
