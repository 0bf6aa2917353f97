package trace

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/ropeline/ropeline/loadtest/arrival"
)

// Head is a trace's first line.
type Head struct {
	Format int     `json:"trace"` // 1
	DropMS float64 `json:"drop_ms"`
	Source string  `json:"source,omitempty"` // "model", or what it was exported from
	Event  string  `json:"event,omitempty"`
	Note   string  `json:"note,omitempty"` // what the source could not know
}

// Arrival is one fan's coming.
type Arrival struct {
	AtMS float64 `json:"at"`
	Fan  string  `json:"fan"`
	Left float64 `json:"left,omitempty"`
}

// longestLine bounds a line.
const longestLine = 64 << 10

// Reader reads a trace.
type Reader struct {
	Head  Head
	lines *bufio.Scanner
	line  int
	last  float64
	err   error
}

// NewReader reads the head.
func NewReader(r io.Reader) (*Reader, error) {
	t := &Reader{lines: bufio.NewScanner(r)}
	t.lines.Buffer(make([]byte, 0, 64<<10), longestLine)
	if !t.lines.Scan() {
		return nil, errors.Join(errors.New("trace: the file is empty"), t.lines.Err())
	}
	t.line = 1
	if err := json.Unmarshal(t.lines.Bytes(), &t.Head); err != nil || t.Head.Format != 1 {
		return nil, errors.New(`trace, line 1: want a head such as {"trace":1,"drop_ms":30000}`)
	}
	return t, nil
}

// Next is the next arrival; io.EOF at the end.
func (t *Reader) Next() (a Arrival, err error) {
	if t.err != nil {
		return a, t.err
	}
	defer func() { t.err = err }()
	if !t.lines.Scan() {
		if err := t.lines.Err(); err != nil {
			return a, fmt.Errorf("trace, line %d: %w", t.line+1, err)
		}
		return a, io.EOF
	}
	t.line++
	if err := json.Unmarshal(t.lines.Bytes(), &a); err != nil {
		return a, fmt.Errorf("trace, line %d: %w", t.line, err)
	}
	switch {
	case a.AtMS < t.last || math.IsNaN(a.AtMS):
		return a, fmt.Errorf("trace, line %d: at %v comes after at %v", t.line, a.AtMS, t.last)
	case a.Fan == "":
		return a, fmt.Errorf("trace, line %d: an arrival without a fan", t.line)
	}
	t.last = a.AtMS
	return a, nil
}

// Err is why the last iteration ended early; nil when it reached the end.
func (t *Reader) Err() error {
	if t.err == io.EOF {
		return nil
	}
	return t.err
}

// Times are the arrivals at a speed: 2 plays a trace in half of its time.
func (t *Reader) Times(speed float64) iter.Seq[time.Duration] {
	return func(yield func(time.Duration) bool) {
		for {
			a, err := t.Next()
			if err != nil || !yield(time.Duration(a.AtMS/speed*float64(time.Millisecond))) {
				return
			}
		}
	}
}

// Writer writes a trace.
type Writer struct {
	out *bufio.Writer
	b   []byte
}

// NewWriter writes the head.
func NewWriter(w io.Writer, head Head) (*Writer, error) {
	head.Format = 1
	raw, err := json.Marshal(head)
	if err != nil {
		return nil, err
	}
	t := &Writer{out: bufio.NewWriterSize(w, 256<<10)}
	_, err = t.out.Write(append(raw, '\n'))
	return t, err
}

// Write writes an arrival; the caller keeps them in order.
func (t *Writer) Write(a Arrival) error {
	t.b = append(t.b[:0], `{"at":`...)
	t.b = strconv.AppendFloat(t.b, a.AtMS, 'f', 3, 64)
	t.b = append(t.b, `,"fan":`...)
	t.b = strconv.AppendQuote(t.b, a.Fan)
	if a.Left > 0 {
		t.b = append(t.b, `,"left":`...)
		t.b = strconv.AppendFloat(t.b, a.Left, 'f', 0, 64)
	}
	t.b = append(t.b, '}', '\n')
	_, err := t.out.Write(t.b)
	return err
}

// Flush writes what is buffered.
func (t *Writer) Flush() error { return t.out.Flush() }

// Generate writes a trace of n fans from a model of arrival.
func Generate(w io.Writer, n int, model arrival.Arrival, seed uint64) error {
	out, err := NewWriter(w, Head{DropMS: float64(model.Lead) / float64(time.Millisecond), Source: "model"})
	if err != nil {
		return err
	}
	i := 0
	for at := range model.Times(n, rand.New(rand.NewPCG(seed, 0))) {
		if err := out.Write(Arrival{AtMS: float64(at) / float64(time.Millisecond), Fan: "m" + strconv.Itoa(i)}); err != nil {
			return err
		}
		i++
	}
	return out.Flush()
}
