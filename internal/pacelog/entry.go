// Package pacelog is the public log of how an event's line was served: a chain
// of entries in which each holds the hash of the one before it, and whose end
// is signed. Whoever has seen a signed end can tell later that nothing before
// it was changed, left out or put in.
//
// # Format
//
// The log is NDJSON. An entry is a line
//
//	{"event":"…","seq":1,"kind":"rules","at":"2026-11-23T14:00:00.000000Z","data":{…},"prev":"…","hash":"…"}
//
// hash is the SHA-256, in hexadecimal, of these parts with a line feed between
// them: ropeline-pace-1, event, seq, kind, at, the bytes of data as they stand
// in the line, prev. prev is the hash of the entry before, 64 zeros for the
// first. A page ends with the signed end of the chain as it was when the page
// was read, which may lie beyond the page:
//
//	{"head":{"event":"…","seq":9,"hash":"…","key":1,"public_key":"…","signature":"…"}}
//
// The Ed25519 signature is over ropeline-pace-head-1, event, seq and hash, with
// a line feed between them.
//
// # What fails, and what then
//
// Append works in its caller's transaction and locks the chain's end until
// that ends: entries are there with what they tell of, or not at all, and two
// writers queue. Postgres refuses to change or delete an entry. What the log
// does not show: that the house keeps one log only. Two fans who compare signed
// ends find that out; the signatures then prove it.
package pacelog

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"time"

	"github.com/ropeline/ropeline"
)

// Hash is the SHA-256 of an entry.
type Hash [sha256.Size]byte

// Entry is one step of the log. Seq, Prev and Hash are Append's to fill.
type Entry struct {
	Event ropeline.EventID
	Seq   int64 // from 1
	Kind  string
	At    time.Time       // to the microsecond, in UTC
	Data  json.RawMessage // one compact JSON object
	Prev  Hash
	Hash  Hash
}

// Head is the end of a chain.
type Head struct {
	Event ropeline.EventID
	Seq   int64
	Hash  Hash
}

const timeForm = "2006-01-02T15:04:05.000000Z"

// New makes an entry from what kind tells of; data must marshal to an object.
func New(kind string, at time.Time, data any) (Entry, error) {
	raw, err := json.Marshal(data)
	return Entry{Kind: kind, At: at.UTC().Truncate(time.Microsecond), Data: raw}, err
}

// sum is the hash that the entry must have.
func (e Entry) sum() Hash {
	return sha256.Sum256(bytes.Join([][]byte{
		[]byte("ropeline-pace-1"), []byte(e.Event), strconv.AppendInt(nil, e.Seq, 10), []byte(e.Kind),
		[]byte(e.At.UTC().Format(timeForm)), e.Data, []byte(hex.EncodeToString(e.Prev[:])),
	}, []byte{'\n'}))
}

// message is what the signature of a head is over.
func (h Head) message() []byte {
	return []byte("ropeline-pace-head-1\n" + string(h.Event) + "\n" + strconv.FormatInt(h.Seq, 10) + "\n" + hex.EncodeToString(h.Hash[:]))
}

// line is an entry or a head as the log has it.
type line struct {
	Event ropeline.EventID `json:"event,omitempty"`
	Seq   int64            `json:"seq,omitempty"`
	Kind  string           `json:"kind,omitempty"`
	At    string           `json:"at,omitempty"`
	Data  json.RawMessage  `json:"data,omitempty"`
	Prev  string           `json:"prev,omitempty"`
	Hash  string           `json:"hash,omitempty"`
	Head  *headLine        `json:"head,omitempty"`
}

type headLine struct {
	Event     ropeline.EventID `json:"event"`
	Seq       int64            `json:"seq"`
	Hash      string           `json:"hash"`
	Key       uint8            `json:"key"`
	PublicKey string           `json:"public_key"`
	Signature string           `json:"signature"`
}

// AppendLine writes the entry as a line of the log, with its line feed.
func (e Entry) AppendLine(b []byte) []byte {
	raw, _ := json.Marshal(line{Event: e.Event, Seq: e.Seq, Kind: e.Kind, At: e.At.UTC().Format(timeForm), Data: e.Data,
		Prev: hex.EncodeToString(e.Prev[:]), Hash: hex.EncodeToString(e.Hash[:])})
	return append(append(b, raw...), '\n')
}

func appendHead(b []byte, h Head, keyID uint8, public, signature []byte) []byte {
	raw, _ := json.Marshal(line{Head: &headLine{Event: h.Event, Seq: h.Seq, Hash: hex.EncodeToString(h.Hash[:]), Key: keyID,
		PublicKey: base64.StdEncoding.EncodeToString(public), Signature: base64.StdEncoding.EncodeToString(signature)}})
	return append(append(b, raw...), '\n')
}
