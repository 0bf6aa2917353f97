package loadtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/alexflint/go-arg"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/loadtest/arrival"
	"github.com/ropeline/ropeline/loadtest/crowd"
	"github.com/ropeline/ropeline/loadtest/judge"
	"github.com/ropeline/ropeline/loadtest/record"
	"github.com/ropeline/ropeline/loadtest/report"
	"github.com/ropeline/ropeline/loadtest/tally"
)

// Exit codes of Main.
const (
	exitOK     = 0
	exitBroken = 1 // an invariant was found broken
	exitUsage  = 2 // the run did not take place
)

type cli struct {
	Run    *runCommand    `arg:"subcommand:run" help:"send a crowd to an event, report and judge"`
	Report *reportCommand `arg:"subcommand:report" help:"report and judge a record again"`
}

func (cli) Description() string {
	return "loadtest replays the stampede of a drop and proves what must hold."
}

type runCommand struct {
	URL         string        `arg:"--url" default:"http://127.0.0.1:8080" help:"base URL of the server"`
	Event       string        `arg:"--event,required" help:"the event's id"`
	Fans        int           `arg:"--fans" default:"200" help:"how many fans come"`
	Over        time.Duration `arg:"--over" default:"30s" help:"the time over which they come"`
	Arrival     string        `arg:"--arrival" default:"burst" help:"poisson, constant, burst or ramp"`
	Seed        uint64        `arg:"--seed" default:"1" help:"the same seed gives the same crowd"`
	Pace        float64       `arg:"--pace" default:"1" help:"multiplies human times: 0.1 is ten times as fast"`
	For         time.Duration `arg:"--for" default:"10m" help:"send everybody home after this time (at most 2h)"`
	Rate        int           `arg:"--rate" default:"-1" help:"the organizer's admissions per minute, to judge the pace (with --burst)"`
	Burst       int           `arg:"--burst" default:"0" help:"the organizer's burst"`
	Slack       time.Duration `arg:"--slack" default:"3s" help:"how old an answer may be before it counts against the server"`
	Record      string        `arg:"--record" help:"stream every observation to this file, as NDJSON"`
	AllowRemote bool          `arg:"--allow-remote" help:"permit load on addresses beyond loopback; be sure that they are yours"`
	Verbose     bool          `arg:"-v,--verbose" help:"log what fans meet to standard error"`
}

type reportCommand struct {
	File string `arg:"positional,required" help:"a record of loadtest run"`
}

// longest bounds a run.
const longest = 2 * time.Hour

// Main is the command line: args without the program's name. It returns the
// exit code: 0, 1 when an invariant is broken, 2 when nothing could be judged.
func Main(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var c cli
	parser, err := arg.NewParser(arg.Config{Program: "loadtest"}, &c)
	if err != nil {
		fmt.Fprintln(stderr, err)
		return exitUsage
	}
	switch err := parser.Parse(args); {
	case errors.Is(err, arg.ErrHelp):
		parser.WriteHelpForSubcommand(stdout, parser.SubcommandNames()...)
		return exitOK
	case err != nil:
		parser.WriteUsageForSubcommand(stderr, parser.SubcommandNames()...)
		fmt.Fprintln(stderr, "error:", err)
		return exitUsage
	case parser.Subcommand() == nil:
		parser.WriteHelp(stderr)
		return exitUsage
	}
	var result *crowd.Result
	if c.Run != nil {
		result, err = c.Run.run(ctx, stderr)
	} else {
		result, err = c.Report.run()
	}
	if result != nil {
		err = errors.Join(err, report.Text(stdout, result.Verdicts, result.Tally))
	}
	switch {
	case err != nil:
		fmt.Fprintln(stderr, "error:", err)
		return exitUsage
	case len(result.Broken()) > 0:
		return exitBroken
	}
	return exitOK
}

func (r *runCommand) run(ctx context.Context, stderr io.Writer) (result *crowd.Result, err error) {
	if r.For <= 0 || r.For > longest {
		return nil, fmt.Errorf("--for: %v is not in 0 to %v", r.For, longest)
	}
	ctx, cancel := context.WithTimeout(ctx, r.For)
	defer cancel()
	sent := crowd.Crowd{
		BaseURL: r.URL, Event: ropeline.EventID(r.Event), Fans: r.Fans,
		Arrival: arrival.Arrival{Shape: arrival.Shape(r.Arrival), Over: r.Over},
		Seed:    r.Seed, Pace: r.Pace, Slack: r.Slack, AllowRemote: r.AllowRemote,
	}
	if r.Verbose {
		sent.Log = slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	if r.Rate >= 0 {
		sent.Rule = &record.Rule{RatePerMinute: r.Rate, Burst: r.Burst}
	}
	if err := sent.Validate(); err != nil {
		return nil, err
	}
	if r.Record != "" {
		file, failed := os.Create(r.Record)
		if failed != nil {
			return nil, failed
		}
		stream := record.NewWriter(file)
		sent.Record = stream
		defer func() { err = errors.Join(err, stream.Flush(), file.Close()) }()
	}
	return sent.Run(ctx)
}

func (r *reportCommand) run() (*crowd.Result, error) {
	file, err := os.Open(r.File)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	judging, counts := judge.New(), tally.New()
	if err := record.Replay(file, judging, counts); err != nil {
		return nil, err
	}
	return &crowd.Result{Verdicts: judging.Verdicts(), Tally: counts}, nil
}
