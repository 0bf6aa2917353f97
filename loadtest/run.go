package loadtest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/loadtest/arrival"
	"github.com/ropeline/ropeline/loadtest/cluster"
	"github.com/ropeline/ropeline/loadtest/crowd"
	"github.com/ropeline/ropeline/loadtest/fault"
	"github.com/ropeline/ropeline/loadtest/record"
	"github.com/ropeline/ropeline/loadtest/scenario"
)

type runCommand struct {
	File string `arg:"positional" help:"a scenario; without one, the flags describe the run"`

	URL       string   `arg:"--url" default:"http://127.0.0.1:8080" help:"base URL of the server; of several nodes, by comma"`
	Event     string   `arg:"--event" help:"the event's id; else --organizer or --serve make the scenario's event"`
	Organizer string   `arg:"--organizer,env:LOADTEST_ORGANIZER" placeholder:"EMAIL:PASSWORD" help:"who makes the event and stands at the gate"`
	Serve     bool     `arg:"--serve" help:"start a house for the run: 3 web, 2 admission, 2 worker processes, private PostgreSQL and Redis"`
	Ropeline  string   `arg:"--ropeline" placeholder:"PATH" help:"the program for --serve; the one beside loadtest when empty"`
	Faults    string   `arg:"--faults" placeholder:"FILE" help:"a scenario file whose faults befall the house of --serve, instead of the scenario's own"`
	NoFaults  bool     `arg:"--no-faults" help:"leave the scenario's faults out"`
	Database  string   `arg:"--verify-database" placeholder:"URL" help:"judge by the house's PostgreSQL too"`
	Out       string   `arg:"--out" placeholder:"DIR" help:"where record and reports go; a new directory below the system's temporary one when empty"`
	Procs     int      `arg:"--procs" default:"1" help:"processes that share the crowd"`
	Fans      int      `arg:"--fans" help:"how many fans come (without a scenario: 200)"`
	Over      duration `arg:"--over" help:"the time over which they come (without a scenario: 30s)"`
	Arrival   string   `arg:"--arrival" help:"poisson, constant, burst, ramp or drop (without a scenario: burst)"`
	Seed      uint64   `arg:"--seed" help:"the same seed gives the same crowd (without a scenario: 1)"`
	Pace      float64  `arg:"--pace" help:"multiplies human times: 0.1 is ten times as fast"`
	For       duration `arg:"--for" help:"send everybody home after this time (at most 12h; without a scenario: 10m)"`
	Rate      int      `arg:"--rate" default:"-1" help:"the organizer's admissions per minute, to judge the pace (with --burst)"`
	Burst     int      `arg:"--burst" help:"the organizer's burst"`
	Slack     duration `arg:"--slack" help:"how old an answer may be before it counts against the server"`

	AllowRemote bool `arg:"--allow-remote" help:"permit load on addresses beyond loopback; be sure that they are yours"`
	Verbose     bool `arg:"-v,--verbose" help:"log what fans and the house meet to standard error"`
}

// duration is a time.Duration that go-arg reads, 0 when it is not given.
type duration = time.Duration

// longest bounds a run.
const longest = 12 * time.Hour

// scenario is the file with the flags on top, or the flags alone.
func (r *runCommand) scenario() (*scenario.Scenario, error) {
	s := &scenario.Scenario{
		Seed: 1, Fans: 200, Pace: 1, For: 10 * time.Minute, Slack: 3 * time.Second,
		Arrival: scenario.Arrival{Shape: arrival.Burst, Over: 30 * time.Second, Speed: 1},
	}
	if r.File != "" {
		var err error
		if s, err = scenario.Load(r.File); err != nil {
			return nil, err
		}
	}
	s.Seed, s.Fans, s.Pace = cmp.Or(r.Seed, s.Seed, 1), cmp.Or(r.Fans, s.Fans), cmp.Or(r.Pace, s.Pace)
	s.For, s.Slack, s.Arrival.Over = cmp.Or(r.For, s.For), cmp.Or(r.Slack, s.Slack), cmp.Or(r.Over, s.Arrival.Over)
	s.Arrival.Shape = cmp.Or(arrival.Shape(r.Arrival), s.Arrival.Shape)
	if r.Faults != "" {
		other, err := scenario.Load(r.Faults)
		if err != nil {
			return nil, err
		}
		s.Faults = other.Faults
	}
	if r.NoFaults {
		s.Faults = nil
	}
	if s.For <= 0 || s.For > longest {
		return nil, fmt.Errorf("--for: %v is not in 0 to %v", s.For, longest)
	}
	if len(s.Faults) > 0 && !r.Serve {
		return nil, errors.New("faults befall only a house that loadtest started: use --serve, or --no-faults")
	}
	return s, nil
}

// house is what the crowd is sent to.
type house struct {
	urls     []string
	event    ropeline.EventID
	database string
	email    string
	password string
	cluster  *cluster.Cluster // nil: not ours
}

