package crowd

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/loadtest/arrival"
	"github.com/ropeline/ropeline/loadtest/judge"
	"github.com/ropeline/ropeline/loadtest/record"
	"github.com/ropeline/ropeline/loadtest/tally"
)

// Crowd is one run: so many fans, their behaviours and their arrival. The
// zero values of the optional fields are good for a first run.
type Crowd struct {
	Name    string   // of the scenario; for the record
	BaseURL string   // of the server, or of its first node
	Nodes   []string // base URLs of the other nodes
	Event   ropeline.EventID
	Fans    int
	Began   time.Time // the beginning that T counts from; zero: now

	Arrival arrival.Arrival
	Times   iter.Seq[time.Duration] // instead of Arrival; rises
	Mix     Mix                     // nil: DefaultMix
	Seed    uint64                  // the same seed gives the same crowd
	Pace    float64                 // multiplies all human times, not what the server asks for; 0: 1

	// Rule, when given, is held against the admissions seen (I3).
	Rule *record.Rule
	// ShowUp is how long a pass waits to be used, as the organizer set it; 0: not known.
	ShowUp time.Duration
	// Capacity by ticket type, for I1; nil: as the event announces it.
	Capacity map[ropeline.TicketTypeID]int64
	// Slack is how old a server's answer may be, beyond the time that it
	// travelled, before it counts against the server; 0: 3 s.
	Slack time.Duration
	// Repeats and Intrusions are the shares of fans who send their creating
	// requests twice (I10), and who try what they may not (I11); 0: a tenth
	// each; negative: none.
	Repeats, Intrusions float64

	MaxConns    int         // HTTP connections at once, all addresses together; 0: 128. WebSockets come on top.
	Addresses   int         // of 127.0.0.0/8 that the fans come from; 0: the system's choice
	Part, Parts int         // of a crowd that several processes share: this one has every Parts-th fan, from Part on
	Unjudged    bool        // the record is judged and counted later: the result is empty
	AllowRemote bool        // without it, only loopback addresses are dialled
	Record      record.Sink // sees every observation; nil: none. See record.Writer and record.Memory.
	Log         *slog.Logger

	Watch record.Sink // sees every observation too
}

// mostFans bounds a crowd. How many of them are there at once is bounded by
// memory and, for those with a socket, by open files.
const mostFans = 5_000_000

