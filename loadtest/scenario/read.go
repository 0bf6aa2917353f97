package scenario

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"github.com/ropeline/ropeline/loadtest/arrival"
	"github.com/ropeline/ropeline/loadtest/crowd"
)

// Bounds of a scenario.
const (
	mostFans = 5_000_000
	longest  = 12 * time.Hour
)

// Kinds of faults and whom they may befall.
var Kinds = map[string][]string{
	"kill":       {"web", "admission", "worker", "redis", "postgres"}, // SIGKILL, and started again
	"wipe":       {"redis"},                                           // the same, and the data are gone
	"latency":    {"redis", "postgres", "fans"},
	"cut":        {"redis", "postgres", "fans"}, // connections are closed
	"half_open":  {"redis", "postgres", "fans"}, // connections stay and nothing passes
	"lost_reply": {"redis", "postgres", "fans"}, // requests pass; connections are closed instead of the reply
	"duplicate":  {"webhooks"},
	"shuffle":    {"webhooks"},
}

// Load reads and checks a file.
func Load(path string) (*Scenario, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	s, err := Parse(raw)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	s.dir = filepath.Dir(path)
	s.Name = cmp.Or(s.Name, strings.TrimSuffix(filepath.Base(path), filepath.Ext(path)))
	return s, nil
}

// TracePath is where the scenario's trace is; "" for none.
func (s *Scenario) TracePath() string {
	if s.Arrival.Trace == "" || filepath.IsAbs(s.Arrival.Trace) {
		return s.Arrival.Trace
	}
	return filepath.Join(s.dir, s.Arrival.Trace)
}

// Parse reads and checks a scenario. Its error has a line for each mistake.
func Parse(raw []byte) (*Scenario, error) {
	s := &Scenario{}
	file, err := parser.ParseBytes(raw, 0)
	if err != nil {
		return nil, errors.New(yaml.FormatError(err, false, false))
	}
	if err := yaml.UnmarshalWithOptions(raw, s, yaml.Strict()); err != nil {
		return nil, errors.New(yaml.FormatError(err, false, false))
	}
	c := &check{file: file}
	c.scenario(s)
	if len(c.wrong) > 0 {
		return nil, errors.New(strings.Join(c.wrong, "\n"))
	}
	s.withDefaults()
	return s, nil
}

func (s *Scenario) withDefaults() {
	s.Pace, s.For, s.Slack = cmp.Or(s.Pace, 1), cmp.Or(s.For, 10*time.Minute), cmp.Or(s.Slack, 3*time.Second)
	s.Arrival.Speed = cmp.Or(s.Arrival.Speed, 1)
	r := &s.Event.Rules
	r.Burst, r.Batch, r.MaxShoppers = cmp.Or(r.Burst, 50), cmp.Or(r.Batch, 50), cmp.Or(r.MaxShoppers, 500)
	r.ShowUp, r.Shop = cmp.Or(r.ShowUp, 30*time.Second), cmp.Or(r.Shop, 2*time.Minute)
	s.Event.Hold = cmp.Or(s.Event.Hold, time.Minute)
	for i := range s.Event.Tickets {
		t := &s.Event.Tickets[i]
		t.Name = cmp.Or(t.Name, fmt.Sprintf("Type %d", i+1))
		t.MaxPerOrder = cmp.Or(t.MaxPerOrder, 4)
		t.MaxPerFan = cmp.Or(t.MaxPerFan, t.MaxPerOrder)
	}
}

// check collects mistakes by line and field.
type check struct {
	file  *ast.File
	wrong []string
}

// that adds a mistake of a field, given as a path such as "event.tickets[0].capacity".
func (c *check) that(ok bool, field, format string, args ...any) {
	if ok {
		return
	}
	c.wrong = append(c.wrong, fmt.Sprintf("line %d: %s: %s", c.line(field), field, fmt.Sprintf(format, args...)))
}

// line is where a field stands, or, when it is missing, what it belongs to.
func (c *check) line(field string) int {
	for field != "" {
		if path, err := yaml.PathString("$." + field); err == nil {
			if node, err := path.FilterFile(c.file); err == nil && node != nil {
				return node.GetToken().Position.Line
			}
		}
		field = field[:max(0, strings.LastIndexAny(field, ".["))]
	}
	return 1
}

func (c *check) scenario(s *Scenario) {
	c.that(s.Fans > 0 && s.Fans <= mostFans || s.Arrival.Trace != "" && s.Fans == 0, "fans", "%d is not in 1 to %d", s.Fans, mostFans)
	c.that(s.Pace >= 0 && s.Pace <= 100, "pace", "%v is not in 0 to 100", s.Pace)
	c.that(s.For >= 0 && s.For <= longest, "for", "%v is not in 0 to %v", s.For, longest)
	c.that(s.Slack >= 0 && s.Slack <= time.Minute, "slack", "%v is not in 0 to 1m", s.Slack)
	c.that(s.Connections >= 0 && s.Connections <= 10_000, "connections", "%d is not in 0 to 10000", s.Connections)
	c.that(s.Addresses >= 0 && s.Addresses <= 10_000, "addresses", "%d is not in 0 to 10000", s.Addresses)
	c.that(s.Gate >= 0, "gate", "%d is negative", s.Gate)
	c.share("repeats", s.Repeats)
	c.share("intrusions", s.Intrusions)
	c.event(s.Event)
	if s.Arrival.Trace == "" {
		shapes := []arrival.Shape{"", arrival.Constant, arrival.Poisson, arrival.Burst, arrival.Ramp, arrival.Drop}
		c.that(slices.Contains(shapes, s.Arrival.Shape), "arrival.shape", "%q is none of constant, poisson, burst, ramp, drop", s.Arrival.Shape)
		c.that(s.Arrival.Speed == 0, "arrival.speed", "only a trace has one")
	} else {
		c.that(s.Arrival.Shape == "", "arrival.shape", "a trace has a shape of its own")
	}
	c.that(s.Arrival.Over >= 0, "arrival.over", "%v is negative", s.Arrival.Over)
	c.that(s.Arrival.Speed >= 0 && s.Arrival.Speed <= 10_000, "arrival.speed", "%v is not in 0 to 10000", s.Arrival.Speed)
	total := 0.0
	for i, b := range s.Behaviours {
		c.behaviour(fmt.Sprintf("behaviours[%d]", i), b)
		total += max(b.Share, 0)
	}
	c.that(len(s.Behaviours) == 0 || total > 0, "behaviours", "the shares add up to nothing")
	for i, f := range s.Faults {
		c.fault(fmt.Sprintf("faults[%d]", i), f)
	}
}

