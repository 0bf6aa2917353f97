package checkout

import (
	"encoding/base32"
	"encoding/binary"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/internal/keyring"
)

// TicketFacts is what a ticket's code says: nothing about a person.
type TicketFacts struct {
	Event    ropeline.EventID
	Ticket   ropeline.TicketID
	Revision int // 1 to 65535
}

// A code is 100 bytes: version, key id, event (16), ticket (16), revision (2,
// big endian) and an Ed25519 signature (64) over what stands before it. It is
// written in 160 capital base32 characters, because a QR code packs those in
// 5.5 bits each and so stays smaller than with base64url.
const (
	codeVersion = 1
	codeFacts   = 2 + 16 + 16 + 2
	codeBytes   = codeFacts + 64
	codeText    = codeBytes * 8 / 5
)

var (
	codeEncoding = base32.StdEncoding.WithPadding(base32.NoPadding)
	idEncoding   = base32.NewEncoding("0123456789abcdefghijklmnopqrstuv").WithPadding(base32.NoPadding)
)

// Code signs what a ticket is; the same facts always give the same code under
// the same key. An id that NewID did not make gives the empty code.
func Code(k *keyring.Keyring, t TicketFacts) string {
	facts := make([]byte, 0, codeFacts-2)
	for _, id := range []string{string(t.Event), string(t.Ticket)} {
		bytes, err := idEncoding.DecodeString(id)
		if err != nil || len(bytes) != 16 {
			return ""
		}
		facts = append(facts, bytes...)
	}
	facts = binary.BigEndian.AppendUint16(facts, uint16(t.Revision))
	raw, signature := k.SignWith(keyring.PurposeTicket, func(keyID uint8) []byte {
		return append([]byte{codeVersion, keyID}, facts...)
	})
	return codeEncoding.EncodeToString(append(raw, signature...))
}

// ParseCode checks a code's signature and reads its facts; bad_signature for
// anything that this house did not sign.
func ParseCode(k *keyring.Keyring, code string) (TicketFacts, error) {
	refused := ropeline.Errorf(ropeline.CodeBadSignature, "This is not the code of a ticket of ours.")
	if len(code) != codeText {
		return TicketFacts{}, refused
	}
	raw, err := codeEncoding.DecodeString(code)
	if err != nil || len(raw) != codeBytes || raw[0] != codeVersion ||
		!k.Verify(keyring.PurposeTicket, raw[1], raw[:codeFacts], raw[codeFacts:]) {
		return TicketFacts{}, refused
	}
	return TicketFacts{
		Event:    ropeline.EventID(idEncoding.EncodeToString(raw[2:18])),
		Ticket:   ropeline.TicketID(idEncoding.EncodeToString(raw[18:34])),
		Revision: int(binary.BigEndian.Uint16(raw[34:36])),
	}, nil
}
