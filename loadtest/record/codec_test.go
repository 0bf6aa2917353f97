package record_test

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/loadtest/record"
)

func drawObservation(t *rapid.T) record.Observation {
	id := rapid.SampledFrom([]string{"", "x", "0123456789abcdefghijklmnop", "06d0000000000000000000000g", "06d0000000000000000000000g-06d0000000000000000000000g", "zz-zz"})
	o := record.Observation{
		Fan: rapid.IntRange(-1, 1<<30).Draw(t, "fan"), T: rapid.Int64Range(0, 1<<50).Draw(t, "t"),
		Took: rapid.Int64Range(0, 1<<40).Draw(t, "took"), Late: rapid.Int64Range(0, 9).Draw(t, "late"), Every: rapid.Int64Range(0, 9).Draw(t, "every"),
		Step:   rapid.SampledFrom([]record.Step{record.StepJoin, record.StepFrame, record.StepFault, record.StepEnd, record.StepScan}).Draw(t, "step"),
		Status: rapid.IntRange(0, 599).Draw(t, "status"), Code: rapid.String().Draw(t, "code"), Conn: rapid.Int64Range(0, 99).Draw(t, "conn"),
		Key: id.Draw(t, "key"), Trick: rapid.SampledFrom([]string{"", "no_pass"}).Draw(t, "trick"), Lobby: rapid.Bool().Draw(t, "lobby"),
		Note: rapid.String().Draw(t, "note"), Outcome: rapid.SampledFrom([]record.Outcome{"", record.Bought}).Draw(t, "outcome"), Is: id.Draw(t, "is"),
	}
	if rapid.Bool().Draw(t, "has line") {
		o.Line = &record.LineFacts{Standing: ropeline.StandingWaiting, Phase: ropeline.PhaseOnSale, Epoch: 3,
			Number: rapid.Int64().Draw(t, "number"), Position: rapid.Int64().Draw(t, "position"), Offset: rapid.String().Draw(t, "offset"), PassUntil: rapid.Int64().Draw(t, "until")}
	}
	if rapid.Bool().Draw(t, "has sale") {
		o.Sale = &record.SaleFacts{Reservation: id.Draw(t, "reservation"), Order: id.Draw(t, "order"), State: "held", Payment: id.Draw(t, "payment"), Deadline: 7}
		for range rapid.IntRange(0, 3).Draw(t, "items") {
			o.Sale.Items = append(o.Sale.Items, ropeline.Item{TicketType: "a", Quantity: rapid.IntRange(0, 9).Draw(t, "quantity")})
			o.Sale.Tickets = append(o.Sale.Tickets, record.TicketFacts{ID: id.Draw(t, "ticket"), Type: "a", Code: rapid.String().Draw(t, "of")})
		}
	}
	if o.Step == record.StepScan {
		o.Scan = &record.ScanFacts{Ticket: id.Draw(t, "scanned"), First: rapid.Bool().Draw(t, "first")}
	}
	return o
}

// What is written is read again, all of it, in every part of it.
func TestARecordComesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		said := []record.Observation{{Fan: -1, Step: record.StepRun, Run: &record.RunFacts{Event: "e", Fans: 3, Started: time.Unix(1, 0).UTC()}}}
		for range rapid.IntRange(0, 20).Draw(t, "observations") {
			said = append(said, drawObservation(t))
		}
		var kept bytes.Buffer
		w := record.NewWriter(&kept)
		for _, o := range said {
			w.See(o)
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		whole := bytes.Clone(kept.Bytes())
		var again record.Memory
		if err := record.Replay(&kept, &again); err != nil || !reflect.DeepEqual(again.Seen(), said) {
			t.Fatalf("%v\n%+v\n%+v", err, again.Seen(), said)
		}
		// Cut off anywhere, what came before is good.
		cut := rapid.IntRange(0, len(whole)).Draw(t, "cut")
		var part record.Memory
		err := record.Replay(bytes.NewReader(whole[:cut]), &part)
		if n := len(part.Seen()); n > 0 && !reflect.DeepEqual(part.Seen(), said[:n]) || err == nil && n < len(said) && cut == len(whole) {
			t.Fatalf("cut at %d: %v", cut, err)
		}
	})
}

// Parts of a run are told together in the order of time.
func TestPartsAreMerged(t *testing.T) {
	part := func(fan int, times ...int64) io.Reader {
		var kept bytes.Buffer
		w := record.NewWriter(&kept)
		w.See(record.Observation{Fan: -1, Step: record.StepRun, Run: &record.RunFacts{Fans: 10}})
		for _, at := range times {
			w.See(record.Observation{Fan: fan, T: at, Step: record.StepFrame, Conn: 1})
		}
		w.Flush()
		return &kept
	}
	var whole record.Memory
	if err := record.Merge([]io.Reader{part(1, 5, 7, 20), part(2, 1, 8), part(3)}, &whole); err != nil {
		t.Fatal(err)
	}
	seen := whole.Seen()
	if len(seen) != 6 || seen[0].Run.Fans != 30 {
		t.Fatalf("%+v", seen)
	}
	for i, at := range []int64{1, 5, 7, 8, 20} {
		if seen[i+1].T != at {
			t.Errorf("observation %d is of %d, want %d", i, seen[i+1].T, at)
		}
	}
	if seen[1].Conn == seen[2].Conn {
		t.Error("connections of two parts have one number")
	}
}

func FuzzReader(f *testing.F) {
	var kept bytes.Buffer
	w := record.NewWriter(&kept)
	w.See(record.Observation{Fan: -1, Step: record.StepRun, Run: &record.RunFacts{Fans: 1}})
	w.See(record.Observation{Fan: 1, Step: record.StepReserve, Sale: &record.SaleFacts{Reservation: "x", Items: []ropeline.Item{{TicketType: "a", Quantity: 1}}}})
	w.Flush()
	f.Add(kept.Bytes())
	f.Fuzz(func(t *testing.T, raw []byte) {
		in, err := record.NewReader(bytes.NewReader(raw))
		for err == nil {
			_, err = in.Next()
		}
		if errors.Is(err, io.ErrUnexpectedEOF) && bytes.HasPrefix(raw, []byte("ropeline-record")) {
			t.Error("a bare error of the reader:", err)
		}
	})
}
