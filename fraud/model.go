package fraud

import (
	"bufio"
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"
	"unicode/utf8"
)

// modelFormat is the version of the file's form.
const modelFormat = 1

// Model is a logistic model: the probability of fraud is
// 1/(1+e^-(intercept + Σ weight·(feature-mean)/sd)) over the features that are
// known; one that is not known counts as its mean.
type Model struct {
	Format    int      `json:"format"`
	Name      string   `json:"name"`   // stored with each order it has scored
	Source    string   `json:"source"` // what it was fitted to, for people
	Intercept float64  `json:"intercept"`
	Features  []Weight `json:"features"`
}

// Weight is what a model makes of one signal.
type Weight struct {
	Name   Signal  `json:"name"`
	Mean   float64 `json:"mean"` // of the feature (features.go), not of the signal
	SD     float64 `json:"sd"`
	Weight float64 `json:"weight"` // log-odds per standard deviation
}

//go:embed default.json
var defaultModel []byte

// DefaultModel is the embedded one; docs/fraud.md tells where it comes from.
func DefaultModel() *Model {
	m, err := ReadModel(strings.NewReader(string(defaultModel)))
	if err != nil {
		panic(err) // the file is part of the binary, and a test reads it
	}
	return m
}

// LoadModel reads a model's file; "" is the default.
func LoadModel(path string) (*Model, error) {
	if path == "" {
		return DefaultModel(), nil
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("fraud model: %w", err)
	}
	defer file.Close()
	m, err := ReadModel(file)
	if err != nil {
		return nil, fmt.Errorf("fraud model %s: %w", path, err)
	}
	return m, nil
}

const mostModel = 1 << 20 // bytes of a model's file

// ReadModel reads and validates a model. The error names the first field that
// cannot be used.
func ReadModel(r io.Reader) (*Model, error) {
	text := bufio.NewReader(io.LimitReader(r, mostModel))
	if begin, _ := text.Peek(len(mark)); bytes.Equal(begin, mark) {
		text.Discard(len(mark))
	}
	decoder := json.NewDecoder(text)
	decoder.DisallowUnknownFields()
	var m Model
	if err := decoder.Decode(&m); err != nil {
		return nil, fmt.Errorf("it is no model: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("there is something after the model")
	}
	return &m, m.Validate()
}

// Validate tells what of a model cannot be used.
func (m *Model) Validate() error {
	switch {
	case m.Format != modelFormat:
		return fmt.Errorf("format is %d: this program reads %d", m.Format, modelFormat)
	case m.Name == "" || len(m.Name) > 100 || !utf8.ValidString(m.Name):
		return errors.New("name: want 1 to 100 characters")
	case !finite(m.Intercept):
		return errors.New("intercept is not a usable number")
	case len(m.Features) == 0:
		return errors.New("features is empty")
	}
	for i, w := range m.Features {
		if _, known := featureOf(w.Name); !known {
			return fmt.Errorf("features[%d]: there is no signal %q", i, w.Name)
		}
		if slices.ContainsFunc(m.Features[:i], func(o Weight) bool { return o.Name == w.Name }) {
			return fmt.Errorf("features[%d]: %s comes twice", i, w.Name)
		}
		if !finite(w.Mean) || !finite(w.Weight) {
			return fmt.Errorf("features[%d]: mean or weight of %s is not a usable number", i, w.Name)
		}
		if !finite(w.SD) || w.SD < 1e-6 {
			return fmt.Errorf("features[%d]: sd of %s is %v: want more than 0", i, w.Name, w.SD)
		}
	}
	return nil
}

// finite also refuses what would make a sum infinite.
func finite(x float64) bool { return !math.IsNaN(x) && math.Abs(x) <= 1e6 }

const (
	mostReasons  = 3
	worthTelling = 0.3 // of log-odds that a signal adds
)

// Score is the probability of fraud, 0 to 1, and the signals that speak for it
// the loudest, in words.
func (m *Model) Score(s Signals) (p float64, reasons []string) {
	x := s.features()
	type part struct {
		share float64
		words string
	}
	var parts []part
	sum := m.Intercept
	for _, w := range m.Features {
		value, known := x[w.Name]
		if !known {
			continue
		}
		share := w.Weight * (value - w.Mean) / w.SD
		sum += share
		if share >= worthTelling {
			f, _ := featureOf(w.Name)
			parts = append(parts, part{share, f.words(s[w.Name])})
		}
	}
	slices.SortStableFunc(parts, func(a, b part) int {
		switch {
		case a.share > b.share:
			return -1
		case a.share < b.share:
			return 1
		}
		return 0
	})
	for _, p := range parts[:min(len(parts), mostReasons)] {
		reasons = append(reasons, p.words)
	}
	return sigmoid(sum), reasons
}

// sigmoid is 1/(1+e^-x), without overflow at either end.
func sigmoid(x float64) float64 {
	if x >= 0 {
		return 1 / (1 + math.Exp(-x))
	}
	e := math.Exp(x)
	return e / (1 + e)
}
