package fraud

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
)

// DefaultSeed and DefaultOrders are what the embedded model was fitted to:
//
//	ropeline fraud generate --orders 20000 --seed 20 | ropeline fraud train - --seed 20 --name default-1
const (
	DefaultSeed   = 20
	DefaultOrders = 20000
)

// Generate makes up the orders of one sale, with labels, the same for the same
// seed. The world it draws from is told in docs/fraud.md: honest fans,
// resellers with a few cards and devices behind many addresses, and bots, many
// identities on one device in one network, that pay with stolen cards.
func Generate(orders int, seed uint64) []Row {
	w := world{random: rand.New(rand.NewPCG(seed, 0x67656e)), orders: orders}
	for len(w.made) < orders {
		switch u := w.random.Float64(); {
		case u < 0.0025:
			w.resellers(w.between(6, 25))
		case u < 0.0037:
			w.bots(w.between(15, 60))
		default:
			w.honest()
		}
	}
	w.made = w.made[:orders]
	slices.SortStableFunc(w.made, func(a, b madeUp) int {
		switch {
		case a.paid < b.paid:
			return -1
		case a.paid > b.paid:
			return 1
		}
		return 0
	})
	return w.rows()
}

// saleSeconds is how long the made-up sale takes.
const saleSeconds = 3600

// madeUp is an order with who is behind it.
type madeUp struct {
	paid    float64           // seconds after the drop
	traces  map[string]string // what it is counted by
	signals Signals           // what is not counted
	fraud   bool
}

type world struct {
	random *rand.Rand
	orders int
	names  int // of things that are nobody else's
	made   []madeUp
}

func (w *world) own(kind string) string {
	w.names++
	return fmt.Sprintf("%s %d", kind, w.names)
}

func (w *world) honest() {
	r := w.random
	o := madeUp{paid: r.Float64() * saleSeconds, signals: Signals{}}
	o.traces = map[string]string{
		"address": w.own("address"), "network": fmt.Sprintf("network %d", r.IntN(max(w.orders/2, 1))),
		"device": w.own("device"), "card": w.own("card"), "mailbox": w.own("mailbox"),
	}
	home := 1.0             // how many live behind the address
	if r.Float64() < 0.05 { // a campus, an office, a carrier's NAT
		n := r.IntN(max(w.orders/40, 1))
		o.traces["address"], o.traces["network"] = fmt.Sprintf("shared %d", n), fmt.Sprintf("shared network %d", n)
		home = 6
	}
	w.joins(o.signals, w.poisson(0.3*home), w.poisson(0.05))
	if r.Float64() < 0.15 { // a domain of one's own, or the employer's
		o.traces["domain"] = fmt.Sprintf("domain %d", r.IntN(max(w.orders/20, 1)))
	}
	o.signals[NoCookie] = 0
	if r.Float64() < 0.05 {
		o.signals[NoCookie] = 1
		o.traces["device"] = o.traces["network"] + fmt.Sprint(" browser ", r.IntN(5))
	}
	o.signals[SinceAdmitted] = w.lognormal(75, 0.7)
	o.signals[FanAge] = w.lognormal(1800, 1)
	if r.Float64() < 0.4 {
		o.signals[FanAge] = w.lognormal(20*86400, 1.2)
	}
	w.gateway(o.signals, 12, 0.08)
	w.made = append(w.made, o)
	if r.Float64() < 0.02 { // somebody of the family, from the same sofa, with the same card
		other := madeUp{paid: min(o.paid+w.lognormal(120, 0.8), saleSeconds), traces: map[string]string{}, signals: Signals{}}
		for kind, trace := range o.traces {
			other.traces[kind] = trace
		}
		for name, value := range o.signals {
			other.signals[name] = value
		}
		other.traces["mailbox"] = w.own("mailbox")
		if r.Float64() < 0.5 {
			other.traces["device"] = w.own("device")
		}
		w.gateway(other.signals, 12, 0.08)
		w.made = append(w.made, other)
	}
}

func (w *world) resellers(n int) {
	r := w.random
	group, begin := w.own("resellers"), r.Float64()*saleSeconds/2
	rare := r.Float64() < 0.3
	of := func(kind string, each int) string {
		return fmt.Sprintf("%s %s %d", group, kind, r.IntN((n+each-1)/each))
	}
	for range n {
		o := madeUp{paid: begin + r.Float64()*1500, signals: Signals{}, fraud: true}
		o.traces = map[string]string{"address": of("address", 2), "device": of("device", 3), "card": of("card", 6), "mailbox": of("mailbox", 8)}
		o.traces["network"] = fmt.Sprintf("network %d", r.IntN(max(w.orders/2, 1))) // of a proxy in somebody's home
		if rare {
			o.traces["domain"] = group
		}
		w.joins(o.signals, w.poisson(0.8), w.poisson(0.8))
		o.signals[NoCookie] = w.coin(0.1)
		o.signals[SinceAdmitted] = w.lognormal(35, 0.5)
		o.signals[FanAge] = w.lognormal(1500, 0.9)
		w.gateway(o.signals, 25, 0.3)
		w.made = append(w.made, o)
	}
}

