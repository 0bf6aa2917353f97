package loadtest

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/ropeline/ropeline/loadtest/workload"
)

type measureCommand struct {
	Spec        []string `arg:"positional,required" help:"spec files, one for each system"`
	Set         []string `arg:"--set,separate" placeholder:"NAME=VALUE" help:"a variable of the specs"`
	AllowRemote bool     `arg:"--allow-remote" help:"permit load on addresses beyond loopback; be sure that they are yours"`
}

// run measures each system in turn and prints a line for each workload.
func (m *measureCommand) run(ctx context.Context, stdout, stderr io.Writer) error {
	vars := make(map[string]string)
	for _, set := range m.Set {
		name, value, ok := strings.Cut(set, "=")
		if !ok {
			return fmt.Errorf("--set %s: want NAME=VALUE", set)
		}
		vars[name] = value
	}
	var specs []*workload.Spec
	for _, path := range m.Spec {
		s, err := workload.Load(path, vars)
		if err != nil {
			return err
		}
		specs = append(specs, s)
	}
	fmt.Fprintf(stdout, "%-14s %-9s %8s %12s %10s %10s %10s %8s %10s\n", "system", "workload", "workers", "good/s", "p50", "p99", "max", "bad", "frames")
	for _, s := range specs {
		err := workload.Run(ctx, s, m.AllowRemote, func(r workload.Result) {
			at := func(q float64) time.Duration { return time.Duration(r.Latency.ValueAtQuantile(q)) * time.Microsecond }
			fmt.Fprintf(stdout, "%-14s %-9s %8d %12.1f %10v %10v %10v %8d %10d\n", s.Name, r.Name, r.Workers, r.Rate(), at(50), at(99), at(100), r.Bad, r.Frames)
			if r.FirstBad != "" {
				fmt.Fprintf(stderr, "%s %s: %s\n", s.Name, r.Name, r.FirstBad)
			}
		})
		if err != nil {
			return fmt.Errorf("%s: %w", s.Name, err)
		}
	}
	return nil
}
