package ropeline

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"
)

// Every field, full and empty, and strings that need escaping.
func TestStatusAppendJSON(t *testing.T) {
	var full Status
	fill(t, reflect.ValueOf(&full).Elem())
	cases := []Status{{}, full}
	for i := range reflect.TypeFor[Status]().NumField() { // each field alone, and each left out
		var one, rest Status
		rest = full
		reflect.ValueOf(&one).Elem().Field(i).Set(reflect.ValueOf(full).Field(i))
		reflect.ValueOf(&rest).Elem().Field(i).SetZero()
		cases = append(cases, one, rest)
	}
	odd := full
	odd.Place, odd.Offset = "\"<&>\\\x00\x7fé\u2028", "\xff"
	local := time.Date(2026, 11, 20, 12, 0, 0, 0, time.FixedZone("", 3600))
	odd.PassUntil = &local
	cases = append(cases, odd)
	for _, s := range cases {
		want, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.AppendJSON([]byte("x")); string(got) != "x"+string(want) {
			t.Errorf("AppendJSON wrote\n%s\nand json.Marshal writes\n%s", got[1:], want)
		}
	}
}

// fill sets everything to something that is not its zero value.
func fill(t *testing.T, v reflect.Value) {
	t.Helper()
	if v.Type() == reflect.TypeFor[time.Time]() {
		v.Set(reflect.ValueOf(time.Date(2026, 11, 20, 12, 0, 0, 123456789, time.UTC)))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString("some-thing_1")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int64:
		v.SetInt(-1234567890123)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(t, v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			fill(t, v.Index(i))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			fill(t, v.Field(i))
		}
	default:
		t.Fatalf("fill does not know %s", v.Type())
	}
}

func BenchmarkStatusAppendJSON(b *testing.B) {
	s := Status{Event: "0dq3k5m2p8r7t1v9b4c6f0h0a1", Phase: PhaseOnSale, Standing: StandingWaiting, Epoch: 1, Offset: "1-12345",
		Number: 123456, Position: 65432, Waiting: 99999, Wait: &Range{60, 120}, NextMS: 10000}
	var buffer []byte
	for b.Loop() {
		buffer = s.AppendJSON(buffer[:0])
	}
}