func (r *runCommand) run(ctx context.Context, stdout, stderr io.Writer) (err error) {
	s, err := r.scenario()
	if err != nil {
		return err
	}
	if r.Event == "" && r.Organizer == "" && !r.Serve {
		return errors.New("which event? Use --event, or --organizer or --serve to have the scenario's made")
	}
	raiseFiles()
	dir := r.Out
	if dir == "" {
		if dir, err = os.MkdirTemp("", "loadtest-*"); err != nil {
			return err
		}
	} else if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	h, err := r.house(ctx, s, dir, stderr)
	if err != nil {
		return err
	}
	if h.cluster != nil {
		defer func() { err = errors.Join(err, h.cluster.Stop()) }()
	}
	began := time.Now().Truncate(time.Microsecond)
	organizer, err := r.event(ctx, h, s, began)
	if err != nil {
		return err
	}
	if organizer != nil {
		defer organizer.Close()
	}
	job := partJob{
		Scenario: s.Name, URLs: h.urls, Event: h.event, Began: began, Parts: max(1, r.Procs), Seed: s.Seed, Fans: s.Fans, Pace: s.Pace,
		For: s.For, Slack: s.Slack, Arrival: s.Arrival, Lead: s.Event.Lead, Trace: s.TracePath(), Mix: s.Mix(), Repeats: shareOf(s.Repeats), Intrusions: shareOf(s.Intrusions),
		Connections: s.Connections, Addresses: s.Addresses, AllowRemote: r.AllowRemote, Verbose: r.Verbose, Dir: dir,
	}
	switch {
	case r.Rate >= 0:
		job.Rule = &record.Rule{RatePerMinute: r.Rate, Burst: r.Burst}
	case r.Event == "":
		job.Rule = &record.Rule{RatePerMinute: s.Event.Rules.RatePerMinute, Burst: s.Event.Rules.Burst}
	}
	if r.Event == "" {
		job.ShowUp = s.Event.Rules.ShowUp
	}
	if err := job.crowd().Validate(); err != nil {
		return err
	}
	log, err := openHouseLog(dir, job)
	if err != nil {
		return err
	}
	faults, stop := context.WithCancel(ctx)
	ended := make(chan error, 2)
	go func() { ended <- watchVitals(faults, h.cluster, dir, began) }()
	go func() { ended <- r.befall(faults, h, s.Faults, began, log.see) }()
	shown := newProgress(stderr)
	err = job.runParts(ctx, shown, stderr)
	stop()
	err = errors.Join(err, <-ended, <-ended)
	if err != nil {
		return errors.Join(err, log.close())
	}
	return r.conclude(ctx, s, h, organizer, job, log, shown.weight(), stdout, stderr)
}

// shareOf: the crowd takes 0 for "the default" and less for "none".
func shareOf(share *float64) float64 {
	switch {
	case share == nil:
		return 0
	case *share == 0:
		return -1
	}
	return *share
}

// house finds or starts it.
func (r *runCommand) house(ctx context.Context, s *scenario.Scenario, dir string, stderr io.Writer) (*house, error) {
	if !r.Serve {
		h := &house{urls: strings.Split(r.URL, ","), event: ropeline.EventID(r.Event), database: r.Database}
		if r.Organizer != "" {
			email, password, ok := strings.Cut(r.Organizer, ":")
			if !ok {
				return nil, errors.New("--organizer: want EMAIL:PASSWORD")
			}
			h.email, h.password = email, password
		}
		return h, nil
	}
	fmt.Fprintln(stderr, "starting a house: 3 web, 2 admission, 2 worker processes, PostgreSQL and Redis")
	c, err := cluster.Start(ctx, cluster.Options{
		Ropeline: r.Ropeline, Dir: filepath.Join(dir, "house"), Hold: s.Event.Hold, Proxied: needsProxies(s.Faults), Verbose: r.Verbose, Log: stderr,
	})
	if err != nil {
		return nil, err
	}
	return &house{urls: c.URLs(), database: cmp.Or(r.Database, c.DatabaseURL()), email: c.OwnerEmail, password: c.OwnerPassword, cluster: c}, nil
}

// needsProxies tells whether a fault needs proxies in front of the engines
// and the nodes.
func needsProxies(faults []scenario.Fault) bool {
	return slices.ContainsFunc(faults, func(f scenario.Fault) bool { return f.Kind != "kill" && f.Kind != "wipe" })
}

// event makes the scenario's event, where none was named.
func (r *runCommand) event(ctx context.Context, h *house, s *scenario.Scenario, began time.Time) (*crowd.Organizer, error) {
	if h.password == "" {
		return nil, nil
	}
	organizer, err := crowd.SignIn(ctx, h.urls[0], h.email, h.password, r.AllowRemote)
	if err != nil || h.event != "" {
		return organizer, err
	}
	if len(s.Event.Tickets) == 0 {
		organizer.Close()
		return nil, errors.New("the scenario has no event: name one with --event")
	}
	h.event, err = organizer.CreateEvent(ctx, s.Body(began.Add(s.Event.Lead)))
	if err != nil {
		organizer.Close()
		return nil, err
	}
	return organizer, nil
}

// befall lets the faults come until ctx ends.
func (r *runCommand) befall(ctx context.Context, h *house, faults []scenario.Fault, began time.Time, see func(record.Observation)) error {
	if h.cluster == nil || len(faults) == 0 {
		return nil
	}
	plan := fault.Plan{House: h.cluster, Began: began, Tell: func(kind, note string) {
		see(record.Observation{Fan: -1, T: time.Since(began).Microseconds(), Step: record.StepFault, Code: kind, Note: note})
	}}
	return plan.Run(ctx, faults)
}
