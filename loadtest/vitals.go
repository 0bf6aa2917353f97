package loadtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/ropeline/ropeline/loadtest/cluster"
	"github.com/ropeline/ropeline/loadtest/judge"
)

// vitalsFile has the house's vitals by time, one JSON object a line.
const vitalsFile = "vitals.ndjson"

// vitalsEvery is how often they are looked at.
const vitalsEvery = 10 * time.Second

// watchVitals looks at the house until ctx ends.
func watchVitals(ctx context.Context, c *cluster.Cluster, dir string, began time.Time) (err error) {
	if c == nil {
		return nil
	}
	file, err := os.Create(filepath.Join(dir, vitalsFile))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	ticker := time.NewTicker(vitalsEvery)
	defer ticker.Stop()
	for enc := json.NewEncoder(file); ; {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			v := c.Vitals(ctx)
			v.At = time.Since(began).Seconds()
			if err := enc.Encode(v); err != nil {
				return err
			}
		}
	}
}

func readVitals(path string) (seen []cluster.Vitals, err error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, nil // the house was not ours, or the path is a record alone
	}
	defer file.Close()
	for dec := json.NewDecoder(file); ; {
		var v cluster.Vitals
		switch err := dec.Decode(&v); {
		case err == io.EOF, errors.Is(err, io.ErrUnexpectedEOF): // the run died: what it wrote counts
			return seen, nil
		case err != nil:
			return nil, fmt.Errorf("%s: %w", vitalsFile, err)
		}
		seen = append(seen, v)
	}
}

// A run of flatTime or longer is a soak, whose vitals must be flat: in the last
// quarter no more than in the second by a tenth and some. Shorter runs are told
// and not judged; of three looks or fewer a quarter nothing can be told.
const (
	flatTime  = 25 * time.Minute
	fewVitals = 12
)

// vital is one figure of the house, and by how much beyond a tenth it may grow.
type vital struct {
	name, unit string
	per, some  int64
	of         func(cluster.Vitals) int64
	told       bool // and not judged
}

// compareVitals tells how the vitals changed from the second quarter of a run to
// the last, and judges a long run by it.
func compareVitals(seen []cluster.Vitals) (verdicts []judge.Verdict, notes []string) {
	if len(seen) < fewVitals {
		return nil, nil
	}
	last := seen[len(seen)-1]
	var vitals []vital
	for _, name := range slices.Sorted(maps.Keys(last.RSS)) {
		vitals = append(vitals, vital{"RSS of " + name, " MiB", 1 << 20, 4, func(v cluster.Vitals) int64 { return v.RSS[name] }, false},
			vital{"open files of " + name, "", 1, 16, func(v cluster.Vitals) int64 { return v.Files[name] }, false})
	}
	for _, name := range slices.Sorted(maps.Keys(last.Goroutines)) {
		vitals = append(vitals, vital{"goroutines of " + name, "", 1, 16, func(v cluster.Vitals) int64 { return v.Goroutines[name] }, false})
	}
	vitals = append(vitals, vital{"keys in Redis without an end", "", 1, 16, func(v cluster.Vitals) int64 { return v.Lasting }, false},
		vital{"keys in Redis", "", 1, 0, func(v cluster.Vitals) int64 { return v.Keys }, true})
	middle := func(of []cluster.Vitals, value func(cluster.Vitals) int64) int64 {
		values := make([]int64, 0, len(of))
		for _, v := range of {
			values = append(values, value(v))
		}
		slices.Sort(values)
		return values[len(values)/2]
	}
	flat := judge.Verdict{Invariant: "flat", Claim: "memory, goroutines, open files and lasting keys in Redis do not grow", OK: true}
	for _, one := range vitals {
		early, late := middle(seen[len(seen)/4:len(seen)/2], one.of)/one.per, middle(seen[len(seen)*3/4:], one.of)/one.per
		change := fmt.Sprintf("%s: %d%s in the second quarter of the run, %d%s in the last", one.name, early, one.unit, late, one.unit)
		notes = append(notes, change)
		if one.told {
			continue
		}
		flat.Checked++
		if late > early+early/10+one.some && flat.OK {
			flat.OK, flat.Counterexample = false, change
		}
	}
	if last.At >= flatTime.Seconds() {
		verdicts = append(verdicts, flat)
	}
	return verdicts, notes
}
