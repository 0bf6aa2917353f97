package scenario

import (
	"time"

	"github.com/ropeline/ropeline/loadtest/arrival"
	"github.com/ropeline/ropeline/loadtest/crowd"
)

// Scenario is one run.
type Scenario struct {
	Name        string        `yaml:"name"`
	Description string        `yaml:"description"`
	Seed        uint64        `yaml:"seed"`
	Fans        int           `yaml:"fans"`
	Pace        float64       `yaml:"pace"`  // multiplies all human times; 0: 1
	For         time.Duration `yaml:"for"`   // everybody is sent home then; 0: 10 m
	Slack       time.Duration `yaml:"slack"` // how old an answer may be; 0: 3 s
	Event       Event         `yaml:"event"`
	Arrival     Arrival       `yaml:"arrival"`
	Behaviours  []Behaviour   `yaml:"behaviours"` // none: the crowd of the demo
	Repeats     *float64      `yaml:"repeats"`    // share of fans who send creating requests twice; none: 0.1
	Intrusions  *float64      `yaml:"intrusions"` // share of fans who try what they may not; none: 0.1
	Connections int           `yaml:"connections"`
	Addresses   int           `yaml:"addresses"` // of 127.0.0.0/8 that the fans come from
	Gate        int           `yaml:"gate"`      // tickets read at the gate after the run, three times each
	Faults      []Fault       `yaml:"faults"`    // need --serve

	dir string // of the file: what a trace's path is relative to
}

// Event is what the run's organizer creates, where the run has one.
type Event struct {
	Tickets []Ticket      `yaml:"tickets"`
	Lead    time.Duration `yaml:"lead"`  // from the run's beginning to the drop
	Lobby   bool          `yaml:"lobby"` // whether fans who come before the drop meet in a lobby, and are drawn
	Hold    time.Duration `yaml:"hold"`  // of reservations; only with --serve
	Rules   Rules         `yaml:"rules"`
}

// Ticket is one ticket type.
type Ticket struct {
	Name        string `yaml:"name"`
	Capacity    int    `yaml:"capacity"`
	PriceMinor  int64  `yaml:"price_minor"`
	MaxPerOrder int    `yaml:"max_per_order"`
	MaxPerFan   int    `yaml:"max_per_fan"`
}

// Rules are the organizer's rules of admission.
type Rules struct {
	RatePerMinute int           `yaml:"rate_per_minute"`
	Burst         int           `yaml:"burst"`
	MaxShoppers   int           `yaml:"max_shoppers"`
	Batch         int           `yaml:"batch"`
	StockGate     bool          `yaml:"stock_gate"`
	ShowUp        time.Duration `yaml:"show_up"`
	Shop          time.Duration `yaml:"shop"`
}

// Arrival is when the fans come, by the run's clock; the drop is at the event's
// lead.
type Arrival struct {
	Shape arrival.Shape `yaml:"shape"`
	Over  time.Duration `yaml:"over"`
	Trace string        `yaml:"trace"` // a file instead of a shape
	Speed float64       `yaml:"speed"` // of the trace; 0: 1
}

// Spread is a log-normal distribution of times.
type Spread struct {
	Median time.Duration `yaml:"median"`
	Sigma  float64       `yaml:"sigma"`
}

// Behaviour is crowd.Behaviour as a file has it.
type Behaviour struct {
	Name       string          `yaml:"name"`
	Share      float64         `yaml:"share"`
	Transport  crowd.Transport `yaml:"transport"`
	Tabs       int             `yaml:"tabs"`
	Patience   Spread          `yaml:"patience"`
	Reload     Spread          `yaml:"reload"`
	NetLost    Spread          `yaml:"net_lost"`
	NetAway    Spread          `yaml:"net_away"`
	Wake       Spread          `yaml:"wake"`
	Sleep      Spread          `yaml:"sleep"`
	Moves      Spread          `yaml:"moves"`
	SlowReader bool            `yaml:"slow_reader"`
	Bot        bool            `yaml:"bot"`
	NoShow     bool            `yaml:"no_show"`
	Think      Spread          `yaml:"think"`
	Tickets    int             `yaml:"tickets"`
	Pay        Spread          `yaml:"pay"`
	GivesUp    bool            `yaml:"gives_up"`
	RunsOut    bool            `yaml:"runs_out"`
	Cards      []string        `yaml:"cards"`
}