func (c Crowd) withDefaults() Crowd {
	if c.Mix == nil {
		c.Mix = DefaultMix()
	}
	if c.Pace == 0 {
		c.Pace = 1
	}
	if c.Slack == 0 {
		c.Slack = 3 * time.Second
	}
	if c.Repeats == 0 {
		c.Repeats = 0.1
	}
	if c.Intrusions == 0 {
		c.Intrusions = 0.1
	}
	if c.MaxConns == 0 {
		c.MaxConns = 128
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// Validate tells what is wrong with the crowd, all of it.
func (c Crowd) Validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	check(c.Fans > 0 && c.Fans <= mostFans, "fans: %d is not in 1 to %d", c.Fans, mostFans)
	check(c.Pace >= 0 && c.Pace <= 100, "pace: %v is not in 0 to 100", c.Pace)
	check(c.Slack >= 0, "slack: %v is negative", c.Slack)
	check(c.MaxConns >= 0 && c.MaxConns <= 10_000, "connections: %d is not in 1 to 10000", c.MaxConns)
	check(c.Rule == nil || c.Rule.RatePerMinute >= 0 && c.Rule.Burst > 0, "rule: a rate of 0 or more and a burst of 1 or more are needed")
	if c.Mix != nil {
		errs = append(errs, c.Mix.Validate())
	}
	errs = append(errs, c.Arrival.Validate())
	if _, err := ropeline.ParseID[ropeline.EventID](string(c.Event)); err != nil {
		errs = append(errs, fmt.Errorf("event: %w", err))
	}
	return errors.Join(errs...)
}

// Result is what a run came to.
type Result struct {
	Verdicts []judge.Verdict
	Tally    *tally.Tally
}

// Broken lists the verdicts that found an invariant broken.
func (r *Result) Broken() []judge.Verdict { return judge.Broken(r.Verdicts) }

// Run sends the crowd and returns when the last fan has gone home. The end of
// ctx sends everybody home early. It fails when the crowd is not valid or the
// event cannot be read; never because of what the fans met.
func (c Crowd) Run(ctx context.Context) (*Result, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	c = c.withDefaults()
	s, event, err := c.open(ctx)
	if err != nil {
		return nil, err
	}
	defer s.close()

	judging, counts := judge.New(), tally.New()
	if !c.Unjudged {
		s.sinks = append(s.sinks, judging, counts)
	}
	if c.Record != nil {
		s.sinks = append(s.sinks, c.Record)
	}
	if c.Watch != nil {
		s.sinks = append(s.sinks, c.Watch)
	}
	head := record.RunFacts{
		Event: c.Event, Fans: c.share(), Seed: c.Seed, Started: s.began,
		Slack: c.Slack, Rule: c.Rule, ShowUp: c.ShowUp, Capacity: c.Capacity, DropAt: event.DropAt, Scenario: c.Name, Bots: c.Mix.Bots(), First: c.Part,
	}
	if head.Capacity == nil {
		head.Capacity = event.capacity()
	}
	s.see(record.Observation{Fan: -1, Step: record.StepRun, Run: &head})

	var fans sync.WaitGroup
	index := -1
	for at := range c.times() {
		if index++; index%max(1, c.Parts) != c.Part {
			continue
		}
		due := s.began.Add(at)
		if !rest(ctx, time.Until(due)) {
			break
		}
		f := newFan(s, c.Seed, index)
		f.due = due
		fans.Go(func() { f.live(ctx) })
	}
	fans.Wait()
	counts.Took = time.Since(s.began)
	return &Result{Verdicts: judging.Verdicts(), Tally: counts}, nil
}

// open reads the event once and prepares what the fans share.
func (c Crowd) open(ctx context.Context) (*scene, eventAnswer, error) {
	var event eventAnswer
	s := &scene{
		event: c.Event, log: c.Log,
		mix: c.Mix, pace: c.Pace, repeats: c.Repeats, intrusions: c.Intrusions,
		lastLook: true, began: c.Began,
	}
	if s.began.IsZero() {
		s.began = time.Now()
	}
	if err := s.connect(c); err != nil {
		return nil, event, err
	}
	a := s.clients[0][0].do(ctx, &request{step: record.StepArrive, method: http.MethodGet, path: "/events/" + string(c.Event), into: &event})
	if !a.ok() {
		s.close()
		if a.err != nil {
			return nil, event, fmt.Errorf("event %s: %w", c.Event, a.err)
		}
		return nil, event, fmt.Errorf("event %s: the server answered %d %s", c.Event, a.status, a.code)
	}
	return s, event, nil
}

// share is how many of the fans are this part's.
func (c Crowd) share() int { return (c.Fans - c.Part + max(1, c.Parts) - 1) / max(1, c.Parts) }

// times are the moments at which the fans come.
func (c Crowd) times() iter.Seq[time.Duration] {
	if c.Times != nil {
		return c.Times
	}
	return c.Arrival.Times(c.Fans, chance(c.Seed, -1))
}

// connect makes a client for each address that fans come from.
func (s *scene) connect(c Crowd) error {
	for i := range max(1, c.Addresses) {
		var from netip.Addr
		if c.Addresses > 0 {
			from = loopback(c.Part*c.Addresses + i)
		}
		var nodes []*client
		for _, url := range append([]string{c.BaseURL}, c.Nodes...) {
			share := max(1, c.Addresses) * (1 + len(c.Nodes))
			client, err := newClient(url, max(2, (c.MaxConns+share-1)/share), c.AllowRemote, from)
			if err != nil {
				return err
			}
			nodes = append(nodes, client)
		}
		s.clients = append(s.clients, nodes)
	}
	return nil
}

func (s *scene) close() {
	for _, nodes := range s.clients {
		for _, c := range nodes {
			c.close()
		}
	}
}
