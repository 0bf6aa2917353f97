package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"runtime/debug"
	"time"
	_ "time/tzdata" // venues have time zones, and a small image has none

	"github.com/alexflint/go-arg"

	"github.com/ropeline/ropeline/migrations"
)

// Version is set by the linker; see the Makefile.
var Version = "dev"

// commands are the words of the command line. Without one, ropeline shows
// itself: the demo.
type commands struct {
	Demo    *demoCommand    `arg:"subcommand:demo" help:"everything in one process, with an event and a crowd (the default)"`
	Serve   *struct{}       `arg:"subcommand:serve" help:"run the roles against the given or private engines"`
	Migrate *struct{}       `arg:"subcommand:migrate" help:"bring the database to the newest schema, and end"`
	Owner   *struct{}       `arg:"subcommand:reset-owner" help:"give the owner a new password, and print it"`
	Audit   *auditCommand   `arg:"subcommand:audit" help:"hold an event's rows to the invariants of stock and money"`
	Keys    *keysCommand    `arg:"subcommand:keys" help:"list the keys that sign tickets and passes, or make a new one"`
	Fraud   *fraudCommand   `arg:"subcommand:fraud" help:"fit, judge and feed the model that orders are scored with"`
	Trace   *traceCommand   `arg:"subcommand:trace" help:"write when an event's fans came, as a trace for loadtest"`
	Engines *enginesCommand `arg:"subcommand:engines" help:"run private engines alone, for a house of several processes; obeys lines on stdin"`
	Health  *healthCommand  `arg:"subcommand:health" help:"ask a running program whether it is ready"`
	Verify  *verifyCommand  `arg:"subcommand:verify" help:"check what a house has published, without asking it"`
	Version *versionCommand `arg:"subcommand:version" help:"print the version"`
	Config
}

type demoCommand struct {
	NoCrowd bool `arg:"--no-crowd" help:"no synthetic fans"`
}

type healthCommand struct {
	URL string `arg:"--url" default:"http://127.0.0.1:8080/readyz" placeholder:"URL" help:"what to ask"`
}

type versionCommand struct{}

func (commands) Description() string {
	return "ropeline: a virtual waiting room and box office in one.\n"
}

// Main runs the program with its arguments and returns the exit code: 0 for a
// clean end, 1 for a failure, 2 for arguments that cannot be understood.
func Main(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	c := commands{}
	parser, err := arg.NewParser(arg.Config{Program: "ropeline", Out: stderr}, &c)
	if err != nil {
		fmt.Fprintln(stderr, "ropeline:", err)
		return 2
	}
	switch err := parser.Parse(args); {
	case errors.Is(err, arg.ErrHelp):
		parser.WriteHelpForSubcommand(stdout, parser.SubcommandNames()...)
		return 0
	case err != nil:
		fmt.Fprintln(stderr, "ropeline:", err)
		return 2
	}
	if err := run(ctx, c, stdout, stderr); err != nil {
		fmt.Fprintln(stderr, "ropeline:", err)
		return 1
	}
	return 0
}

func run(ctx context.Context, c commands, stdout, stderr io.Writer) error {
	if c.Version != nil {
		fmt.Fprintln(stdout, "ropeline", version())
		return nil
	}
	if c.Verify != nil {
		return c.Verify.run(stdout)
	}
	if c.Fraud != nil {
		return c.Fraud.run(ctx, c.Config, stdout, newLog(c.Config, stderr))
	}
	if c.Health != nil {
		return askHealth(ctx, c.Health.URL)
	}
	if c.Migrate != nil {
		return migrateOnly(ctx, c.Config, newLog(c.Config, stderr))
	}
	if err := c.Config.Validate(); err != nil {
		return err
	}
	switch {
	case c.Trace != nil:
		return exportTrace(ctx, c.Config, c.Trace.Event, stdout, newLog(c.Config, stderr))
	case c.Engines != nil:
		return runEngines(ctx, c.Config, os.Stdin, stdout, newLog(c.Config, stderr))
	case c.Serve != nil:
		return serve(ctx, c.Config, stdout, newLog(c.Config, stderr))
	case c.Owner != nil:
		return resetOwner(ctx, c.Config, stdout, newLog(c.Config, stderr))
	case c.Audit != nil:
		return audit(ctx, c.Config, c.Audit.Event, stdout, newLog(c.Config, stderr))
	case c.Keys != nil:
		return c.Keys.run(ctx, c.Config, stdout, newLog(c.Config, stderr))
	}
	if c.Demo == nil {
		c.Demo = &demoCommand{}
	}
	return demo(ctx, c.Config, !c.Demo.NoCrowd, stdout, stderr)
}

func newLog(c Config, w io.Writer) *slog.Logger {
	var level slog.Level
	level.UnmarshalText([]byte(c.LogLevel)) // info when it is none
	options := &slog.HandlerOptions{Level: level}
	if c.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

// serve runs the roles until ctx ends.
func serve(ctx context.Context, c Config, stdout io.Writer, log *slog.Logger) (err error) {
	app, err := Open(ctx, c, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, app.Close()) }()
	if err := app.announceOwner(ctx, stdout); err != nil {
		return err
	}
	log.Info("serving", "roles", c.Roles, "url", app.URL(), "version", version())
	return app.Run(ctx)
}

// announceOwner makes the organizer's account at the first start and prints
// its password, this once.
func (a *App) announceOwner(ctx context.Context, stdout io.Writer) error {
	password, err := a.Accounts.EnsureOwner(ctx)
	if err == nil && password != "" {
		printOwner(stdout, password)
	}
	return err
}

func migrateOnly(ctx context.Context, c Config, log *slog.Logger) (err error) {
	if c.DatabaseURL == "" {
		return errors.New("migrate needs DATABASE_URL; private engines are migrated at every start")
	}
	if err := migrations.Apply(ctx, c.DatabaseURL); err != nil {
		return err
	}
	log.Info("the schema is up to date", "fingerprint", migrations.Fingerprint())
	return nil
}

func resetOwner(ctx context.Context, c Config, stdout io.Writer, log *slog.Logger) error {
	return withRooms(ctx, c, log, func(app *App) error {
		password, err := app.Accounts.ResetOwner(ctx)
		if err == nil {
			printOwner(stdout, password)
		}
		return err
	})
}

// withRooms opens the rooms for one task, with nothing that listens or runs.
func withRooms(ctx context.Context, c Config, log *slog.Logger, task func(*App) error) (err error) {
	c.Roles = RoleAdmission
	app, err := Open(ctx, c, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, app.Close()) }()
	return task(app)
}

func askHealth(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", url, response.Status)
	}
	return nil
}

func version() string {
	if Version != "dev" {
		return Version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return Version
}
