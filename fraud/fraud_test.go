package fraud

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ropeline/ropeline"
)

// Each trace is counted by itself: what two orders share shows, and nothing else.
func TestSignalsOfOrders(t *testing.T) {
	o := newOffice(t, Options{})
	base := Visit{Address: netip.MustParseAddr("198.51.100.7"), Browser: "b", Device: "d", Email: "ann@rare.example"}
	other := Visit{Address: netip.MustParseAddr("203.0.113.1"), Browser: "x", Device: "y", Email: "bob@else.example"}
	for _, c := range []struct {
		name   string
		change func(*Visit)
		shared []Signal
	}{
		{"nothing", func(*Visit) {}, nil},
		{"the address, and so the network", func(v *Visit) { v.Address = base.Address }, []Signal{Address10m, Address24h, Network10m, Network24h}},
		{"the network", func(v *Visit) { v.Address = netip.MustParseAddr("198.51.100.200") }, []Signal{Network10m, Network24h}},
		{"the address, told as IPv6", func(v *Visit) { v.Address = netip.MustParseAddr("::ffff:198.51.100.7") }, []Signal{Address10m, Address24h, Network10m, Network24h}},
		{"the device", func(v *Visit) { v.Device, v.Browser = base.Device, base.Browser }, []Signal{Device10m, Device24h}},
		{"the mailbox and its domain", func(v *Visit) { v.Email = "Ann+tickets@Rare.example" }, []Signal{Mailbox10m, Mailbox24h, Domain10m, Domain24h}},
		{"the domain", func(v *Visit) { v.Email = "zoe@rare.example" }, []Signal{Domain10m, Domain24h}},
		{"a name below the domain", func(v *Visit) { v.Email = "zoe@mail.rare.example" }, []Signal{Domain10m, Domain24h}},
	} {
		t.Run(c.name, func(t *testing.T) {
			event := o.event()
			first, second := base, other
			c.change(&second)
			first.Event, first.Fan = event, ropeline.NewID[ropeline.FanID]()
			second.Event, second.Fan = event, ropeline.NewID[ropeline.FanID]()
			o.Place(t.Context(), first)
			for range 2 { // asked again, nothing is counted twice
				got := o.Place(t.Context(), second).signals
				for _, k := range kinds {
					for _, s := range []Signal{k.short, k.long} {
						value, known := got[s]
						want := 0.0
						if slices.Contains(c.shared, s) {
							want = 1
						}
						if known != (k.trace != "card") || value != want {
							t.Errorf("%s is %v (known: %v), want %v", s, value, known, want)
						}
					}
				}
			}
		})
	}
}

func TestIPv6NetworkIsASlash64(t *testing.T) {
	o := newOffice(t, Options{})
	event := o.event()
	at := func(address string) Traces {
		return o.traces(Visit{Event: event, Address: netip.MustParseAddr(address)})
	}
	a, b, c := at("2001:db8:1:2::1"), at("2001:db8:1:2:ffff::9"), at("2001:db8:1:3::1")
	if a["address"] == b["address"] || a["network"] != b["network"] || a["network"] == c["network"] {
		t.Errorf("%v %v %v", a, b, c)
	}
	if home := at("127.0.0.1"); len(home) != 0 {
		t.Errorf("the machine itself leaves traces: %v", home)
	}
	if elsewhere := o.traces(Visit{Event: o.event(), Address: netip.MustParseAddr("2001:db8:1:2::1")}); elsewhere["address"] == a["address"] {
		t.Error("an address can be followed from event to event")
	}
	for kind, trace := range a {
		if strings.Contains(trace, "2001") || len(trace) != 16 {
			t.Errorf("%s: %q", kind, trace)
		}
	}
}

// What left the window is not counted, by Redis' sets with a clock of the test.
func TestWindowsSlide(t *testing.T) {
	o := newOffice(t, Options{})
	event, begin := o.event(), time.Now()
	traces := Traces{"address": "AAAAAAAAAAAAAAAA"}
	look := func(after time.Duration) (short, long float64) {
		s, err := o.velocity.look(t.Context(), event, ropeline.NewID[ropeline.FanID](), traces, nil, begin.Add(after))
		must(t, err)
		return s[Address10m], s[Address24h]
	}
	for i, c := range []struct {
		after       time.Duration
		short, long float64
	}{{0, 0, 0}, {time.Minute, 1, 1}, {9 * time.Minute, 2, 2}, {10*time.Minute + time.Second, 2, 3}, {12 * time.Minute, 2, 4},
		{24*time.Hour + 30*time.Second, 0, 4}, {49 * time.Hour, 0, 0}} {
		if short, long := look(c.after); short != c.short || long != c.long {
			t.Errorf("look %d, after %v: %v and %v, want %v and %v", i, c.after, short, long, c.short, c.long)
		}
	}
}

