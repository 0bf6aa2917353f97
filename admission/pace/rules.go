package pace

import (
	"time"

	"github.com/ropeline/ropeline"
)

// Rules are how an organizer lets fans out of the line. Every change is a new
// version; all versions are kept.
type Rules struct {
	Version       int64
	RatePerMinute int           // admissions per minute in the long run, 0…1,000,000
	Schedule      []Step        // other rates from given moments on, at most 20, in order of time
	Burst         int           // admissions that may come at once after a quiet time, 1…1,000,000
	MaxShoppers   int           // admitted fans at the same time, 1…1,000,000
	Batch         int           // admissions of one tick, 1…1,000
	Paused        bool          // nobody is admitted; who is a shopper stays one
	StockGate     bool          // admit only as many as there can be tickets for
	ShowUp        time.Duration // to redeem the pass, 5 s…24 h, whole seconds
	Shop          time.Duration // to reserve and pay, 10 s…24 h, whole seconds

	// CompensatePercent is how far, 0…100, the loop may exceed the rate to make
	// up for no-shows, so that as many enter per minute as the rate says. See
	// package admission's doc for what that means for I3.
	CompensatePercent int

	// Work is what joining costs a browser: the most that the number which it
	// has to find can be, 0…10,000,000; 0 for nothing.
	Work int

	ChangedBy string
	ChangedAt time.Time
}

// Step is a rate that is in force from a moment on, until the next one.
type Step struct {
	From          time.Time `json:"from"` // kept to the microsecond
	RatePerMinute int       `json:"rate_per_minute"`
	// AfterDrop is set for a step that was given relative to the drop, in
	// seconds: it moves when the drop does.
	AfterDrop *int64 `json:"after_drop_seconds,omitempty"`
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

const (
	mostRate  = 1_000_000 // admissions per minute
	MostBatch = 1000      // admissions of one tick
	mostSteps = 20        // of a schedule
)

// RateAt is the rate in force at a moment, pauses aside.
func (r Rules) RateAt(at time.Time) int {
	rate := r.RatePerMinute
	for _, step := range r.Schedule {
		if !step.From.After(at) {
			rate = step.RatePerMinute
		}
	}
	return rate
}

// Validate names the first field that is out of its range (invalid_rules).
func (r Rules) Validate() error {
	for _, field := range []struct {
		name              string
		value, least, top int
	}{
		{"rate_per_minute", r.RatePerMinute, 0, mostRate},
		{"burst", r.Burst, 1, 1_000_000},
		{"max_shoppers", r.MaxShoppers, 1, 1_000_000},
		{"batch", r.Batch, 1, MostBatch},
		{"compensate_percent", r.CompensatePercent, 0, 100},
		{"work", r.Work, 0, 10_000_000},
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
	return r.validateSchedule()
}

func (r Rules) validateSchedule() error {
	if len(r.Schedule) > mostSteps {
		return ropeline.Errorf(ropeline.CodeInvalidRules, "schedule must have at most %d steps.", mostSteps)
	}
	for i, step := range r.Schedule {
		switch {
		case step.RatePerMinute < 0 || step.RatePerMinute > mostRate:
			return ropeline.Errorf(ropeline.CodeInvalidRules, "schedule: each rate_per_minute must be between 0 and %d.", mostRate)
		case step.From.Year() < 2000 || step.From.Year() > 2199:
			return ropeline.Errorf(ropeline.CodeInvalidRules, "schedule: each step needs the moment from which it counts.")
		case i > 0 && !r.Schedule[i-1].From.Before(step.From):
			return ropeline.Errorf(ropeline.CodeInvalidRules, "schedule must be in order of time.")
		}
	}
	return nil
}
