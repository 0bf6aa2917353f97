package queue

import (
	"crypto/hmac"
	"encoding/base64"
	"encoding/binary"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/internal/keyring"
)

// NoNumber stands for the number of a fan in the lobby.
const NoNumber = -1

// Place is a fan's number in the line of an event, in the epoch in which it
// was last confirmed. The fan holds it as a token and shows it to come back
// after the line was lost. In the lobby it has NoNumber yet.
type Place struct {
	Event  ropeline.EventID
	Fan    ropeline.FanID
	Number int64
	Epoch  int64
}

// InLobby tells whether the place was given in the lobby, before the draw.
func (p Place) InLobby() bool { return p.Number < 0 }

const (
	idLength   = 26 // of every id, see package ropeline
	placeV1    = 1
	macLength  = 16
	maxPlace   = 1 + 2*idLength + 2*binary.MaxVarintLen64
	minPlace   = 1 + 2*idLength + 2
	maxEncoded = (maxPlace + macLength + 2) / 3 * 4
)

// Token signs a place: base64url of version, event, fan, the two numbers as
// varints, and 16 bytes of HMAC-SHA256. About 100 characters.
func (l *Line) Token(p Place) string {
	var raw [maxPlace + macLength]byte
	body := append(raw[:0], placeV1)
	body = append(body, p.Event...)
	body = append(body, p.Fan...)
	body = binary.AppendUvarint(body, uint64(p.Number))
	body = binary.AppendUvarint(body, uint64(p.Epoch))
	var text [maxEncoded]byte
	return string(base64.RawURLEncoding.AppendEncode(text[:0], l.keys.AppendMAC(body, keyring.PurposePlace, body)))
}

// ParseToken returns the place of a token that this house signed; the code is
// place_invalid for any other. A place has one token: the parsed place is
// signed again and must give the same characters.
func (l *Line) ParseToken(token string) (Place, error) {
	invalid := ropeline.Errorf(ropeline.CodePlaceInvalid, "This is not a place in the line.")
	if len(token) > maxEncoded {
		return Place{}, invalid
	}
	raw, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(raw) < minPlace+macLength || raw[0] != placeV1 {
		return Place{}, invalid
	}
	p := Place{
		Event: ropeline.EventID(raw[1 : 1+idLength]),
		Fan:   ropeline.FanID(raw[1+idLength : 1+2*idLength]),
	}
	numbers := raw[1+2*idLength : len(raw)-macLength]
	number, n := binary.Uvarint(numbers)
	if n <= 0 {
		return Place{}, invalid
	}
	epoch, m := binary.Uvarint(numbers[n:])
	if m <= 0 {
		return Place{}, invalid
	}
	p.Number, p.Epoch = int64(number), int64(epoch)
	if !hmac.Equal([]byte(l.Token(p)), []byte(token)) {
		return Place{}, invalid
	}
	return p, nil
}
