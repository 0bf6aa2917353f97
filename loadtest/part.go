package loadtest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/loadtest/arrival"
	"github.com/ropeline/ropeline/loadtest/crowd"
	"github.com/ropeline/ropeline/loadtest/record"
	"github.com/ropeline/ropeline/loadtest/scenario"
	"github.com/ropeline/ropeline/loadtest/trace"
)

// partJob is what one process of a run does. The processes share nothing but
// the seed and the beginning: fan i belongs to process i modulo Parts, and each
// computes all arrivals and takes its own.
type partJob struct {
	Scenario            string
	URLs                []string
	Event               ropeline.EventID
	Began               time.Time
	Part, Parts         int
	Seed                uint64
	Fans                int
	Pace                float64
	For, Slack          time.Duration
	Arrival             scenario.Arrival
	Lead                time.Duration
	Trace               string
	Mix                 crowd.Mix
	Repeats, Intrusions float64
	Connections         int
	Addresses           int
	Rule                *record.Rule
	ShowUp              time.Duration
	AllowRemote         bool
	Verbose             bool
	Dir                 string
}

// A part with so many fans collects its garbage earlier: what waits should
// weigh little, and time is there.
const (
	manyFans  = 2000
	thriftyGC = 30
)

type partCommand struct{}

// partFile is the record of one part.
func partFile(dir string, part int) string {
	return filepath.Join(dir, fmt.Sprintf("record-%d.rlr", part))
}

func (j partJob) crowd() crowd.Crowd {
	c := crowd.Crowd{
		Name: j.Scenario, BaseURL: j.URLs[0], Nodes: j.URLs[1:], Event: j.Event, Fans: j.Fans, Began: j.Began,
		Arrival: arrival.Arrival{Shape: j.Arrival.Shape, Over: j.Arrival.Over, Lead: j.Lead},
		Mix:     j.Mix, Seed: j.Seed, Pace: j.Pace, Slack: j.Slack, Rule: j.Rule, ShowUp: j.ShowUp, Repeats: j.Repeats, Intrusions: j.Intrusions,
		MaxConns: max(1, (j.Connections+j.Parts-1)/j.Parts), Addresses: j.Addresses, Part: j.Part, Parts: j.Parts,
		AllowRemote: j.AllowRemote, Unjudged: true,
	}
	if j.Connections == 0 {
		c.MaxConns = 128
	}
	if j.Trace != "" && j.Fans == 0 {
		c.Fans = 1 // as many as the trace has
	}
	return c
}

// run sends this part's fans and keeps what they saw.
func (j partJob) run(ctx context.Context, watch record.Sink, stderr io.Writer) (err error) {
	file, err := os.Create(partFile(j.Dir, j.Part))
	if err != nil {
		return err
	}
	stream := record.NewWriter(file)
	defer func() { err = errors.Join(err, stream.Flush(), file.Close()) }()
	c := j.crowd()
	c.Record, c.Watch = stream, watch
	if j.Fans/j.Parts > manyFans {
		defer debug.SetGCPercent(debug.SetGCPercent(thriftyGC))
	}
	if j.Verbose {
		c.Log = slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	if j.Trace != "" {
		arrivals, err := os.Open(j.Trace)
		if err != nil {
			return err
		}
		defer arrivals.Close()
		reader, err := trace.NewReader(arrivals)
		if err != nil {
			return err
		}
		c.Times = reader.Times(j.Arrival.Speed)
		defer func() { err = errors.Join(err, reader.Err()) }()
	}
	ctx, cancel := context.WithTimeout(ctx, j.For)
	defer cancel()
	_, err = c.Run(ctx)
	return err
}

// runParts runs all parts: one in this process, several in processes of their
// own, which die with it.
func (j partJob) runParts(ctx context.Context, shown *progress, stderr io.Writer) error {
	defer shown.end()
	if j.Parts == 1 {
		m := newMeter()
		stop := shown.follow(func() []reading { return []reading{m.read()} })
		defer stop()
		return j.run(ctx, m, stderr)
	}
	program, err := os.Executable()
	if err != nil {
		return err
	}
	var mu sync.Mutex
	latest := make([]reading, j.Parts)
	stop := shown.follow(func() []reading {
		mu.Lock()
		defer mu.Unlock()
		return append([]reading(nil), latest...)
	})
	defer stop()
	g, ctx := errgroup.WithContext(ctx)
	for part := range j.Parts {
		one := j
		one.Part = part
		raw, err := json.Marshal(one)
		if err != nil {
			return err
		}
		cmd := exec.CommandContext(ctx, program, "part")
		cmd.Stdin, cmd.Stderr = bytes.NewReader(raw), stderr
		cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
		cmd.WaitDelay = 30 * time.Second
		out, err := cmd.StdoutPipe()
		if err != nil {
			return err
		}
		if err := cmd.Start(); err != nil {
			return err
		}
		g.Go(func() error {
			for lines := bufio.NewScanner(out); lines.Scan(); {
				var now reading
				if json.Unmarshal(lines.Bytes(), &now) == nil {
					mu.Lock()
					latest[part] = now
					mu.Unlock()
				}
			}
			if err := cmd.Wait(); err != nil && ctx.Err() == nil {
				return fmt.Errorf("part %d: %w", part, err)
			}
			return nil
		})
	}
	return g.Wait()
}

// run is the command of a part: its job comes on stdin, a reading of its meter
// goes out every second.
func (*partCommand) run(ctx context.Context, stdin io.Reader, stdout, stderr io.Writer) error {
	var j partJob
	if err := json.NewDecoder(stdin).Decode(&j); err != nil {
		return fmt.Errorf("the part's job: %w", err)
	}
	raiseFiles()
	m := newMeter()
	done := make(chan struct{})
	var telling sync.WaitGroup
	telling.Go(func() {
		ticker := time.NewTicker(time.Second)
		defer ticker.Stop()
		for enc := json.NewEncoder(stdout); ; {
			select {
			case <-done:
				enc.Encode(m.read())
				return
			case <-ticker.C:
				enc.Encode(m.read())
			}
		}
	})
	err := j.run(ctx, m, stderr)
	close(done)
	telling.Wait()
	return err
}
