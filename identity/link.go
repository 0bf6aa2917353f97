package identity

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"strings"
	"time"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/internal/keyring"
)

// What a link in a mail is for.
const (
	linkVerify = "verify" // makes the account of an address
	linkReset  = "reset"  // gives an account a new password
)

// linkLife is how long a link works. Short: whoever reads the mail is let in.
const linkLife = 30 * time.Minute

// link is what a mail carries: base64url of JSON, the nonce, the end, and a
// MAC. Nothing is kept of a link until it is used, so that asking for links
// fills no table; used once, its nonce is kept until its end.
type link struct {
	Kind  string `json:"k"`
	Email string `json:"e"`
	// Since is when the password was set that a reset replaces, in Unix
	// microseconds: a later password makes the link worthless.
	Since int64 `json:"s,omitempty"`
	// ID is the invitation's.
	ID string `json:"i,omitempty"`

	nonce []byte
	ends  time.Time
}

func (a *Accounts) signLink(l link, ends time.Time) string {
	body := make([]byte, nonceLength, 128)
	rand.Read(body)
	body = binary.BigEndian.AppendUint32(body, uint32(ends.Unix()))
	facts, _ := json.Marshal(l) // strings and numbers: cannot fail
	body = append(body, facts...)
	return base64.RawURLEncoding.EncodeToString(append(a.keys.MAC(keyring.PurposeLink, body), body...))
}

// parseLink is the way back; code link_invalid for one that is not ours or too
// old. That it is used only once is left to the caller's transaction.
func (a *Accounts) parseLink(token string) (link, error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if len(token) > 1024 || err != nil || len(raw) < macLength+nonceLength+4 {
		return link{}, errLink()
	}
	mac, body := raw[:macLength], raw[macLength:]
	if !a.keys.CheckMAC(keyring.PurposeLink, body, mac) {
		return link{}, errLink()
	}
	l := link{nonce: body[:nonceLength], ends: time.Unix(int64(binary.BigEndian.Uint32(body[nonceLength:])), 0)}
	if json.Unmarshal(body[nonceLength+4:], &l) != nil || !time.Now().Before(l.ends) {
		return link{}, errLink()
	}
	return l, nil
}

func errLink() error {
	return ropeline.Errorf(ropeline.CodeLinkInvalid, "The link is not good any more: it was used, or it is too old. Ask for a new one.")
}

// checkPassword tells what is wrong with a new password; code invalid_password.
func checkPassword(password, email string) error {
	switch n := len(password); {
	case n < leastPassword:
		return ropeline.Errorf(ropeline.CodeInvalidPassword, "The password needs %d characters or more. A few words make a good one.", leastPassword)
	case n > mostPassword:
		return ropeline.Errorf(ropeline.CodeInvalidPassword, "The password is longer than %d bytes.", mostPassword)
	case strings.EqualFold(password, email), strings.Count(password, password[:1]) == n:
		return ropeline.Errorf(ropeline.CodeInvalidPassword, "That password is guessed at once. Take another one.")
	}
	return nil
}
