package trace_test

import (
	"bytes"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/ropeline/ropeline/loadtest/arrival"
	"github.com/ropeline/ropeline/loadtest/trace"
)

// What a model makes is read again: all of it, in order, at any speed.
func TestATraceOfAModel(t *testing.T) {
	var file bytes.Buffer
	model := arrival.Arrival{Shape: arrival.Drop, Over: time.Minute, Lead: 20 * time.Second}
	if err := trace.Generate(&file, 10_000, model, 7); err != nil {
		t.Fatal(err)
	}
	var again bytes.Buffer
	if trace.Generate(&again, 10_000, model, 7); !bytes.Equal(file.Bytes(), again.Bytes()) {
		t.Error("one seed, two traces")
	}
	stat, err := trace.Read(bytes.NewReader(file.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	if stat.Arrivals != 10_000 || stat.Before < 4_800 || stat.Before > 5_200 || stat.Last > time.Minute || stat.PeakAt != 20*time.Second {
		t.Errorf("%+v", stat)
	}
	r, err := trace.NewReader(&file)
	if err != nil {
		t.Fatal(err)
	}
	n, last := 0, time.Duration(0)
	for at := range r.Times(10) {
		if at < last {
			t.Fatalf("arrival %d comes at %v, after %v", n, at, last)
		}
		n, last = n+1, at
	}
	if r.Err() != nil || n != 10_000 || last > 6*time.Second {
		t.Errorf("%d arrivals until %v: %v", n, last, r.Err())
	}
}

func TestABrokenTraceNamesItsLine(t *testing.T) {
	head := `{"trace":1}` + "\n"
	for name, c := range map[string]struct{ text, want string }{
		"empty":        {"", "empty"},
		"no head":      {`{"at":1,"fan":"a"}`, "line 1"},
		"no JSON":      {head + "x\n", "line 2"},
		"back in time": {head + `{"at":2,"fan":"a"}` + "\n" + `{"at":1,"fan":"b"}`, "line 3"},
		"nobody":       {head + `{"at":2}`, "line 2"},
		"a long line":  {head + strings.Repeat("x", 1<<17), "line 2"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := trace.Read(strings.NewReader(c.text)); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("err = %v, want one about %q", err, c.want)
			}
		})
	}
}

// Reading needs the same memory for any length.
func TestReadingNeedsConstantMemory(t *testing.T) {
	const n = 200_000
	in, out := io.Pipe()
	go func() {
		out.CloseWithError(trace.Generate(out, n, arrival.Arrival{Over: time.Minute}, 1))
	}()
	r, err := trace.NewReader(in)
	if err != nil {
		t.Fatal(err)
	}
	var most uint64
	count := 0
	for range r.Times(1) {
		if count++; count%(n/8) == 0 {
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			most = max(most, m.HeapAlloc)
		}
	}
	if count != n || most > 16<<20 {
		t.Errorf("%d arrivals were read with %d bytes of heap", count, most)
	}
}

func FuzzReader(f *testing.F) {
	f.Add([]byte(`{"trace":1,"drop_ms":5}` + "\n" + `{"at":1,"fan":"a","left":3}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		last := 0.0
		r, err := trace.NewReader(bytes.NewReader(raw))
		for err == nil {
			var a trace.Arrival
			if a, err = r.Next(); err == nil && a.AtMS < last {
				t.Error("back in time")
			}
			last = a.AtMS
		}
	})
}
