package pacelog

import (
	"bufio"
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"time"
)

const longestLine = 1 << 20

// Verified is what Verify has found to hold.
type Verified struct {
	Head      Head
	PublicKey ed25519.PublicKey // the signature's; compare it with one from elsewhere
}

// Verify reads a whole log, one page or several in order, and checks every
// hash and signature; each is called with every entry in turn. The log must
// begin with its first entry, and end where its last signed head says. With
// key, only that key's signatures count.
func Verify(r io.Reader, key ed25519.PublicKey, each func(Entry) error) (Verified, error) {
	var found Verified
	var end Head   // of what was read
	var heads int  // seen
	var known Head // the last signed one
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, longestLine)
	for n := 1; lines.Scan(); n++ {
		text := bytes.TrimSpace(lines.Bytes())
		if len(text) == 0 {
			continue
		}
		var l line
		if err := json.Unmarshal(text, &l); err != nil {
			return found, fmt.Errorf("line %d is no entry of a pace log: %w", n, err)
		}
		if l.Head != nil {
			head, public, err := l.Head.check(key)
			if err != nil {
				return found, fmt.Errorf("line %d: %w", n, err)
			}
			if heads > 0 && (head.Event != known.Event || !public.Equal(found.PublicKey)) {
				return found, fmt.Errorf("line %d: the head is of another log than the one before", n)
			}
			if head.Seq == end.Seq && head.Seq > 0 && head.Hash != end.Hash {
				return found, fmt.Errorf("line %d: the head does not belong to entry %d", n, head.Seq)
			}
			heads++
			known, found.PublicKey = head, public
			continue
		}
		e, err := l.entry()
		if err != nil {
			return found, fmt.Errorf("line %d: %w", n, err)
		}
		switch {
		case end.Seq > 0 && e.Event != end.Event:
			return found, fmt.Errorf("line %d: the entry is of another event", n)
		case e.Seq != end.Seq+1:
			return found, fmt.Errorf("line %d: entry %d follows entry %d", n, e.Seq, end.Seq)
		case e.Prev != end.Hash:
			return found, fmt.Errorf("line %d: entry %d does not hang on the one before", n, e.Seq)
		case e.Hash != e.sum():
			return found, fmt.Errorf("line %d: the hash of entry %d is not that of its content", n, e.Seq)
		}
		end = Head{Event: e.Event, Seq: e.Seq, Hash: e.Hash}
		if each != nil {
			if err := each(e); err != nil {
				return found, fmt.Errorf("line %d: entry %d: %w", n, e.Seq, err)
			}
		}
	}
	if err := lines.Err(); err != nil {
		return found, err
	}
	switch {
	case heads == 0:
		return found, fmt.Errorf("there is no signed head: nobody can tell whether the end was cut off")
	case known.Seq != end.Seq:
		return found, fmt.Errorf("the log ends at entry %d, and the signed head is entry %d: fetch the other pages", end.Seq, known.Seq)
	case known.Hash != end.Hash || end.Seq > 0 && known.Event != end.Event:
		return found, fmt.Errorf("the signed head does not belong to entry %d", end.Seq)
	}
	found.Head = known
	return found, nil
}

func (l line) entry() (Entry, error) {
	at, err := time.Parse(timeForm, l.At)
	if err != nil || at.Format(timeForm) != l.At {
		return Entry{}, fmt.Errorf("%q is no time of an entry", l.At)
	}
	e := Entry{Event: l.Event, Seq: l.Seq, Kind: l.Kind, At: at, Data: l.Data}
	if e.Prev, err = parseHash(l.Prev); err != nil {
		return Entry{}, err
	}
	e.Hash, err = parseHash(l.Hash)
	return e, err
}

func (l headLine) check(key ed25519.PublicKey) (Head, ed25519.PublicKey, error) {
	h := Head{Event: l.Event, Seq: l.Seq}
	var err error
	if h.Hash, err = parseHash(l.Hash); err != nil {
		return h, nil, err
	}
	public, err := base64.StdEncoding.DecodeString(l.PublicKey)
	if err != nil || len(public) != ed25519.PublicKeySize {
		return h, nil, fmt.Errorf("%q is no public key", l.PublicKey)
	}
	if key != nil && !key.Equal(ed25519.PublicKey(public)) {
		return h, nil, fmt.Errorf("the head is signed with another key than the one given")
	}
	signature, err := base64.StdEncoding.DecodeString(l.Signature)
	if err != nil || !ed25519.Verify(public, h.message(), signature) {
		return h, nil, fmt.Errorf("the signature of the head is wrong")
	}
	return h, public, nil
}

func parseHash(text string) (Hash, error) {
	var h Hash
	if len(text) != hex.EncodedLen(len(h)) {
		return h, fmt.Errorf("%q is no hash", text)
	}
	if _, err := hex.Decode(h[:], []byte(text)); err != nil {
		return h, fmt.Errorf("%q is no hash", text)
	}
	return h, nil
}
