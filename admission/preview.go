package admission

import (
	"fmt"
	"math"
	"time"

	"github.com/ropeline/ropeline/admission/pace"
)

// Situation is what a preview starts from, and what it supposes of the fans.
type Situation struct {
	At      time.Time // when it starts
	Fans    int64     // who wait
	Tickets int64     // nobody holds

	ShowUpShare float64 // of those admitted, who enter; 0…1
	BuyShare    float64 // of those who enter, who buy; 0…1
	PerBuyer    float64 // tickets that a buyer takes
}

// Preview is what rules lead to, if fans do as supposed.
type Preview struct {
	SoldOut  bool
	Empty    bool          // everybody was called before that
	After    time.Duration // until sold out or empty; the horizon of a day when neither
	Admitted int64
	Entered  int64
	Told     int64 // fans who still wait at that moment: they are told that it is sold out
	Left     int64 // tickets
}

const (
	previewStep    = time.Second
	previewHorizon = 24 * time.Hour
	visitPart      = 3 // a visit takes a third of the time there is
)

// Foresee plays rules forward, second by second, with the arithmetic of the
// bucket itself: nobody joins or leaves the line meanwhile, shares are met
// evenly, and a visit to the shop takes a third of the time that there is.
func Foresee(r Rules, s Situation) Preview {
	p := Preview{Left: s.Tickets}
	steps := int(previewHorizon / previewStep)
	absent, leaving, buying := make([]int64, steps), make([]int64, steps), make([]float64, steps)
	later := func(i int, d time.Duration) int { return i + max(1, int(d/previewStep)) }
	at := s.At.UnixMicro()
	bucket := pace.Full(r, at)
	perStep := r
	perStep.Batch *= int(previewStep / tickEvery)
	var shoppers int64
	var come, bought, stock float64 // parts of a fan carried to the next second
	stock = float64(s.Tickets)
	waiting := s.Fans
	for i := range steps {
		shoppers -= absent[i] + leaving[i]
		stock -= buying[i]
		p.Left = max(0, int64(math.Ceil(stock-1e-9)))
		p.After, p.Told = time.Duration(i)*previewStep, waiting
		if p.Left == 0 {
			p.SoldOut = true
			return p
		}
		if waiting == 0 && shoppers == 0 {
			p.Empty = true
			return p
		}
		var n int64
		bucket, n = pace.Decide(bucket, perStep, at+int64(i)*previewStep.Microseconds(),
			Demand{Waiting: waiting, Shoppers: shoppers, NoShows: absent[i], Left: p.Left, LeftKnown: true})
		waiting -= n
		shoppers += n
		p.Admitted += n
		enter := whole(&come, float64(n)*s.ShowUpShare)
		buy := whole(&bought, float64(enter)*s.BuyShare)
		p.Entered += enter
		add(absent, later(i, r.ShowUp), n-enter)
		add(leaving, later(i, r.Shop/visitPart), enter)
		add(buying, later(i, r.Shop/visitPart), float64(buy)*s.PerBuyer)
	}
	p.After, p.Told = previewHorizon, waiting
	return p
}

// whole takes the whole part out of a sum and leaves the rest there.
func whole(sum *float64, more float64) int64 {
	*sum += more
	n := math.Floor(*sum + 1e-9)
	*sum -= n
	return int64(n)
}

func add[T int64 | float64](plan []T, i int, n T) {
	if i < len(plan) {
		plan[i] += n
	}
}

// Words says the preview in a sentence.
func (p Preview) Words(r Rules, s Situation) string {
	words := fmt.Sprintf("At %s a minute", grouped(int64(r.RatePerMinute)))
	if len(r.Schedule) > 0 {
		words = "By the schedule"
	}
	begin := fmt.Sprintf("%s, %s fans and %s tickets: ", words, grouped(s.Fans), grouped(s.Tickets))
	minutes := max(1, int64(math.Round(p.After.Minutes())))
	about := fmt.Sprintf("about %s %s", grouped(minutes), map[bool]string{true: "minute", false: "minutes"}[minutes == 1])
	switch {
	case r.Paused:
		return "Paused: nobody is let in, whatever the rate."
	case s.Tickets == 0:
		return begin + "nothing is left to sell."
	case p.SoldOut:
		return begin + fmt.Sprintf("sold out after %s, %s fans told by then.", about, grouped(p.Told))
	case p.Empty:
		return begin + fmt.Sprintf("everybody had a turn after %s, %s tickets left.", about, grouped(p.Left))
	}
	return begin + fmt.Sprintf("not sold out within a day; %s fans still wait then, %s tickets left.", grouped(p.Told), grouped(p.Left))
}

// grouped writes 40000 as 40,000.
func grouped(n int64) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