func (c *check) share(field string, value *float64) {
	c.that(value == nil || *value >= 0 && *value <= 1, field, "want a share, 0 to 1")
}

func (c *check) event(e Event) {
	for i, t := range e.Tickets {
		at := fmt.Sprintf("event.tickets[%d]", i)
		c.that(t.Capacity > 0 && t.Capacity <= 10_000_000, at+".capacity", "%d is not in 1 to 10000000", t.Capacity)
		c.that(t.PriceMinor >= 0, at+".price_minor", "%d is negative", t.PriceMinor)
		c.that(t.MaxPerOrder >= 0, at+".max_per_order", "%d is negative", t.MaxPerOrder)
	}
	c.that(e.Lead >= 0 && e.Lead <= time.Hour, "event.lead", "%v is not in 0 to 1h", e.Lead)
	c.that(e.Hold == 0 || e.Hold >= time.Second, "event.hold", "%v is shorter than a second", e.Hold)
	c.that(e.Rules.RatePerMinute >= 0 && e.Rules.RatePerMinute <= 1_000_000, "event.rules.rate_per_minute", "%d is not in 0 to 1000000", e.Rules.RatePerMinute)
	c.that(e.Rules.Burst >= 0, "event.rules.burst", "%d is negative", e.Rules.Burst)
	c.that(e.Rules.Batch >= 0 && e.Rules.Batch <= 1000, "event.rules.batch", "%d is not in 0 to 1000", e.Rules.Batch)
	c.that(e.Rules.MaxShoppers >= 0, "event.rules.max_shoppers", "%d is negative", e.Rules.MaxShoppers)
}

func (c *check) behaviour(at string, b Behaviour) {
	c.that(b.Name != "", at+".name", "is missing")
	c.that(b.Share >= 0 && !math.IsInf(b.Share, 0) && !math.IsNaN(b.Share), at+".share", "%v is no share", b.Share)
	c.that(slices.Contains([]crowd.Transport{"", crowd.WebSocket, crowd.Stream, crowd.Polling}, b.Transport), at+".transport", "%q is none of websocket, sse, polling", b.Transport)
	c.that(b.Tabs >= 0 && b.Tabs <= 8, at+".tabs", "%d is not in 0 to 8", b.Tabs)
	c.that(b.Tickets >= 0 && b.Tickets <= 100, at+".tickets", "%d is not in 0 to 100", b.Tickets)
	for _, spread := range []struct {
		name string
		of   Spread
	}{{"patience", b.Patience}, {"reload", b.Reload}, {"net_lost", b.NetLost}, {"net_away", b.NetAway}, {"wake", b.Wake}, {"sleep", b.Sleep}, {"moves", b.Moves}, {"think", b.Think}, {"pay", b.Pay}} {
		c.that(spread.of.Median >= 0, at+"."+spread.name+".median", "%v is negative", spread.of.Median)
		c.that(spread.of.Sigma >= 0 && spread.of.Sigma <= 3, at+"."+spread.name+".sigma", "%v is not in 0 to 3", spread.of.Sigma)
	}
	c.that((b.NetLost.Median > 0) == (b.NetAway.Median > 0), at+".net_away", "net_lost and net_away go together")
	c.that((b.Wake.Median > 0) == (b.Sleep.Median > 0), at+".sleep", "wake and sleep go together")
	for i, card := range b.Cards {
		cards := []string{"approve", "decline", "three_d_secure", "delay", "duplicate", "reorder", "late"}
		c.that(slices.Contains(cards, card), fmt.Sprintf("%s.cards[%d]", at, i), "%q is none of %s", card, strings.Join(cards, ", "))
	}
}

func (c *check) fault(at string, f Fault) {
	targets, known := Kinds[f.Kind]
	c.that(known, at+".kind", "%q is no kind of fault", f.Kind)
	if known {
		c.that(slices.Contains(targets, f.Target), at+".target", "%q is none of %s", f.Target, strings.Join(targets, ", "))
	}
	c.that(f.At >= 0, at+".at", "%v is negative", f.At)
	c.that(f.Every == 0 || f.Every >= time.Second, at+".every", "%v is shorter than a second", f.Every)
	c.that(f.For >= 0 && f.By >= 0, at, "for and by cannot be negative")
	c.that(f.Share >= 0 && f.Share <= 1, at+".share", "%v is no share", f.Share)
}