// An order that is looked at again counts the others, never itself, and is noted
// anew only where Redis has forgotten it.
func TestALaterLookCountsTheOthers(t *testing.T) {
	o := newOffice(t, Options{})
	event, begin := o.event(), time.Now()
	traces := Traces{"address": "AAAAAAAAAAAAAAAA"}
	first, second := ropeline.NewID[ropeline.FanID](), ropeline.NewID[ropeline.FanID]()
	look := func(fan ropeline.FanID, after time.Duration, before Traces, short, long float64) {
		t.Helper()
		s, err := o.velocity.look(t.Context(), event, fan, traces, before, begin.Add(after))
		must(t, err)
		if s[Address10m] != short || s[Address24h] != long {
			t.Errorf("after %v: %v and %v, want %v and %v", after, s[Address10m], s[Address24h], short, long)
		}
	}
	look(first, 0, nil, 0, 0)
	look(first, time.Minute, traces, 0, 0)
	look(second, 8*time.Minute, nil, 1, 1)
	look(first, 11*time.Minute, traces, 1, 1)
	look(second, 17*time.Minute, traces, 0, 1)
	look(first, 24*time.Hour+time.Minute, traces, 0, 1)
	must(t, o.velocity.redis.Write.Del(t.Context(), traceKey(event, "address", "AAAAAAAAAAAAAAAA")).Err())
	look(second, 25*time.Hour, traces, 0, 0)
	look(first, 25*time.Hour, traces, 1, 1)
}

func TestCountsAreBounded(t *testing.T) {
	o := newOffice(t, Options{})
	event, traces := o.event(), Traces{"address": "AAAAAAAAAAAAAAAA"}
	var last Signals
	for range mostFans + 20 {
		var err error
		last, err = o.velocity.look(t.Context(), event, ropeline.NewID[ropeline.FanID](), traces, nil, time.Time{})
		must(t, err)
	}
	n, err := o.velocity.redis.Read.ZCard(t.Context(), traceKey(event, "address", "AAAAAAAAAAAAAAAA")).Result()
	if err != nil || n != mostFans || last[Address24h] < mostFans-1 {
		t.Errorf("%v: %d kept, %v counted", err, n, last[Address24h])
	}
}

func TestKeys(t *testing.T) {
	if k := traceKey("ev", "card", "x"); k != "{e:ev}:fraud:card:x" {
		t.Error(k)
	}
	if k := joinedKey("ev"); k != "{e:ev}:fraud:joined" {
		t.Error(k)
	}
}

// Who joined from where is estimated well in a crowd, by a sketch of one size.
func TestJoinsFromOneAddress(t *testing.T) {
	o := newOffice(t, Options{})
	event := o.event()
	for n := range 1500 {
		o.Joined(o.fan(event, n))
	}
	for n := range 40 {
		o.Joined(o.bot(event, n))
	}
	must(t, o.flushJoins(t.Context()))
	bot, fan := o.Place(t.Context(), o.bot(event, 0)).signals, o.Place(t.Context(), o.fan(event, 3)).signals
	for _, s := range []Signal{JoinedAddress, JoinedDevice} {
		if bot[s] < 38 || bot[s] > 41 {
			t.Errorf("%s of a bot is %v, want about 39", s, bot[s])
		}
		if fan[s] > 1 {
			t.Errorf("%s of a fan is %v, want about 0", s, fan[s])
		}
	}
	for range mostJoins + 10 {
		o.Joined(o.fan(event, 1))
	}
	if n := len(o.joins.waiting); n != mostJoins {
		t.Errorf("%d wait", n)
	}
	size, err := o.velocity.redis.Read.StrLen(t.Context(), joinedKey(event)).Result()
	if err != nil || size != sumCell/8+4 {
		t.Errorf("%v: the sketch has %d bytes", err, size)
	}
}

func TestAdmissionAndAge(t *testing.T) {
	let := time.Now().Add(-90 * time.Second)
	o := newOffice(t, Options{Admitted: func(context.Context, ropeline.EventID, ropeline.FanID) (time.Time, bool, error) {
		return let, true, nil
	}})
	v := o.fan(o.event(), 1)
	s := o.Place(t.Context(), v).signals
	if s[SinceAdmitted] < 90 || s[SinceAdmitted] > 150 || s[FanAge] > 60 || s[NoCookie] != 0 {
		t.Errorf("%v", s)
	}
	v.Fan, v.Device = "0", ""
	if s := o.Place(t.Context(), v).signals; s[NoCookie] != 1 {
		t.Errorf("%v", s)
	} else if _, known := s[FanAge]; known {
		t.Errorf("the age of nobody is known: %v", s)
	}
}

