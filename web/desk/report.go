package desk

import (
	"cmp"
	"context"
	"math"
	"slices"
	"sort"
	"time"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/admission"
	"github.com/ropeline/ropeline/checkout"
)

// Report is what became of a sale, from what Postgres keeps: the pace log, the
// samples, tickets and orders.
type Report struct {
	Event   ropeline.EventID `json:"event"`
	Name    string           `json:"name"`
	Phase   ropeline.Phase   `json:"phase"`
	MadeAt  time.Time        `json:"made_at"`
	From    time.Time        `json:"from"`
	To      time.Time        `json:"to"`
	Seconds int64            `json:"step_seconds"`
	Steps   []Step           `json:"steps"`

	Funnel Way                           `json:"funnel"`
	Waits  *Waits                        `json:"waits,omitempty"` // absent: not known of anybody
	Stock  []Level                       `json:"stock"`
	Money  []Sum                         `json:"money"`
	Orders map[checkout.OrderState]int64 `json:"orders"`
	Failed int64                         `json:"failed_payments"`
}

// Step is a sale in one step of time.
type Step struct {
	At       time.Time                     `json:"at"`
	Arrived  int64                         `json:"arrived"`
	Admitted int64                         `json:"admitted"`
	Waits    *Waits                        `json:"waits,omitempty"` // of those admitted in it
	Sold     map[ropeline.TicketTypeID]int `json:"sold"`
}

// Way is how far fans came. Entered is as the samples saw it: while nobody saw
// the sale, nobody counted.
type Way struct {
	Joined   int64 `json:"joined"`
	Admitted int64 `json:"admitted"`
	Entered  int64 `json:"entered"`
	Reserved int64 `json:"reserved"`
	Bought   int64 `json:"bought"`
}

// Waits are the seconds from a number to its turn, by percentile, exact to the
// distance of two samples. Fans of a lobby waited from the drop on.
type Waits struct {
	Fans int64 `json:"fans"` // whose wait is known
	P10  int64 `json:"p10"`
	P50  int64 `json:"p50"`
	P90  int64 `json:"p90"`
	P99  int64 `json:"p99"`
	Most int64 `json:"most"`
}

const mostSteps = 240

var stepLengths = []time.Duration{Every, 10 * time.Second, 30 * time.Second, time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour, 6 * time.Hour, 24 * time.Hour}

// Report makes it. It asks nothing of Redis.
func (d *Desk) Report(ctx context.Context, event ropeline.Event) (Report, error) {
	now := time.Now()
	samples, err := d.Samples(ctx, event.ID, time.Unix(0, 0), now.Add(time.Hour))
	if err != nil {
		return Report{}, err
	}
	turns, err := d.admission.Turns(ctx, event.ID)
	if err != nil {
		return Report{}, err
	}
	stock, err := d.checkout.StockNow(ctx, event.ID)
	if err != nil {
		return Report{}, err
	}
	till, err := d.checkout.Till(ctx, event.ID)
	if err != nil {
		return Report{}, err
	}
	r := Report{Event: event.ID, Name: event.Name, Phase: event.PhaseAt(now, stock.SoldOut()), MadeAt: now,
		Stock: levels(event, stock), Money: sums(event, till), Orders: till.Orders, Failed: till.Failed,
		Funnel: Way{Reserved: till.Reserved, Bought: till.Buyers}}
	step := r.frame(event, samples, turns)
	issued, err := d.checkout.IssuedBy(ctx, event.ID, step)
	if err != nil {
		return Report{}, err
	}
	r.fill(step, samples, turns, issued)
	return r, nil
}

// frame sets from when to when the report goes, in which steps.
func (r *Report) frame(event ropeline.Event, samples []Sample, turns []admission.Turn) time.Duration {
	r.From, r.To = event.DropAt, event.DropAt
	if len(samples) > 0 {
		r.From, r.To = earlier(r.From, samples[0].At), later(r.To, samples[len(samples)-1].Until)
	}
	if len(turns) > 0 {
		r.From, r.To = earlier(r.From, turns[0].At), later(r.To, turns[len(turns)-1].At)
	}
	step := stepLengths[len(stepLengths)-1]
	for _, length := range stepLengths {
		if r.To.Sub(r.From)/length < mostSteps {
			step = length
			break
		}
	}
	r.From, r.Seconds = r.From.Truncate(step), int64(step/time.Second)
	return step
}

