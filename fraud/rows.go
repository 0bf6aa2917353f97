package fraud

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
)

// Row is an order in training data: a line of NDJSON. Signals are the plain
// numbers, as Export writes them; Features, instead of them, are numbers that
// were turned by features.go already.
type Row struct {
	Order    string             `json:"order,omitempty"`   // a pseudonym
	Signals  Signals            `json:"signals,omitempty"` //
	Features map[Signal]float64 `json:"features,omitempty"`
	Label    *int               `json:"label"` // 1 fraud, 0 honest, null: nobody knows
	Score    *float64           `json:"score,omitempty"`
	Model    string             `json:"model,omitempty"`
}

// vector is the row as the model sees it.
func (r Row) vector() map[Signal]float64 {
	if r.Features != nil {
		return r.Features
	}
	return r.Signals.features()
}

const mostLine = 1 << 20 // bytes of one row

// ReadRows reads NDJSON. The error names the line; unlabelled rows are read too.
func ReadRows(r io.Reader) ([]Row, error) {
	var rows []Row
	scanner := bufio.NewScanner(r)
	scanner.Buffer(make([]byte, 64<<10), mostLine)
	for line := 1; scanner.Scan(); line++ {
		if len(scanner.Bytes()) == 0 {
			continue
		}
		var row Row
		if err := json.Unmarshal(scanner.Bytes(), &row); err != nil {
			return nil, fmt.Errorf("line %d: %w", line, err)
		}
		if err := row.check(); err != nil {
			return nil, fmt.Errorf("line %d: %w", line, err)
		}
		rows = append(rows, row)
	}
	if err := scanner.Err(); err != nil {
		return nil, fmt.Errorf("line %d: %w", len(rows)+1, err)
	}
	return rows, nil
}

func (r Row) check() error {
	switch {
	case r.Label != nil && *r.Label != 0 && *r.Label != 1:
		return fmt.Errorf("label is %d: want 0 (honest), 1 (fraud) or null", *r.Label)
	case (r.Signals == nil) == (r.Features == nil):
		return fmt.Errorf("want either signals or features")
	}
	for name, value := range r.Features {
		if _, known := featureOf(name); !known {
			return fmt.Errorf("there is no feature %q", name)
		}
		if !finite(value) {
			return fmt.Errorf("feature %s is %v", name, value)
		}
	}
	return r.Signals.check()
}

// WriteRows writes NDJSON.
func WriteRows(w io.Writer, rows []Row) error {
	out := bufio.NewWriter(w)
	encoder := json.NewEncoder(out)
	for i := range rows {
		if err := encoder.Encode(&rows[i]); err != nil {
			return err
		}
	}
	return out.Flush()
}
