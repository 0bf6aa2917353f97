package record

import (
	"encoding/base32"
	"encoding/binary"
	"encoding/json"
	"errors"
	"strings"

	"github.com/ropeline/ropeline"
)

// magic begins a record; the number is the format's.
const magic = "ropeline-record 1\n"

// Steps by their number on disk: append only.
var steps = []Step{
	StepRun, StepArrive, StepJoin, StepSocket, StepFrame, StepClosed, StepPoll, StepLeave, StepEnter, StepReserve,
	StepReservation, StepRelease, StepOrder, StepPay, StepOrderLook, StepTickets, StepIntrude, StepEnd,
	StepStream, StepLink, StepScan, StepFault,
}

var stepNumbers = func() map[Step]byte {
	numbers := make(map[Step]byte, len(steps))
	for i, s := range steps {
		numbers[s] = byte(i)
	}
	return numbers
}()

// What follows in an observation, as bits: append only.
const (
	hasTook = 1 << iota
	hasLate
	hasEvery
	hasStatus
	hasCode
	hasConn
	hasKey
	hasTrick
	isLobby
	hasLine
	hasSale
	hasScan
	hasNote
	hasRun
	hasOutcome
	hasIs
)

// The kinds of a string on disk.
const (
	asText   = iota // its length and its bytes
	asNew           // the same, and it gets the next number
	asNumber        // the number that it got
	asID            // an identifier, as 16 bytes
	asPair          // two identifiers with a "-" between them
)

var idEncoding = base32.NewEncoding("0123456789abcdefghijklmnopqrstuv").WithPadding(base32.NoPadding)

// encoder appends observations; it remembers words and the last T.
type encoder struct {
	words map[string]uint64
	lastT int64
}

func newEncoder() *encoder { return &encoder{words: make(map[string]uint64)} }

func (e *encoder) word(b []byte, s string) []byte {
	if n, known := e.words[s]; known {
		return binary.AppendUvarint(append(b, asNumber), n)
	}
	e.words[s] = uint64(len(e.words))
	b = binary.AppendUvarint(append(b, asNew), uint64(len(s)))
	return append(b, s...)
}

// text is a string that hardly comes twice.
func (e *encoder) text(b []byte, s string) []byte {
	if first, second, pair := strings.Cut(s, "-"); pair && len(first) == 26 && len(second) == 26 {
		if head, ok := appendID(append(b, asPair), first); ok {
			if all, ok := appendID(head, second); ok {
				return all
			}
		}
	} else if len(s) == 26 {
		if all, ok := appendID(append(b, asID), s); ok {
			return all
		}
	}
	b = binary.AppendUvarint(append(b, asText), uint64(len(s)))
	return append(b, s...)
}

func appendID(b []byte, id string) ([]byte, bool) {
	var raw [17]byte
	n, err := idEncoding.Decode(raw[:], []byte(id))
	if err != nil || n != 16 || idEncoding.EncodeToString(raw[:16]) != id {
		return b, false
	}
	return append(b, raw[:16]...), true
}

func (e *encoder) observation(b []byte, o Observation) ([]byte, error) {
	number, known := stepNumbers[o.Step]
	if !known {
		return b, errors.New("record: unknown step " + string(o.Step))
	}
	var bits uint64
	set := func(bit uint64, is bool) {
		if is {
			bits |= bit
		}
	}
	set(hasTook, o.Took != 0)
	set(hasLate, o.Late != 0)
	set(hasEvery, o.Every != 0)
	set(hasStatus, o.Status != 0)
	set(hasCode, o.Code != "")
	set(hasConn, o.Conn != 0)
	set(hasKey, o.Key != "")
	set(hasTrick, o.Trick != "")
	set(isLobby, o.Lobby)
	set(hasLine, o.Line != nil)
	set(hasSale, o.Sale != nil)
	set(hasScan, o.Scan != nil)
	set(hasNote, o.Note != "")
	set(hasRun, o.Run != nil)
	set(hasOutcome, o.Outcome != "")
	set(hasIs, o.Is != "")

	b = append(b, number)
	b = binary.AppendUvarint(b, bits)
	b = binary.AppendUvarint(b, uint64(o.Fan+1))
	b = binary.AppendVarint(b, o.T-e.lastT)
	e.lastT = o.T
	for _, n := range []struct {
		bit   uint64
		value int64
	}{{hasTook, o.Took}, {hasLate, o.Late}, {hasEvery, o.Every}, {hasStatus, int64(o.Status)}, {hasConn, o.Conn}} {
		if bits&n.bit != 0 {
			b = binary.AppendVarint(b, n.value)
		}
	}
	for _, s := range []struct {
		bit   uint64
		value string
	}{{hasCode, o.Code}, {hasTrick, o.Trick}, {hasOutcome, string(o.Outcome)}, {hasIs, o.Is}} {
		if bits&s.bit != 0 {
			b = e.word(b, s.value)
		}
	}
	if o.Key != "" {
		b = e.text(b, o.Key)
	}
	if o.Note != "" {
		b = e.text(b, o.Note)
	}
	if o.Line != nil {
		b = e.line(b, o.Line)
	}
	if o.Sale != nil {
		b = e.sale(b, o.Sale)
	}
	if o.Scan != nil {
		b = e.text(b, o.Scan.Ticket)
		b = append(b, oneIf(o.Scan.First))
	}
	if o.Run != nil {
		raw, err := json.Marshal(o.Run)
		if err != nil {
			return b, err
		}
		b = binary.AppendUvarint(append(b, asText), uint64(len(raw)))
		b = append(b, raw...)
	}
	return b, nil
}

