package draw

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/ropeline/ropeline"
)

// Record is what is published of a draw: GET /events/{id}/fairness, and the
// first line of its file. Hashes and the seed are hexadecimal; what is not
// known or not public yet is left out.
type Record struct {
	Format      int              `json:"ropeline_draw"` // 1
	Event       ropeline.EventID `json:"event"`
	State       string           `json:"state"` // open, closed, mixed, numbered, done
	Commitment  string           `json:"commitment"`
	Source      string           `json:"source"`
	Promise     string           `json:"promise,omitempty"`
	WaitSeconds int64            `json:"wait_seconds"`
	Entrants    *int64           `json:"entrants,omitempty"`
	Root        string           `json:"root,omitempty"`
	MixedFrom   string           `json:"mixed_from,omitempty"` // the source, or FromRoot
	Value       string           `json:"value,omitempty"`
	Entropy     string           `json:"entropy,omitempty"`
	Seed        string           `json:"seed,omitempty"`
	CreatedAt   time.Time        `json:"created_at"`
	ClosedAt    *time.Time       `json:"closed_at,omitempty"`
	MixedAt     *time.Time       `json:"mixed_at,omitempty"`
	DoneAt      *time.Time       `json:"done_at,omitempty"`
}

// ReadFile reads a draw's file: a line with the record in JSON, then a line
// with each entrant's id, sorted.
func ReadFile(r io.Reader) (Record, Entrants, error) {
	var record Record
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 1<<16), 1<<16)
	if !lines.Scan() {
		return record, nil, errors.Join(errors.New("the file is empty"), lines.Err())
	}
	if err := json.Unmarshal(lines.Bytes(), &record); err != nil {
		return record, nil, fmt.Errorf("the first line is no record of a draw: %w", err)
	}
	if record.Format != 1 {
		return record, nil, fmt.Errorf("the record has format %d; this program knows format 1", record.Format)
	}
	var entrants Entrants
	for n := 2; lines.Scan(); n++ {
		if _, err := ropeline.ParseID[ropeline.FanID](lines.Text()); err != nil {
			return record, nil, fmt.Errorf("line %d is no id of a fan", n)
		}
		entrants = append(entrants, lines.Bytes()...)
	}
	return record, entrants, lines.Err()
}

// Verify computes all that can be computed of a draw whose seed is revealed
// and returns the order of the numbers, as Order does. The error names the
// first thing that does not hold.
func (r Record) Verify(entrants Entrants) ([]uint32, error) {
	if r.Seed == "" || r.Entropy == "" || r.Entrants == nil {
		return nil, fmt.Errorf("the draw is %s: nothing is revealed yet", r.State)
	}
	seed, err := hex.DecodeString(r.Seed)
	if err != nil || len(seed) != 32 {
		return nil, errors.New("the seed is not 32 bytes in hexadecimal")
	}
	if commitment := Commitment(seed); hex.EncodeToString(commitment[:]) != r.Commitment {
		return nil, errors.New("the seed is not the one that was committed to")
	}
	if !entrants.Sorted() || int64(entrants.Len()) != *r.Entrants {
		return nil, fmt.Errorf("the file has %d entrants, the record says %d; they must be sorted, each once", entrants.Len(), *r.Entrants)
	}
	if root := Root(entrants); hex.EncodeToString(root[:]) != r.Root {
		return nil, errors.New("the root is not the one of these entrants")
	}
	switch source, known := SourceOf(r.Source); {
	case !known:
		return nil, fmt.Errorf("this program does not know the source %q", r.Source)
	case r.MixedFrom == FromRoot:
		if r.Value != r.Root {
			return nil, errors.New("the draw says that it is mixed from the root, and its value is not the root")
		}
	case r.MixedFrom != r.Source:
		return nil, fmt.Errorf("the draw was promised from %s and mixed from %s", r.Source, r.MixedFrom)
	default:
		if err := source.Check(r.Promise, r.Value); err != nil {
			return nil, fmt.Errorf("the value is not the promised one: %w", err)
		}
		if known := source.Known(r.Promise); !known.IsZero() && (r.ClosedAt == nil || !known.After(*r.ClosedAt)) {
			return nil, errors.New("the value was public before the lobby closed")
		}
	}
	entropy := Entropy([]byte(r.Value))
	if hex.EncodeToString(entropy[:]) != r.Entropy {
		return nil, errors.New("the entropy is not the SHA-256 of the value")
	}
	return Order(seed, entropy, entrants), nil
}
