package identity

import (
	"encoding/base32"
	"encoding/base64"
	"strings"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/internal/keyring"
)

// Fans mints and checks the signed anonymous identities of fans.
type Fans struct {
	keys *keyring.Keyring
}

// NewFans makes the mint.
func NewFans(keys *keyring.Keyring) *Fans { return &Fans{keys: keys} }

// Mint makes a new fan.
func (f *Fans) Mint() (ropeline.FanID, string) {
	fan := ropeline.NewID[ropeline.FanID]()
	return fan, f.Token(fan)
}

// Token is the fan's signed identity: "<fan id>.<22 characters of base64url>".
func (f *Fans) Token(fan ropeline.FanID) string {
	var raw, text [64]byte
	id := append(raw[:0], fan...)
	mac := f.keys.AppendMAC(id, keyring.PurposeFan, id)[len(id):]
	return string(base64.RawURLEncoding.AppendEncode(append(append(text[:0], fan...), '.'), mac))
}

// OfAccount is the fan that an account is to one event that asks for accounts:
// the same on every device, and another one for the next event, so that the
// published entrants of two draws do not tell who was in both. No anonymous
// token is ever minted for such a fan.
func (f *Fans) OfAccount(account ropeline.AccountID, event ropeline.EventID) ropeline.FanID {
	return ropeline.FanID(idEncoding.EncodeToString(f.keys.MAC(keyring.PurposeAccount, []byte(string(account)+string(event)))))
}

// idEncoding is how ids are written, see package ropeline.
var idEncoding = base32.NewEncoding("0123456789abcdefghijklmnopqrstuv").WithPadding(base32.NoPadding)

// Parse checks a token; code unauthenticated when it is not one of ours.
func (f *Fans) Parse(token string) (ropeline.FanID, error) {
	id, signature, _ := strings.Cut(token, ".")
	fan, err := ropeline.ParseID[ropeline.FanID](id)
	if err == nil {
		var mac [16]byte
		n, decodeErr := base64.RawURLEncoding.Strict().Decode(mac[:], []byte(signature)[:min(len(signature), 22)])
		if decodeErr == nil && n == len(mac) && len(signature) == 22 && f.keys.CheckMAC(keyring.PurposeFan, []byte(fan), mac[:]) {
			return fan, nil
		}
	}
	return "", ropeline.Errorf(ropeline.CodeUnauthenticated, "The fan's token is not valid.")
}
