package admission

import (
	"crypto/hmac"
	"encoding/base64"
	"time"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/internal/keyring"
)

const macLength = 16

// ShopperToken signs what an entered shopper shows with each request:
// base64url of version, event, fan, epoch, number, admission and end of the
// shopping time in milliseconds as varints, and 16 bytes of HMAC-SHA256.
func (a *Admission) ShopperToken(s Shopper) string {
	body := claims{s.Event, s.Fan, [4]int64{s.Epoch, s.Number, s.AdmittedAt.UnixMilli(), s.ShopUntil.UnixMilli()}}.
		appendTo([]byte{tokenV1})
	return base64.RawURLEncoding.EncodeToString(append(body, a.keys.MAC(keyring.PurposeShopper, body)...))
}

// ParseShopper verifies a shopper token without any engine. The shopper is
// Entered and has no PassUntil. Codes: no_pass for what this house did not
// sign, pass_expired when the time to shop is over.
func (a *Admission) ParseShopper(token string, now time.Time) (Shopper, error) {
	none := ropeline.Errorf(ropeline.CodeNoPass, "Only fans who were admitted and have entered may do this.")
	raw, ok := decodeToken(token)
	if !ok || len(raw) < 1+macLength || raw[0] != tokenV1 {
		return Shopper{}, none
	}
	body, mac := raw[:len(raw)-macLength], raw[len(raw)-macLength:]
	if !hmac.Equal(a.keys.MAC(keyring.PurposeShopper, body), mac) {
		return Shopper{}, none
	}
	c, ok := parseClaims(body[1:])
	if !ok {
		return Shopper{}, none
	}
	s := Shopper{
		Event:      c.event,
		Fan:        c.fan,
		Epoch:      c.numbers[0],
		Number:     c.numbers[1],
		PassID:     passID(c.numbers[0], c.numbers[1]),
		State:      StateEntered,
		AdmittedAt: time.UnixMilli(c.numbers[2]),
		ShopUntil:  time.UnixMilli(c.numbers[3]),
	}
	if !now.Before(s.ShopUntil) {
		return s, ropeline.Errorf(ropeline.CodePassExpired, "The time to shop is over. You may join the line again.")
	}
	return s, nil
}
