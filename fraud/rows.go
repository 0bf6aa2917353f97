package fraud

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
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
		text := scanner.Bytes()
		if line == 1 {
			text = bytes.TrimPrefix(text, mark)
		}
		if len(text) == 0 {
			continue
		}
		row, err := readRow(text)
		if err != nil {
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

// mark is what some editors put before the first line of a text.
var mark = []byte("\ufeff")

// readRow reads one row. A null among its numbers is what is not known, and
// left out; to a float64 it would be 0.
func readRow(text []byte) (Row, error) {
	var read struct {
		Row
		Signals  map[Signal]*float64 `json:"signals"`
		Features map[Signal]*float64 `json:"features"`
	}
	if err := json.Unmarshal(text, &read); err != nil {
		return Row{}, err
	}
	signals, err := numbers(read.Signals)
	features, other := numbers(read.Features)
	read.Row.Signals, read.Row.Features = signals, features
	return read.Row, errors.Join(err, other)
}

func numbers(read map[Signal]*float64) (map[Signal]float64, error) {
	if read == nil {
		return nil, nil
	}
	numbers := make(map[Signal]float64, len(read))
	for name, value := range read {
		if _, known := featureOf(name); value == nil && !known {
			return nil, fmt.Errorf("there is no signal %q", name)
		}
		if value != nil {
			numbers[name] = *value
		}
	}
	return numbers, nil
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