// Forty identities of one device are told from forty fans, once the gateway has
// told of the card; a fan who pays with a card of others shows too.
func TestBotsAreTold(t *testing.T) {
	o := newOffice(t, Options{})
	event := o.event()
	_, err := o.set(event, Settings{Enabled: true, ReviewAt: 0.3, RejectAt: 0.95, ReviewHours: 5, AtDeadline: Allow}, "olga")
	must(t, err)
	judge := func(v Visit, card string, risk, declines int) Verdict {
		order := o.order(o.Place(t.Context(), v))
		return o.Judge(t.Context(), Paid{Event: event, Order: order, Fan: v.Fan, Card: card, Risk: risk, Declines: declines})
	}
	var last Verdict
	for n := range 40 {
		o.Joined(o.bot(event, n))
		must(t, o.flushJoins(t.Context()))
		last = judge(o.bot(event, n), "stolen", 60, 2)
	}
	if last.Score < 0.3 || last.Decision == Allow || len(last.Reasons) == 0 {
		t.Errorf("the last bot: %+v", last)
	}
	if last.Decision == Review && (last.ReviewFor != 5*time.Hour || last.AtDeadline != Allow) {
		t.Errorf("%+v", last)
	}
	fan := o.fan(event, 1)
	if v := judge(fan, "own", 5, 0); v.Score > 0.3 || v.Decision != Allow {
		t.Errorf("a fan: %+v", v)
	}
	if v := judge(o.fan(event, 2), "stolen", 5, 0); !slices.ContainsFunc(v.Reasons, func(r string) bool { return strings.Contains(r, "same card") }) {
		t.Errorf("a fan with the bots' card: %+v", v)
	}
}

// Off means that nothing is done, and everything is scored all the same.
func TestOffAllowsAndScores(t *testing.T) {
	o := newOffice(t, Options{})
	event := o.event()
	var v Verdict
	for n := range 30 {
		visit := o.bot(event, n)
		v = o.Judge(t.Context(), Paid{Event: event, Order: o.order(o.Place(t.Context(), visit)), Fan: visit.Fan, Card: "stolen", Risk: 90, Declines: 3})
	}
	if v.Decision != Allow || v.Score < 0.5 {
		t.Errorf("%+v", v)
	}
}

// Engines that do not answer in time cost the order the budget and no more: it
// is allowed, and the reasons say why.
func TestDeadlineExceeded(t *testing.T) {
	o := newOffice(t, Options{Budget: time.Nanosecond})
	event := o.event()
	v := o.fan(event, 1)
	placed := o.Place(t.Context(), v)
	if placed.Decision != Allow || !mentions(placed.Verdict, "not known within") || !mentions(placed.Verdict, theCounts) {
		t.Errorf("%+v", placed.Verdict)
	}
	order := o.order(placed)
	got := o.Judge(t.Context(), Paid{Event: event, Order: order, Fan: v.Fan, Card: "c", Risk: 100, Declines: 9})
	if got.Decision != Allow || !mentions(got, theVisit) {
		t.Errorf("%+v", got)
	}
}

// Redis is gone, Postgres is there: what is known is scored.
func TestWithoutRedis(t *testing.T) {
	o := newOffice(t, Options{})
	event := o.event()
	_, err := o.set(event, Settings{Enabled: true, ReviewAt: 0.0001, RejectAt: 1, ReviewHours: 1, AtDeadline: Reject}, "olga")
	must(t, err)
	v := o.fan(event, 1)
	order := o.order(o.Place(t.Context(), v))
	must(t, o.velocity.redis.Write.Close())
	got := o.Judge(t.Context(), Paid{Event: event, Order: order, Fan: v.Fan, Risk: 80})
	if got.Decision != Review || !mentions(got, theCounts) {
		t.Errorf("%+v", got)
	}
}

// Many at once, with the notes written meanwhile.
func TestTogether(t *testing.T) {
	o := newOffice(t, Options{})
	event := o.event()
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { o.Run(ctx) })
	var all sync.WaitGroup
	for n := range 24 {
		all.Go(func() {
			v := o.fan(event, n)
			o.Joined(v)
			order := o.order(o.Place(t.Context(), v))
			for range 3 {
				o.Judge(t.Context(), Paid{Event: event, Order: order, Fan: v.Fan, Card: "c", Risk: n})
			}
		})
	}
	all.Wait()
	stop()
	running.Wait()
	var rows []Row
	must(t, o.Export(t.Context(), event, func(r Row) error { rows = append(rows, r); return nil }))
	if len(rows) != 24 {
		t.Fatalf("%d rows", len(rows))
	}
	for _, r := range rows {
		if _, known := r.Signals[GatewayRisk]; !known || r.Label != nil || r.check() != nil || len(r.Order) != 16 {
			t.Errorf("%+v %v", r, r.check())
		}
	}
}

func mentions(v Verdict, what string) bool {
	return slices.ContainsFunc(v.Reasons, func(r string) bool { return strings.Contains(r, what) })
}
