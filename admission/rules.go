package admission

import (
	"time"

	"github.com/ropeline/ropeline"
)

// Rules are how an organizer lets fans out of the line. Every change is a new
// version; all versions are kept.
type Rules struct {
	Version       int64
	RatePerMinute int           // admissions per minute in the long run, 0…1,000,000
	Burst         int           // admissions that may come at once after a quiet time, 1…1,000,000
	MaxShoppers   int           // admitted fans at the same time, 1…1,000,000
	Batch         int           // admissions of one tick, 1…1,000
	Paused        bool          // nobody is admitted; who is a shopper stays one
	StockGate     bool          // admit only as many as there can be tickets for
	ShowUp        time.Duration // to redeem the pass, 5 s…24 h, whole seconds
	Shop          time.Duration // to reserve and pay, 10 s…24 h, whole seconds
	ChangedBy     string
	ChangedAt     time.Time
}

// DefaultRules are good for a sale of some thousand tickets.
func DefaultRules() Rules {
	return Rules{
		RatePerMinute: 600,
		Burst:         50,
		MaxShoppers:   500,
		Batch:         50,
		StockGate:     true,
		ShowUp:        2 * time.Minute,
		Shop:          10 * time.Minute,
	}
}

// Validate names the first field that is out of its range (invalid_rules).
func (r Rules) Validate() error {
	for _, field := range []struct {
		name              string
		value, least, top int
	}{
		{"rate_per_minute", r.RatePerMinute, 0, 1_000_000},
		{"burst", r.Burst, 1, 1_000_000},
		{"max_shoppers", r.MaxShoppers, 1, 1_000_000},
		{"batch", r.Batch, 1, 1_000},
	} {
		if field.value < field.least || field.value > field.top {
			return ropeline.Errorf(ropeline.CodeInvalidRules, "%s must be between %d and %d.", field.name, field.least, field.top)
		}
	}
	for _, field := range []struct {
		name         string
		value, least time.Duration
	}{
		{"show_up_seconds", r.ShowUp, 5 * time.Second},
		{"shop_seconds", r.Shop, 10 * time.Second},
	} {
		if field.value < field.least || field.value > 24*time.Hour || field.value%time.Second != 0 {
			return ropeline.Errorf(ropeline.CodeInvalidRules, "%s must be a whole number of seconds between %d and 86400.",
				field.name, int(field.least.Seconds()))
		}
	}
	return nil
}
