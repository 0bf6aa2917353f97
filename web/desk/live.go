package desk

import (
	"context"
	"time"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/admission"
	"github.com/ropeline/ropeline/catalog"
	"github.com/ropeline/ropeline/checkout"
	"github.com/ropeline/ropeline/queue"
)

// Live is a sale at one moment: the answer to a look and every frame of the
// desk's stream (docs/protocol.md).
type Live struct {
	Event         ropeline.EventID                    `json:"event"`
	At            time.Time                           `json:"at"`
	Phase         ropeline.Phase                      `json:"phase"`
	Line          Line                                `json:"line"`
	Shoppers      int64                               `json:"shoppers"`
	Entered       int64                               `json:"entered"`
	NoShows       int64                               `json:"no_shows"`
	PacePerMinute *float64                            `json:"pace_per_minute,omitempty"` // absent: not known
	RateNow       int                                 `json:"rate_now"`                  // by the schedule; 0 while paused
	Rules         Rules                               `json:"rules"`
	Applied       Applied                             `json:"applied"`
	Reservations  map[checkout.ReservationState]int64 `json:"reservations"`
	Orders        map[checkout.OrderState]int64       `json:"orders"`
	Funnel        Funnel                              `json:"funnel"`
	Stock         []Level                             `json:"stock"`
	Money         []Sum                               `json:"money"`
	Failed        int64                               `json:"failed_payments"`
	Reviews       int64                               `json:"reviews"` // orders that wait for a person
	SoldOut       SoldOut                             `json:"sold_out"`
	Announcement  *catalog.Announcement               `json:"announcement,omitempty"`
}

// Line is the line in numbers. Admitted and Left count since the epoch began.
type Line struct {
	Waiting  int64 `json:"waiting"`
	Next     int64 `json:"next"` // the number that the next fan will get
	Admitted int64 `json:"admitted"`
	Left     int64 `json:"left"`
	Epoch    int64 `json:"epoch"`
}

// Applied tells how many of the nodes that admit do so by the rules in force.
type Applied struct {
	Nodes int `json:"nodes"`
	Of    int `json:"of"` // 0: none ticks, as before the drop
}

// Funnel is how far fans came. Reserved and Bought count fans.
type Funnel struct {
	Admitted int64 `json:"admitted"`
	Reserved int64 `json:"reserved"`
	Bought   int64 `json:"bought"`
}

// Level is the stock of one ticket type, and what the sold ones cost.
type Level struct {
	ID       ropeline.TicketTypeID `json:"id"`
	Name     string                `json:"name"`
	Capacity int                   `json:"capacity"`
	Held     int                   `json:"held"`
	Sold     int                   `json:"sold"`
	Value    ropeline.Money        `json:"value"`
}

// Sum is the money of one currency.
type Sum struct {
	Currency string `json:"currency"`
	Paid     int64  `json:"paid"`     // minor units, what was ever taken
	Refunded int64  `json:"refunded"` // given back, or on its way
}

// Rules are admission rules as the API writes them.
type Rules struct {
	Version       int64     `json:"version"`
	RatePerMinute int       `json:"rate_per_minute"`
	Burst         int       `json:"burst"`
	MaxShoppers   int       `json:"max_shoppers"`
	Batch         int       `json:"batch"`
	Paused        bool      `json:"paused"`
	StockGate     bool      `json:"stock_gate"`
	ShowUpSeconds int       `json:"show_up_seconds"`
	ShopSeconds   int       `json:"shop_seconds"`
	ChangedBy     string    `json:"changed_by"`
	ChangedAt     time.Time `json:"changed_at"`

	Schedule          []admission.Step `json:"schedule"` // never null
	CompensatePercent int              `json:"compensate_percent"`
	Work              int              `json:"work"`
}

// RulesOf are rules in these words.
func RulesOf(r admission.Rules) Rules {
	return Rules{
		Version: r.Version, RatePerMinute: r.RatePerMinute, Burst: r.Burst, MaxShoppers: r.MaxShoppers, Batch: r.Batch,
		Paused: r.Paused, StockGate: r.StockGate,
		ShowUpSeconds: int(r.ShowUp / time.Second), ShopSeconds: int(r.Shop / time.Second),
		ChangedBy: r.ChangedBy, ChangedAt: r.ChangedAt,
		Schedule: append([]admission.Step{}, r.Schedule...), CompensatePercent: r.CompensatePercent, Work: r.Work,
	}
}

// look asks the engines for everything but the pace and what is foreseen.
func (d *Desk) look(ctx context.Context, event ropeline.Event, snapshot *queue.Snapshot) (Live, error) {
	stock, err := d.checkout.Available(ctx, event.ID)
	if err != nil {
		return Live{}, err
	}
	till, err := d.checkout.Till(ctx, event.ID)
	if err != nil {
		return Live{}, err
	}
	rules, err := d.admission.Rules(ctx, event.ID)
	if err != nil {
		return Live{}, err
	}
	counts, err := d.admission.Counts(ctx, event.ID)
	if err != nil {
		return Live{}, err
	}
	applied, err := d.admission.Applied(ctx, event.ID)
	if err != nil {
		return Live{}, err
	}
	announced, err := d.catalog.Announced(ctx, event.ID)
	if err != nil {
		return Live{}, err
	}
	now := time.Now()
	live := Live{
		Stock: levels(event, stock),
		Event: event.ID, At: now, Phase: event.PhaseAt(now, stock.SoldOut()),
		Line:     Line{Waiting: snapshot.Waiting, Next: snapshot.Next, Admitted: snapshot.Admitted, Left: snapshot.Left, Epoch: snapshot.Epoch},
		Shoppers: counts.Shoppers, Entered: counts.Entered, NoShows: counts.NoShows,
		Rules: RulesOf(rules), Applied: Applied{Nodes: applied.By(rules), Of: applied.Nodes},
		Reservations: till.Reservations, Orders: till.Orders,
		Funnel: Funnel{Admitted: snapshot.Admitted, Reserved: till.Reserved, Bought: till.Buyers},
		Money:  sums(event, till), Failed: till.Failed, Reviews: till.Reviews, Announcement: announced,
	}
	if !rules.Paused {
		live.RateNow = rules.RateAt(now)
	}
	return live, nil
}

// sums are the money by currency; the event's own is there before anything is
// sold.
func sums(event ropeline.Event, till checkout.Till) []Sum {
	list := []Sum{{Currency: event.TicketTypes[0].Price.Currency}}
	of := func(currency string) *Sum {
		for i := range list {
			if list[i].Currency == currency {
				return &list[i]
			}
		}
		list = append(list, Sum{Currency: currency})
		return &list[len(list)-1]
	}
	for _, m := range till.Paid {
		of(m.Currency).Paid = m.Minor
	}
	for _, m := range till.Refunded {
		of(m.Currency).Refunded = m.Minor
	}
	return list
}

// tickets are how many there are, held and sold, over all types.
func (l Live) tickets() (capacity, held, sold int) {
	for _, level := range l.Stock {
		capacity, held, sold = capacity+level.Capacity, held+level.Held, sold+level.Sold
	}
	return capacity, held, sold
}
