package plan

import (
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/ropeline/ropeline/admission/pace"
)

// House is what the fans meet.
type House struct {
	Rules   pace.Rules
	Types   []Type
	Drop    time.Duration // from the run's beginning
	Lobby   bool
	Hold    time.Duration
	Horizon time.Duration // no forecast goes beyond it; 0: 12 h
}

// Type is a ticket type.
type Type struct {
	Capacity    int
	MaxPerOrder int
}

// Forecast is what a drop comes to. Times are from the run's beginning.
type Forecast struct {
	Rules    pace.Rules
	SoldOut  time.Duration // 99.9 % of the tickets were paid, as a run counts it; 0: more are left
	Ended    time.Duration
	Sold     int
	Left     int
	Admitted int
	NoShows  int
	InVain   int // let in, and nothing was left for them
	Told     int // were waiting when all was sold, and came after that
	Gone     int // left the line before
	Bought   int
	Waits    *hdrhistogram.Histogram // from the number to admission, milliseconds
	MostLine int
	MostShop int

	Width            time.Duration // of the series
	Line, Shop, Paid []float64     // fans, fans, tickets
}

// tick is the step of the model; the house's nodes tick as often.
const tick = 100 * time.Millisecond

// How long the model lets things take.
const (
	settles   = 400 * time.Millisecond // a payment, from the card to the tickets
	nextCard  = 2                      // a declined card costs a part of the time to think
	lobbyLook = 10 * time.Second       // how often a fan far back looks, who polls
	nearLook  = time.Second            // and one near the head
	delayed   = 3 * time.Second        // a webhook that the gateway delays
)

type kind uint8

const (
	leaves kind = iota
	enters
	reserves
	pays
	isPaid
	releases
	runsOut
	ends   // the shopper's time is over, or it went home
	absent // a pass ran out
)

type happening struct {
	fan  int32
	what kind
}

// sim is one forecast being made.
type sim struct {
	*Fans
	house House
	out   *Forecast

	agenda  [][]happening // by tick
	line    []int32       // fans by number
	head    int
	state   []uint8 // by fan
	joined  []int32 // by fan: the tick
	kinds   []int8  // by fan: the ticket type held
	count   []int8  // by fan: the tickets held
	gone    []uint8 // by fan: the ticket types that were sold out when it came, as bits
	waiting int

	shoppers, holding, noShows int64
	left                       []int
	free                       int // tickets that nobody holds or owns
	sold                       int
	now                        int
}

// What a fan is.
const (
	isAway uint8 = iota
	isWaiting
	isIn
	isHolding
	isOut
)

// Forecast plays the fans against a house.
func (f *Fans) Forecast(h House) *Forecast {
	if h.Horizon == 0 {
		h.Horizon = 12 * time.Hour
	}
	n := len(f.fans)
	s := &sim{
		Fans: f, house: h,
		out:   &Forecast{Rules: h.Rules, Waits: hdrhistogram.New(1, int64(24*time.Hour/time.Millisecond), 3), Width: time.Second},
		state: make([]uint8, n), joined: make([]int32, n), kinds: make([]int8, n), count: make([]int8, n), gone: make([]uint8, n), line: make([]int32, 0, n),
	}
	for _, t := range h.Types {
		s.left = append(s.left, t.Capacity)
		s.free += t.Capacity
	}
	s.run()
	return s.out
}

func (s *sim) ticks(d time.Duration) int { return int((d + tick/2) / tick) }

func (s *sim) at(i int, fan int32, what kind) {
	i = max(i, s.now+1)
	for len(s.agenda) <= i {
		s.agenda = append(s.agenda, make([][]happening, i-len(s.agenda)+256)...)
	}
	s.agenda[i] = append(s.agenda[i], happening{fan, what})
}

func (s *sim) after(seconds float32, fan int32, what kind) {
	s.at(s.now+int(seconds*10+0.5), fan, what)
}

func (s *sim) run() {
	capacity, came, drop := s.free, 0, s.ticks(s.house.Drop)
	var lobby []int32
	begin := time.Unix(1_000_000_000, 0).UnixMicro()
	clock := func() int64 { return begin + int64(s.now)*tick.Microseconds() }
	opened := false
	var bucket pace.State
	for ; s.now < s.ticks(s.house.Horizon); s.now++ {
		for came < len(s.fans) && float64(s.fans[came].at)*10 < float64(s.now+1) {
			fan := int32(came)
			came++
			if s.sold >= capacity {
				s.out.Told++
				continue
			}
			s.state[fan], s.joined[fan], s.gone[fan] = isWaiting, int32(s.now), s.soldOutTypes()
			s.waiting++
			if p := s.fans[fan].patience; p > 0 {
				s.after(p, fan, leaves)
			}
			if opened {
				s.line = append(s.line, fan)
			} else {
				lobby = append(lobby, fan)
			}
		}
		if !opened && s.now >= drop {
			opened = true
			if s.house.Lobby {
				s.chance().Shuffle(len(lobby), func(i, j int) { lobby[i], lobby[j] = lobby[j], lobby[i] })
			}
			s.line, lobby = append(s.line, lobby...), nil
			for _, fan := range s.line {
				s.joined[fan] = int32(s.now)
			}
			bucket = pace.Full(s.house.Rules, clock())
		}
		if s.now < len(s.agenda) {
			for _, h := range s.agenda[s.now] {
				s.happen(h)
			}
			s.agenda[s.now] = nil
		}
		if opened {
			var n int64
			bucket, n = pace.Decide(bucket, s.house.Rules, clock(), pace.Demand{
				Waiting: int64(s.waiting), Shoppers: s.shoppers, Holding: s.holding, NoShows: s.noShows, Left: int64(s.free), LeftKnown: true,
			})
			s.noShows = 0
			s.admit(int(n))
		}
		s.out.MostLine, s.out.MostShop = max(s.out.MostLine, s.waiting), max(s.out.MostShop, int(s.shoppers))
		if s.now%10 == 9 {
			s.out.Line = append(s.out.Line, float64(s.waiting))
			s.out.Shop = append(s.out.Shop, float64(s.shoppers))
			s.out.Paid = append(s.out.Paid, float64(s.sold))
		}
		if s.sold*1000 >= capacity*999 && s.out.SoldOut == 0 {
			s.out.SoldOut = time.Duration(s.now) * tick
		}
		if s.sold >= capacity {
			s.out.Told += s.waiting + len(s.fans) - came
			break
		}
		if came == len(s.fans) && opened && s.waiting == 0 && s.shoppers == 0 {
			break
		}
	}
	s.out.Ended, s.out.Sold, s.out.Left = time.Duration(s.now)*tick, s.sold, capacity-s.sold
}