func (e *encoder) line(b []byte, l *LineFacts) []byte {
	b = e.word(b, string(l.Standing))
	b = e.word(b, string(l.Phase))
	for _, n := range []int64{l.Epoch, l.Number, l.Position, l.PassUntil} {
		b = binary.AppendVarint(b, n)
	}
	return e.text(b, l.Offset)
}

func (e *encoder) sale(b []byte, s *SaleFacts) []byte {
	b = e.text(b, s.Reservation)
	b = e.text(b, s.Order)
	b = e.word(b, s.State)
	b = e.word(b, s.Payment)
	b = binary.AppendVarint(b, s.Deadline)
	b = binary.AppendUvarint(b, uint64(len(s.Items)))
	for _, item := range s.Items {
		b = e.word(b, string(item.TicketType))
		b = binary.AppendUvarint(b, uint64(item.Quantity))
	}
	b = binary.AppendUvarint(b, uint64(len(s.Tickets)))
	for _, t := range s.Tickets {
		b = e.text(b, t.ID)
		b = e.word(b, t.Type)
		b = e.text(b, t.Code)
	}
	return b
}

func oneIf(is bool) byte {
	if is {
		return 1
	}
	return 0
}

var errBroken = errors.New("the bytes are not an observation")

// decoder reads what an encoder wrote.
type decoder struct {
	words []string
	lastT int64
	b     []byte
	bad   bool
}

func (d *decoder) uvarint() uint64 {
	n, size := binary.Uvarint(d.b)
	if size <= 0 {
		d.bad, d.b = true, nil
		return 0
	}
	d.b = d.b[size:]
	return n
}

func (d *decoder) varint() int64 {
	n, size := binary.Varint(d.b)
	if size <= 0 {
		d.bad, d.b = true, nil
		return 0
	}
	d.b = d.b[size:]
	return n
}

func (d *decoder) bytes(n uint64) []byte {
	if n > uint64(len(d.b)) {
		d.bad, d.b = true, nil
		return nil
	}
	part := d.b[:n]
	d.b = d.b[n:]
	return part
}

func (d *decoder) byte() byte {
	if part := d.bytes(1); len(part) == 1 {
		return part[0]
	}
	return 0
}

func (d *decoder) string() string {
	switch d.byte() {
	case asText:
		return string(d.bytes(d.uvarint()))
	case asNew:
		s := string(d.bytes(d.uvarint()))
		if !d.bad {
			d.words = append(d.words, s)
		}
		return s
	case asNumber:
		if n := d.uvarint(); n < uint64(len(d.words)) {
			return d.words[n]
		}
	case asID:
		return idEncoding.EncodeToString(d.bytes(16))
	case asPair:
		return idEncoding.EncodeToString(d.bytes(16)) + "-" + idEncoding.EncodeToString(d.bytes(16))
	}
	d.bad = true
	return ""
}

func (d *decoder) observation(raw []byte) (o Observation, err error) {
	d.b, d.bad = raw, false
	number := d.byte()
	if int(number) >= len(steps) {
		return o, errBroken
	}
	o.Step = steps[number]
	bits := d.uvarint()
	o.Fan = int(d.uvarint()) - 1
	o.T = d.lastT + d.varint()
	d.lastT = o.T
	status := int64(0)
	for _, n := range []struct {
		bit  uint64
		into *int64
	}{{hasTook, &o.Took}, {hasLate, &o.Late}, {hasEvery, &o.Every}, {hasStatus, &status}, {hasConn, &o.Conn}} {
		if bits&n.bit != 0 {
			*n.into = d.varint()
		}
	}
	o.Status = int(status)
	for _, s := range []struct {
		bit  uint64
		into *string
	}{{hasCode, &o.Code}, {hasTrick, &o.Trick}, {hasOutcome, (*string)(&o.Outcome)}, {hasIs, &o.Is}, {hasKey, &o.Key}, {hasNote, &o.Note}} {
		if bits&s.bit != 0 {
			*s.into = d.string()
		}
	}
	o.Lobby = bits&isLobby != 0
	if bits&hasLine != 0 {
		o.Line = d.line()
	}
	if bits&hasSale != 0 {
		o.Sale = d.sale()
	}
	if bits&hasScan != 0 {
		o.Scan = &ScanFacts{Ticket: d.string(), First: d.byte() == 1}
	}
	if bits&hasRun != 0 {
		o.Run = &RunFacts{}
		if err := json.Unmarshal([]byte(d.string()), o.Run); err != nil {
			return o, err
		}
	}
	if d.bad {
		return o, errBroken
	}
	return o, nil
}

func (d *decoder) line() *LineFacts {
	l := &LineFacts{Standing: ropeline.Standing(d.string()), Phase: ropeline.Phase(d.string())}
	for _, into := range []*int64{&l.Epoch, &l.Number, &l.Position, &l.PassUntil} {
		*into = d.varint()
	}
	l.Offset = d.string()
	return l
}

func (d *decoder) sale() *SaleFacts {
	s := &SaleFacts{Reservation: d.string(), Order: d.string(), State: d.string(), Payment: d.string(), Deadline: d.varint()}
	for n := d.uvarint(); n > 0 && !d.bad; n-- {
		s.Items = append(s.Items, ropeline.Item{TicketType: ropeline.TicketTypeID(d.string()), Quantity: int(d.uvarint())})
	}
	for n := d.uvarint(); n > 0 && !d.bad; n-- {
		s.Tickets = append(s.Tickets, TicketFacts{ID: d.string(), Type: d.string(), Code: d.string()})
	}
	return s
}
