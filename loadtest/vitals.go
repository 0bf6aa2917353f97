package loadtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/ropeline/ropeline/loadtest/cluster"
)

// vitalsFile has the house's vitals by time, one JSON object a line.
const vitalsFile = "vitals.ndjson"

// vitalsEvery is how often they are looked at.
const vitalsEvery = 10 * time.Second

// watchVitals looks at the house until ctx ends, and tells how what it saw
// changed from the second quarter of the time to the last.
func watchVitals(ctx context.Context, c *cluster.Cluster, dir string, began time.Time) (notes []string, err error) {
	if c == nil {
		return nil, nil
	}
	file, err := os.Create(filepath.Join(dir, vitalsFile))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	var seen []cluster.Vitals
	ticker := time.NewTicker(vitalsEvery)
	defer ticker.Stop()
	for enc := json.NewEncoder(file); ; {
		select {
		case <-ctx.Done():
			return compareVitals(seen), nil
		case <-ticker.C:
			v := c.Vitals(ctx)
			v.At = time.Since(began).Seconds()
			seen = append(seen, v)
			if err := enc.Encode(v); err != nil {
				return nil, err
			}
		}
	}
}

// fewVitals are too few to compare.
const fewVitals = 12

func compareVitals(seen []cluster.Vitals) (notes []string) {
	if len(seen) < fewVitals {
		return nil
	}
	early, late := seen[len(seen)/4:len(seen)/2], seen[len(seen)*3/4:]
	middle := func(of []cluster.Vitals, value func(cluster.Vitals) int64) int64 {
		values := make([]int64, 0, len(of))
		for _, v := range of {
			values = append(values, value(v))
		}
		slices.Sort(values)
		return values[len(values)/2]
	}
	tell := func(name, unit string, per int64, value func(cluster.Vitals) int64) {
		notes = append(notes, fmt.Sprintf("%s: %d%s in the second quarter of the run, %d%s in the last", name,
			middle(early, value)/per, unit, middle(late, value)/per, unit))
	}
	for _, name := range slices.Sorted(maps.Keys(seen[len(seen)-1].RSS)) {
		tell("RSS of "+name, " MiB", 1<<20, func(v cluster.Vitals) int64 { return v.RSS[name] })
		tell("open files of "+name, "", 1, func(v cluster.Vitals) int64 { return v.Files[name] })
	}
	for _, name := range slices.Sorted(maps.Keys(seen[len(seen)-1].Goroutines)) {
		tell("goroutines of "+name, "", 1, func(v cluster.Vitals) int64 { return v.Goroutines[name] })
	}
	tell("keys in Redis", "", 1, func(v cluster.Vitals) int64 { return v.Keys })
	return notes
}
