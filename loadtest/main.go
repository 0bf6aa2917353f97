package loadtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/alexflint/go-arg"
)

// Exit codes of Main.
const (
	exitOK     = 0
	exitBroken = 1 // an invariant was found broken
	exitUsage  = 2 // nothing could be judged
)

type cli struct {
	Run     *runCommand     `arg:"subcommand:run" help:"send a crowd to an event, report and judge"`
	Report  *reportCommand  `arg:"subcommand:report" help:"report and judge a run again"`
	Compare *compareCommand `arg:"subcommand:compare" help:"show two runs side by side"`
	Trace   *traceCommand   `arg:"subcommand:trace" help:"make traces of arrivals, and look at them"`
	Plan    *planCommand    `arg:"subcommand:plan" help:"forecast a drop without a server"`
	Measure *measureCommand `arg:"subcommand:measure" help:"measure join, poll, socket and reserve of any system that a spec file describes"`
	Part    *partCommand    `arg:"subcommand:part" help:"one process of a run (started by run)"`
}

func (cli) Description() string {
	return "loadtest replays the stampede of a drop and proves what must hold. docs/loadtest.md tells how.\n"
}

// errBroken ends a command that found an invariant broken.
var errBroken = errors.New("an invariant is broken")

// Main is the command line: args without the program's name. It returns the
// exit code: 0, 1 when an invariant is broken, 2 when nothing could be judged.
func Main(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	if _, file := stderr.(*os.File); !file { // the parts' processes are copied into it at the same time
		stderr = &oneAtATime{to: stderr}
	}
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
	}
	switch {
	case c.Run != nil:
		err = c.Run.run(ctx, stdout, stderr)
	case c.Report != nil:
		err = c.Report.run(stdout)
	case c.Compare != nil:
		err = c.Compare.run(stdout)
	case c.Trace != nil:
		err = c.Trace.run(stdout)
	case c.Plan != nil:
		err = c.Plan.run(stdout)
	case c.Measure != nil:
		err = c.Measure.run(ctx, stdout, stderr)
	case c.Part != nil:
		err = c.Part.run(ctx, stdin, stdout, stderr)
	default:
		parser.WriteHelp(stderr)
		return exitUsage
	}
	switch {
	case errors.Is(err, errBroken):
		return exitBroken
	case err != nil:
		fmt.Fprintln(stderr, "error:", err)
		return exitUsage
	}
	return exitOK
}

// oneAtATime is a writer that several goroutines may share.
type oneAtATime struct {
	mu sync.Mutex
	to io.Writer
}

func (o *oneAtATime) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.to.Write(p)
}
