package record

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// mostBytes bounds one observation on disk.
const mostBytes = 1 << 20

// Writer streams observations in the compact form. The first failure to write
// stops the stream and is told by Flush; the run goes on without a record.
type Writer struct {
	buf   *bufio.Writer
	enc   *encoder
	frame []byte
	err   error
}

// NewWriter returns a Writer to w; Flush must be called at the end.
func NewWriter(w io.Writer) *Writer {
	buf := bufio.NewWriterSize(w, 256<<10)
	_, err := buf.WriteString(magic)
	return &Writer{buf: buf, enc: newEncoder(), err: err}
}

// See writes o.
func (w *Writer) See(o Observation) {
	if w.err != nil {
		return
	}
	if w.frame, w.err = w.enc.observation(w.frame[:0], o); w.err != nil {
		return
	}
	var size [binary.MaxVarintLen64]byte
	if _, w.err = w.buf.Write(size[:binary.PutUvarint(size[:], uint64(len(w.frame)))]); w.err == nil {
		_, w.err = w.buf.Write(w.frame)
	}
}

// Flush writes what is buffered and returns the stream's first failure.
func (w *Writer) Flush() error {
	if w.err != nil {
		return w.err
	}
	return w.buf.Flush()
}

// ErrCutOff ends a record whose writer died: all before it is good.
var ErrCutOff = errors.New("the record is cut off")

// Reader reads a record, compact or NDJSON, one observation at a time.
type Reader struct {
	in    *bufio.Reader
	json  *json.Decoder // nil for the compact form
	dec   decoder
	frame []byte
	count int
}

// NewReader tells the two forms apart by their first bytes.
func NewReader(r io.Reader) (*Reader, error) {
	in := bufio.NewReaderSize(r, 256<<10)
	head, err := in.Peek(len(magic))
	switch {
	case string(head) == magic:
		in.Discard(len(magic))
		return &Reader{in: in}, nil
	case len(head) > 0 && head[0] == '{':
		return &Reader{in: in, json: json.NewDecoder(in)}, nil
	case err != nil && err != io.EOF:
		return nil, fmt.Errorf("record: %w", err)
	}
	return nil, errors.New("record: this file is none")
}

// Next is the next observation; io.EOF at the end.
func (r *Reader) Next() (o Observation, err error) {
	r.count++
	if r.json != nil {
		err = r.json.Decode(&o)
	} else {
		o, err = r.next()
	}
	switch {
	case err == io.EOF:
		return o, err
	case err != nil:
		return o, fmt.Errorf("record, observation %d: %w", r.count, err)
	case r.count == 1 && o.Step != StepRun:
		return o, fmt.Errorf("record: the first observation is %q, not the run's head", o.Step)
	}
	return o, nil
}

func (r *Reader) next() (o Observation, err error) {
	size, err := binary.ReadUvarint(r.in)
	switch {
	case err == io.EOF:
		return o, err
	case err != nil:
		return o, ErrCutOff
	case size > mostBytes:
		return o, fmt.Errorf("%d bytes: %w", size, errBroken)
	}
	if uint64(cap(r.frame)) < size {
		r.frame = make([]byte, size)
	}
	r.frame = r.frame[:size]
	if _, err := io.ReadFull(r.in, r.frame); err != nil {
		return o, ErrCutOff
	}
	return r.dec.observation(r.frame)
}

// Replay reads a record and hands every observation to the sinks, in constant
// memory. It fails on the first that cannot be read; a record that was cut
// off ends with ErrCutOff, and what came before has been handed over.
func Replay(r io.Reader, sinks ...Sink) error {
	in, err := NewReader(r)
	if err != nil {
		return err
	}
	for {
		o, err := in.Next()
		if err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		for _, s := range sinks {
			s.See(o)
		}
	}
}

// Merge replays the parts of one run together, in the order of T. All parts
// count T from the same moment; connections get numbers of their own.
func Merge(parts []io.Reader, sinks ...Sink) error {
	type head struct {
		in  *Reader
		o   Observation
		end bool
	}
	var (
		heads  []*head
		whole  RunFacts
		cutOff error
	)
	pull := func(h *head, part int) error {
		o, err := h.in.Next()
		if errors.Is(err, ErrCutOff) {
			cutOff, err = err, io.EOF
		}
		if err == io.EOF {
			h.end = true
			return nil
		}
		if o.Conn != 0 {
			o.Conn = o.Conn*int64(len(parts)) + int64(part)
		}
		h.o = o
		return err
	}
	for i, r := range parts {
		in, err := NewReader(r)
		if err != nil {
			return err
		}
		h := &head{in: in}
		if err := pull(h, i); err != nil {
			return err
		}
		if h.end || h.o.Run == nil {
			return errors.New("record: a part of the run is empty")
		}
		if i == 0 {
			whole = *h.o.Run
		} else {
			whole.Fans += h.o.Run.Fans
		}
		if err := pull(h, i); err != nil {
			return err
		}
		heads = append(heads, h)
	}
	hand := func(o Observation) {
		for _, s := range sinks {
			s.See(o)
		}
	}
	whole.First = 0
	hand(Observation{Fan: -1, Step: StepRun, Run: &whole})
	for {
		next := -1
		for i, h := range heads {
			if !h.end && (next < 0 || h.o.T < heads[next].o.T) {
				next = i
			}
		}
		if next < 0 {
			return cutOff
		}
		hand(heads[next].o)
		if err := pull(heads[next], next); err != nil {
			return err
		}
	}
}

// Dump is a Sink that writes NDJSON, for other tools to read.
type Dump struct{ enc *json.Encoder }

// NewDump writes to w, one object a line.
func NewDump(w io.Writer) Dump { return Dump{json.NewEncoder(w)} }

// See writes o.
func (d Dump) See(o Observation) { d.enc.Encode(o) }
