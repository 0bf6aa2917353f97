package loadtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/ropeline/ropeline/loadtest/crowd"
	"github.com/ropeline/ropeline/loadtest/judge"
	"github.com/ropeline/ropeline/loadtest/record"
	"github.com/ropeline/ropeline/loadtest/report"
	"github.com/ropeline/ropeline/loadtest/scenario"
	"github.com/ropeline/ropeline/loadtest/tally"
)

// settling is how long, beyond the holds, payments may take to come to rest; less
// where holds are short.
const settling = 30 * time.Second

// The files of a run's directory, beside the parts' records.
const (
	houseFile    = "record-house.rlr" // faults and the gate
	drawFile     = "draw.txt"         // as the house published it
	databaseFile = "database.json"    // the verdicts of --verify-database
	jsonFile     = "report.json"
	pageFile     = "report.html"
)

// houseLog is the part of the record that no fan saw.
type houseLog struct {
	mu     sync.Mutex
	file   *os.File
	stream *record.Writer
}

func openHouseLog(dir string, j partJob) (*houseLog, error) {
	file, err := os.Create(filepath.Join(dir, houseFile))
	if err != nil {
		return nil, err
	}
	log := &houseLog{file: file, stream: record.NewWriter(file)}
	log.see(record.Observation{Fan: -1, Step: record.StepRun, Run: &record.RunFacts{Event: j.Event, Seed: j.Seed, Started: j.Began}})
	return log, nil
}

func (l *houseLog) see(o record.Observation) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stream.See(o)
}

func (l *houseLog) close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return errors.Join(l.stream.Flush(), l.file.Close())
}

// conclude reads tickets at the gate, asks the database, and reports.
func (r *runCommand) conclude(ctx context.Context, s *scenario.Scenario, h *house, organizer *crowd.Organizer, j partJob, log *houseLog, weight string, stdout, stderr io.Writer) error {
	ctx = context.WithoutCancel(ctx) // who stops a run still wants to know
	if organizer != nil && s.Gate > 0 {
		tickets := &purse{most: s.Gate}
		if err := replayDir(j.Dir, tickets); err != nil {
			return errors.Join(err, log.close())
		}
		organizer.Gate(ctx, h.event, tickets.held, j.Began, log.see)
	}
	if err := log.close(); err != nil {
		return err
	}
	if err := keepDraw(ctx, h, j.Dir); err != nil {
		fmt.Fprintln(stderr, "the draw's file:", err)
	}
	if h.database != "" {
		// Holds end by themselves, and money that is on its way arrives.
		if err := judge.Held(ctx, h.database, h.event, s.Event.Hold+max(10*time.Second, min(settling, 3*s.Event.Hold))); err != nil {
			return fmt.Errorf("--verify-database: %w", err)
		}
		var outages judge.Outages
		if err := replayDir(j.Dir, &outages); err != nil {
			return err
		}
		verdicts, err := judge.Database(ctx, h.database, h.event, j.Began, &outages, s.Slack)
		if err != nil {
			return fmt.Errorf("--verify-database: %w", err)
		}
		raw, err := json.Marshal(verdicts)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(j.Dir, databaseFile), raw, 0o644); err != nil {
			return err
		}
	}
	summary, err := analyse(j.Dir)
	if err != nil {
		return err
	}
	if weight != "" {
		summary.Notes = append(summary.Notes, weight)
	}
	if err := writeReports(j.Dir, summary); err != nil {
		return err
	}
	if err := summary.Text(stdout); err != nil {
		return err
	}
	fmt.Fprintf(stdout, "\n%s\n", filepath.Join(j.Dir, pageFile))
	if summary.Broken() != "" {
		return errBroken
	}
	return nil
}

// purse is a sink that collects some tickets, from as many fans as there are.
type purse struct {
	most int
	fans map[int]bool
	held []record.TicketFacts
}

func (p *purse) See(o record.Observation) {
	if o.Sale == nil || o.Step != record.StepTickets || len(o.Sale.Tickets) == 0 || len(p.held) >= p.most || p.fans[o.Fan] {
		return
	}
	if p.fans == nil {
		p.fans = make(map[int]bool)
	}
	p.fans[o.Fan] = true
	p.held = append(p.held, o.Sale.Tickets[0])
}

// keepDraw saves what the house published of the draw.
func keepDraw(ctx context.Context, h *house, dir string) error {
	from, err := crowd.Draw(ctx, h.urls[0], h.event)
	if err != nil || from == nil {
		return err
	}
	defer from.Close()
	file, err := os.Create(filepath.Join(dir, drawFile))
	if err != nil {
		return err
	}
	_, err = io.Copy(file, from)
	return errors.Join(err, file.Close())
}

// replayDir hands the merged record of a run's directory, or of one file, to
// the sinks.
func replayDir(path string, sinks ...record.Sink) error {
	files := []string{path}
	if info, err := os.Stat(path); err != nil {
		return err
	} else if info.IsDir() {
		if files, err = filepath.Glob(filepath.Join(path, "record-[0-9]*.rlr")); err != nil {
			return err
		}
		if len(files) == 0 {
			return fmt.Errorf("%s: there is no record in it", path)
		}
		slices.Sort(files)
		if house := filepath.Join(path, houseFile); exists(house) {
			files = append(files, house)
		}
	}
	var parts []io.Reader
	for _, name := range files {
		file, err := os.Open(name)
		if err != nil {
			return err
		}
		defer file.Close()
		parts = append(parts, file)
	}
	err := record.Merge(parts, sinks...)
	if errors.Is(err, record.ErrCutOff) {
		return nil // a process died: what it wrote counts
	}
	return err
}

func exists(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Size() > 0
}

// analyse reads a run again, from its first observation.
func analyse(path string) (*report.Summary, error) {
	judging, counts := judge.New(), tally.New()
	if err := replayDir(path, judging, counts); err != nil {
		return nil, err
	}
	if file, err := os.Open(filepath.Join(path, drawFile)); err == nil {
		defer file.Close()
		if err := judging.Draw(file); err != nil {
			return nil, err
		}
	}
	summary := report.New(judging, counts)
	if raw, err := os.ReadFile(filepath.Join(path, databaseFile)); err == nil {
		var seen []judge.Verdict
		if err := json.Unmarshal(raw, &seen); err != nil {
			return nil, fmt.Errorf("%s: %w", databaseFile, err)
		}
		summary.Verdicts = append(summary.Verdicts, seen...)
	}
	vitals, err := readVitals(filepath.Join(path, vitalsFile))
	if err != nil {
		return nil, err
	}
	flat, notes := compareVitals(vitals)
	summary.Verdicts, summary.Notes = append(summary.Verdicts, flat...), append(summary.Notes, notes...)
	return summary, nil
}

func writeReports(dir string, summary *report.Summary) error {
	for name, write := range map[string]func(io.Writer) error{jsonFile: summary.JSON, pageFile: summary.Page} {
		if err := writeFile(filepath.Join(dir, name), write); err != nil {
			return err
		}
	}
	return nil
}

func writeFile(path string, write func(io.Writer) error) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(write(file), file.Close())
}
