package admission

import (
	"encoding/base64"
	"encoding/binary"

	"github.com/ropeline/ropeline"
)

const (
	idLength = 26 // of every id, see package ropeline
	tokenV1  = 1
)

// claims are what a pass and a shopper token say: who, where, and numbers.
type claims struct {
	event   ropeline.EventID
	fan     ropeline.FanID
	numbers [4]int64
}

// appendTo writes the claims: event, fan, and each number as a varint.
func (c claims) appendTo(b []byte) []byte {
	b = append(b, c.event...)
	b = append(b, c.fan...)
	for _, n := range c.numbers {
		b = binary.AppendUvarint(b, uint64(n))
	}
	return b
}

// parseClaims reads what appendTo wrote; false when something is missing,
// left over, or negative.
func parseClaims(b []byte) (claims, bool) {
	var c claims
	if len(b) < 2*idLength {
		return c, false
	}
	c.event, c.fan = ropeline.EventID(b[:idLength]), ropeline.FanID(b[idLength:2*idLength])
	b = b[2*idLength:]
	for i := range c.numbers {
		n, size := binary.Uvarint(b)
		if size <= 0 || int64(n) < 0 {
			return c, false
		}
		c.numbers[i] = int64(n)
		b = b[size:]
	}
	return c, len(b) == 0
}

// maxToken is the longest that a token of ours can be, in characters.
const maxToken = (2+2*idLength+4*binary.MaxVarintLen64+64+2)/3*4 + 1

// decodeToken undoes base64url strictly: one text for one token.
func decodeToken(token string) ([]byte, bool) {
	if len(token) > maxToken {
		return nil, false
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || base64.RawURLEncoding.EncodedLen(len(raw)) != len(token) { // it skips line breaks
		return nil, false
	}
	return raw, true
}