// admit lets the next n of the line in.
func (s *sim) admit(n int) {
	for ; n > 0; s.head++ {
		fan := s.line[s.head]
		if s.state[fan] != isWaiting {
			continue
		}
		n--
		s.state[fan] = isIn
		s.waiting--
		s.shoppers++
		s.out.Admitted++
		s.out.Waits.RecordValue(max(1, int64(s.now-int(s.joined[fan]))*tick.Milliseconds()))
		is := &s.mix[s.fans[fan].is]
		if is.NoShow {
			s.at(s.now+s.ticks(s.house.Rules.ShowUp), fan, absent)
			continue
		}
		s.at(s.now+s.ticks(s.heard(fan, is.Transport == "polling" || is.SlowReader)), fan, enters)
	}
}

// heard is how long it takes until a fan knows.
func (s *sim) heard(fan int32, polls bool) time.Duration {
	if !polls {
		return 0
	}
	look := nearLook
	if s.now < s.ticks(s.house.Drop+lobbyLook) {
		look = lobbyLook
	}
	part := float64(uint32(fan)*2654435761) / (1 << 32) // the same for a fan, always
	return time.Duration(part * float64(look))
}

func (s *sim) happen(h happening) {
	fan := h.fan
	f := &s.fans[fan]
	is := &s.mix[f.is]
	switch h.what {
	case leaves:
		if s.state[fan] == isWaiting {
			s.state[fan] = isOut
			s.waiting--
			s.out.Gone++
		}
	case absent:
		s.out.NoShows++
		s.noShows++
		s.shoppers--
	case enters:
		s.after(f.think, fan, reserves)
	case reserves:
		s.reserve(fan, f)
	case pays:
		if s.state[fan] != isHolding {
			return
		}
		more := settles
		for _, card := range is.Cards {
			if card == "delay" {
				more += delayed
			}
			if card != "decline" && card != "three_d_secure" {
				break
			}
			more += time.Duration(f.think/nextCard*1e3) * time.Millisecond
		}
		s.at(s.now+s.ticks(more), fan, isPaid)
	case isPaid:
		if s.state[fan] == isHolding {
			s.state[fan] = isOut
			s.sold += int(s.count[fan])
			s.holding--
			s.shoppers--
			s.out.Bought++
		}
	case releases:
		if s.giveBack(fan) {
			s.shoppers--
		}
	case runsOut:
		if s.giveBack(fan) {
			s.at(max(s.now+1, int(s.joined[fan])), fan, ends)
		}
	case ends:
		s.shoppers--
	}
}

// soldOutTypes are those of the first eight of which nothing is left, as bits.
func (s *sim) soldOutTypes() (gone uint8) {
	for i, left := range s.left {
		if left == 0 && i < 8 {
			gone |= 1 << i
		}
	}
	return gone
}

// reserve takes what the fan likes by what it knew when it came, or else one
// of what is left.
func (s *sim) reserve(fan int32, f *drawn) {
	quantity, gone := int(f.quantity), s.gone[fan]
	for range 3 {
		pick := int(f.taste * float32(len(s.left)))
		for range s.left {
			if gone&(1<<(pick%8)) == 0 {
				break
			}
			pick = (pick + 1) % len(s.left)
		}
		if most := s.house.Types[pick].MaxPerOrder; most > 0 {
			quantity = min(quantity, most)
		}
		if s.left[pick] >= quantity {
			s.hold(fan, f, pick, quantity)
			return
		}
		quantity, gone = 1, s.soldOutTypes() // it looks again
		if s.free == 0 {
			break
		}
	}
	s.state[fan] = isOut
	s.shoppers--
	s.out.InVain++
}

func (s *sim) hold(fan int32, f *drawn, pick, quantity int) {
	s.left[pick] -= quantity
	s.free -= quantity
	s.kinds[fan], s.count[fan], s.state[fan] = int8(pick), int8(quantity), isHolding
	s.holding++
	is := &s.mix[f.is]
	hold := float32(s.house.Hold.Seconds())
	switch {
	case is.RunsOut, f.pay > hold:
		// joined is not needed any more: it keeps when the shopper's time is over.
		s.joined[fan] = int32(s.now) + int32((float32(s.house.Rules.Shop.Seconds())-f.think)*10)
		s.after(hold, fan, runsOut)
	case is.GivesUp:
		s.after(f.pay, fan, releases)
	default:
		s.after(f.pay, fan, pays)
	}
}

func (s *sim) giveBack(fan int32) bool {
	if s.state[fan] != isHolding {
		return false
	}
	s.state[fan] = isOut
	s.left[s.kinds[fan]] += int(s.count[fan])
	s.free += int(s.count[fan])
	s.holding--
	return true
}
