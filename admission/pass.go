package admission

import (
	"crypto/ed25519"
	"encoding/base64"
	"time"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/internal/keyring"
)

// Pass is the right to enter, once, for one fan and one event.
type Pass struct {
	Event     ropeline.EventID
	Fan       ropeline.FanID
	Number    int64
	Epoch     int64
	ID        string // "<epoch>.<number>"
	IssuedAt  time.Time
	ExpiresAt time.Time
}

// Pass signs the pass of a shopper: base64url of version, key id, event, fan,
// epoch, number, milliseconds of issue and of validity as varints, and the
// Ed25519 signature over all before it. About 190 characters, and the same on
// every node and every time under one key.
func (a *Admission) Pass(s Shopper) string {
	issued := s.AdmittedAt.UnixMilli()
	facts := claims{s.Event, s.Fan, [4]int64{s.Epoch, s.Number, issued, s.PassUntil.UnixMilli() - issued}}
	body, signature := a.keys.SignWith(keyring.PurposePass, func(keyID uint8) []byte {
		return facts.appendTo([]byte{tokenV1, keyID})
	})
	return base64.RawURLEncoding.EncodeToString(append(body, signature...))
}

// ParsePass verifies a pass without any engine. Codes: pass_invalid for one
// that this house did not sign, pass_expired (with the pass) for a late one.
func (a *Admission) ParsePass(token string, now time.Time) (Pass, error) {
	invalid := ropeline.Errorf(ropeline.CodePassInvalid, "This is not a pass.")
	raw, ok := decodeToken(token)
	if !ok || len(raw) < 2+ed25519.SignatureSize || raw[0] != tokenV1 {
		return Pass{}, invalid
	}
	body, signature := raw[:len(raw)-ed25519.SignatureSize], raw[len(raw)-ed25519.SignatureSize:]
	if !a.keys.Verify(keyring.PurposePass, body[1], body, signature) {
		return Pass{}, invalid
	}
	c, ok := parseClaims(body[2:])
	if !ok {
		return Pass{}, invalid
	}
	p := Pass{
		Event:     c.event,
		Fan:       c.fan,
		Epoch:     c.numbers[0],
		Number:    c.numbers[1],
		ID:        passID(c.numbers[0], c.numbers[1]),
		IssuedAt:  time.UnixMilli(c.numbers[2]),
		ExpiresAt: time.UnixMilli(c.numbers[2] + c.numbers[3]),
	}
	if !now.Before(p.ExpiresAt) {
		return p, passExpired()
	}
	return p, nil
}

func passExpired() error {
	return ropeline.Errorf(ropeline.CodePassExpired, "The time to enter is over. You may join the line again.")
}
