package identity

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"
	"time"

	"golang.org/x/crypto/argon2"

	"github.com/ropeline/ropeline"
)

// argon2id with the second recommended option of RFC 9106, section 4, at
// 19 MiB and two passes as OWASP's password storage cheat sheet gives it.
const (
	argonKey  = 32
	argonSalt = 16

	leastPassword = 10
	mostPassword  = 256 // bytes; longer ones are refused before any hashing
	atOnce        = 4   // hashes computed at the same time: 76 MiB at the most
	mostWaiting   = 64  // hashes that wait for their turn; more are refused at once
	longestWait   = 5 * time.Second
)

// cost is what a hash was made with; it stands in the hash, so raising today's
// cost leaves older passwords valid.
type cost struct {
	memory  uint32 // KiB
	time    uint32
	threads uint8
}

var today = cost{memory: 19 * 1024, time: 2, threads: 1}

// hasher computes argon2id, a few at a time, and lets few wait: a flood of
// log-ins takes no more memory and time than that.
type hasher struct {
	seats chan struct{}
	queue chan struct{} // a token for each that is computed or waits
	today cost
	none  string // the hash of nobody's password, to spend the same time on
}

func newHasher(memory uint32) *hasher {
	h := &hasher{seats: make(chan struct{}, atOnce), queue: make(chan struct{}, atOnce+mostWaiting), today: today}
	if memory > 0 {
		h.today.memory = memory
	}
	h.none = h.encode(make([]byte, argonSalt), make([]byte, argonKey))
	return h
}

func (h *hasher) hash(ctx context.Context, password string) (string, error) {
	salt := make([]byte, argonSalt)
	rand.Read(salt)
	key, err := h.derive(ctx, password, salt, h.today)
	if err != nil {
		return "", err
	}
	return h.encode(salt, key), nil
}

// check compares in constant time; an empty hash never matches.
func (h *hasher) check(ctx context.Context, hash, password string) (bool, error) {
	if len(password) > mostPassword {
		return false, nil
	}
	known := hash != ""
	if !known {
		hash = h.none
	}
	cost, salt, want, err := decode(hash)
	if err != nil {
		return false, err
	}
	key, err := h.derive(ctx, password, salt, cost)
	if err != nil {
		return false, err
	}
	return known && subtle.ConstantTimeCompare(key, want) == 1, nil
}

func (h *hasher) derive(ctx context.Context, password string, salt []byte, c cost) ([]byte, error) {
	select {
	case h.queue <- struct{}{}:
		defer func() { <-h.queue }()
	default:
		return nil, errCrowded()
	}
	ctx, cancel := context.WithTimeout(ctx, longestWait)
	defer cancel()
	select {
	case h.seats <- struct{}{}:
		defer func() { <-h.seats }()
	case <-ctx.Done():
		return nil, errCrowded()
	}
	return argon2.IDKey([]byte(password), salt, c.time, c.memory, c.threads, argonKey), nil
}

func errCrowded() error {
	return &ropeline.Error{Code: ropeline.CodeUnavailable, Message: "Too many people log in at this moment. Try again in a few seconds.", RetryAfter: longestWait}
}

// encode writes the PHC string format.
func (h *hasher) encode(salt, key []byte) string {
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, h.today.memory, h.today.time, h.today.threads,
		b64.EncodeToString(salt), b64.EncodeToString(key))
}

func decode(hash string) (c cost, salt, key []byte, err error) {
	parts := strings.Split(hash, "$")
	if len(parts) != 6 || parts[1] != "argon2id" {
		return c, nil, nil, fmt.Errorf("identity: a password hash is not in PHC form")
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &c.memory, &c.time, &c.threads); err != nil {
		return c, nil, nil, fmt.Errorf("identity: the cost of a password hash: %w", err)
	}
	b64 := base64.RawStdEncoding
	if salt, err = b64.DecodeString(parts[4]); err == nil {
		key, err = b64.DecodeString(parts[5])
	}
	return c, salt, key, err
}