func (r *Report) fill(step time.Duration, samples []Sample, turns []admission.Turn, issued []checkout.Issued) {
	for at := r.From; !at.After(r.To) && len(r.Steps) <= mostSteps; at = at.Add(step) {
		r.Steps = append(r.Steps, Step{At: at, Sold: map[ropeline.TicketTypeID]int{}})
	}
	at := func(t time.Time) *Step {
		return &r.Steps[min(max(0, int(t.Sub(r.From)/step)), len(r.Steps)-1)]
	}
	var before Numbers
	for i, s := range samples {
		arrived, entered := s.Joined-before.Joined, s.Entered-before.Entered
		if i > 0 && s.Epoch != before.Epoch {
			arrived = 0 // who came back is not told from who came
		}
		if entered < 0 {
			entered = s.Entered // Redis was lost, and counts anew
		}
		at(s.At).Arrived += max(0, arrived)
		r.Funnel.Joined += max(0, arrived)
		r.Funnel.Entered += entered
		before = s.Numbers
	}
	var all []wait
	byStep := map[*Step][]wait{}
	for _, t := range turns {
		s := at(t.At)
		s.Admitted += t.Last - t.First + 1
		r.Funnel.Admitted += t.Last - t.First + 1
		waits := waitsOf(t, samples)
		all = append(all, waits...)
		byStep[s] = append(byStep[s], waits...)
	}
	r.Waits = percentiles(all)
	for s, waits := range byStep {
		s.Waits = percentiles(waits)
	}
	for _, n := range issued {
		at(n.At).Sold[n.Type] += n.Number
	}
}

// wait is so many fans who waited so long.
type wait struct {
	seconds float64
	fans    int64
}

// waitsOf finds for the numbers of a turn the samples in which they were new.
func waitsOf(t admission.Turn, samples []Sample) (waits []wait) {
	for n := t.First; n <= t.Last; {
		i := sort.Search(len(samples), func(i int) bool { return samples[i].Next > n })
		if i == len(samples) || samples[i].At.After(t.At.Add(Every)) {
			// Given out and called between two samples: no wait to speak of, or nobody looked.
			if i < len(samples) && i > 0 && t.At.Sub(samples[i-1].Until) <= 2*Every {
				waits = append(waits, wait{0, t.Last - n + 1})
			}
			return waits
		}
		last := min(t.Last, samples[i].Next-1)
		waits = append(waits, wait{max(0, t.At.Sub(samples[i].At).Seconds()), last - n + 1})
		n = last + 1
	}
	return waits
}

func percentiles(waits []wait) *Waits {
	var w Waits
	for _, one := range waits {
		w.Fans += one.fans
	}
	if w.Fans == 0 {
		return nil
	}
	slices.SortFunc(waits, func(a, b wait) int { return cmp.Compare(a.seconds, b.seconds) })
	of := func(share float64) int64 {
		rank, seen := int64(math.Ceil(share*float64(w.Fans))), int64(0)
		for _, one := range waits {
			if seen += one.fans; seen >= rank {
				return int64(math.Round(one.seconds))
			}
		}
		return int64(math.Round(waits[len(waits)-1].seconds))
	}
	w.P10, w.P50, w.P90, w.P99, w.Most = of(.1), of(.5), of(.9), of(.99), of(1)
	return &w
}

func levels(event ropeline.Event, stock checkout.Stocks) (list []Level) {
	for _, t := range event.TicketTypes {
		level := stock.Types[t.ID]
		list = append(list, Level{ID: t.ID, Name: t.Name, Capacity: level.Capacity, Held: level.Held, Sold: level.Sold, Value: t.Price.Times(level.Sold)})
	}
	return list
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