func (w *world) bots(n int) {
	r := w.random
	group, begin := w.own("bots"), r.Float64()*saleSeconds/2
	rare, addresses, idle := r.Float64() < 0.5, w.between(1, 6), w.lognormalRaw(0.7, 1) // idle: identities that joined besides those that order
	if r.Float64() < 0.5 {
		idle = 0 // the identities come from elsewhere
	}
	rotates, proxies := r.Float64() < 0.4, r.Float64() < 0.4 // the better ones take a fresh cookie, or another's address, each time
	for range n {
		o := madeUp{paid: begin + r.Float64()*600, signals: Signals{}, fraud: true}
		o.traces = map[string]string{
			"address": fmt.Sprintf("%s address %d", group, r.IntN(addresses)), "network": group + " network", "device": group + " device",
			"card": fmt.Sprintf("%s card %d", group, r.IntN((n+1)/2)), "mailbox": w.own("mailbox"),
		}
		if rare {
			o.traces["domain"] = group
		}
		w.joins(o.signals, w.poisson(idle*float64(n)/float64(addresses)), w.poisson(idle*float64(n)))
		o.signals[NoCookie] = w.coin(0.7)
		if rotates {
			o.traces["device"], o.signals[NoCookie], o.signals[JoinedDevice] = w.own("device"), 0, 0
		}
		if proxies {
			o.traces["address"], o.traces["network"] = w.own("address"), fmt.Sprintf("network %d", r.IntN(max(w.orders/2, 1)))
			o.signals[JoinedAddress] = w.poisson(0.3)
		}
		o.signals[SinceAdmitted] = w.lognormal(12, 0.8)
		o.signals[FanAge] = w.lognormal(900, 0.9)
		w.gateway(o.signals, 40, 0.9)
		w.made = append(w.made, o)
	}
}

func (w *world) joins(s Signals, address, device float64) {
	s[JoinedAddress], s[JoinedDevice] = address, device
}

// gateway draws what the gateway says; some say nothing.
func (w *world) gateway(s Signals, risk, declines float64) {
	if delete(s, GatewayRisk); w.random.Float64() < 0.9 {
		s[GatewayRisk] = math.Round(min(w.lognormal(risk, 0.6), 100))
	}
	s[Declines] = w.poisson(declines)
}

// rows counts what was made up, over the windows of the real thing.
func (w *world) rows() []Row {
	seen := map[string][]float64{} // when a trace paid, in order
	rows := make([]Row, len(w.made))
	for i, o := range w.made {
		s := o.signals
		for _, k := range kinds {
			trace, known := o.traces[k.trace]
			if !known {
				continue
			}
			before := seen[k.trace+" "+trace]
			recent, _ := slices.BinarySearch(before, o.paid-shortWindow.Seconds())
			s[k.short], s[k.long] = float64(len(before)-recent), float64(len(before))
			seen[k.trace+" "+trace] = append(before, o.paid)
		}
		if w.random.Float64() < 0.03 { // Redis was late
			for _, k := range kinds {
				delete(s, k.short)
				delete(s, k.long)
			}
			delete(s, JoinedAddress)
			delete(s, JoinedDevice)
		}
		fraud := o.fraud
		switch u := w.random.Float64(); { // nobody's labels are all right
		case fraud && u < 0.05:
			fraud = false
		case !fraud && u < 0.001:
			fraud = true
		}
		label := 0
		if fraud {
			label = 1
		}
		rows[i] = Row{Order: fmt.Sprintf("made-up-%05d", i), Signals: s, Label: &label}
	}
	return rows
}

func (w *world) between(low, high int) int { return low + w.random.IntN(high-low+1) }

func (w *world) lognormal(median, sigma float64) float64 {
	return math.Round(w.lognormalRaw(median, sigma))
}

func (w *world) lognormalRaw(median, sigma float64) float64 {
	return median * math.Exp(sigma*w.random.NormFloat64())
}

func (w *world) coin(p float64) float64 {
	if w.random.Float64() < p {
		return 1
	}
	return 0
}

// poisson is Knuth's product of uniforms, in parts that do not underflow.
func (w *world) poisson(mean float64) (n float64) {
	for ; mean > 500; mean -= 500 {
		n += w.poisson(500)
	}
	for product := w.random.Float64(); product > math.Exp(-mean); product *= w.random.Float64() {
		n++
	}
	return n
}