// Fault is something that befalls the house of --serve. package fault knows the
// kinds.
type Fault struct {
	At     time.Duration `yaml:"at"`     // by the run's clock
	Every  time.Duration `yaml:"every"`  // again and again; 0: once
	Kind   string        `yaml:"kind"`   // what happens
	Target string        `yaml:"target"` // to whom: web, admission, worker, redis, postgres, fans, webhooks
	For    time.Duration `yaml:"for"`    // how long; 0: as long as the kind takes
	By     time.Duration `yaml:"by"`     // of latency and of reordering
	Share  float64       `yaml:"share"`  // of what passes; 0: all
}

// Mix is the crowd's behaviours.
func (s *Scenario) Mix() crowd.Mix {
	if len(s.Behaviours) == 0 {
		return crowd.DefaultMix()
	}
	spread := func(of Spread) crowd.Spread { return crowd.Spread{Median: of.Median, Sigma: of.Sigma} }
	mix := make(crowd.Mix, 0, len(s.Behaviours))
	for _, b := range s.Behaviours {
		mix = append(mix, crowd.Behaviour{
			Name: b.Name, Share: b.Share, Transport: b.Transport, Tabs: b.Tabs, Patience: spread(b.Patience), Reload: spread(b.Reload),
			NetLost: spread(b.NetLost), NetAway: spread(b.NetAway), Wake: spread(b.Wake), Sleep: spread(b.Sleep), Moves: spread(b.Moves),
			SlowReader: b.SlowReader, Bot: b.Bot, NoShow: b.NoShow, Think: spread(b.Think), Tickets: b.Tickets, Pay: spread(b.Pay),
			GivesUp: b.GivesUp, RunsOut: b.RunsOut, Cards: b.Cards,
		})
	}
	return mix
}

// Body is the event as POST /admin/events takes it, with the drop at a moment.
func (s *Scenario) Body(drop time.Time) any {
	e := s.Event
	types := make([]map[string]any, 0, len(e.Tickets))
	for _, t := range e.Tickets {
		types = append(types, map[string]any{
			"name": t.Name, "price": map[string]any{"minor": t.PriceMinor, "currency": "EUR"}, "capacity": t.Capacity,
			"max_per_order": t.MaxPerOrder, "max_per_fan": t.MaxPerFan,
		})
	}
	body := map[string]any{
		"name": s.Name, "description": "A load test.", "starts_at": drop.AddDate(0, 2, 0), "drop_at": drop, "closes_at": drop.Add(24 * time.Hour),
		"venue":        map[string]any{"name": "Test hall", "address": "1 Loop", "city": "Vienna", "time_zone": "Europe/Vienna"},
		"ticket_types": types,
		"rules": map[string]any{
			"rate_per_minute": e.Rules.RatePerMinute, "burst": e.Rules.Burst, "max_shoppers": e.Rules.MaxShoppers, "batch": e.Rules.Batch,
			"stock_gate": e.Rules.StockGate, "show_up_seconds": int(e.Rules.ShowUp.Seconds()), "shop_seconds": int(e.Rules.Shop.Seconds()),
		},
	}
	if e.Lobby {
		body["lobby_at"] = time.Now().Add(-time.Second)
	}
	return body
}

// Capacity is the sum over the ticket types.
func (e Event) Capacity() (sum int) {
	for _, t := range e.Tickets {
		sum += t.Capacity
	}
	return sum
}
