package app

import (
	"context"
	"testing"
	"time"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/admission"
	"github.com/ropeline/ropeline/internal/engines"
)

// testWriter sends the program's log to the test's.
type testWriter struct{ t testing.TB }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Logf("%s", p)
	return len(p), nil
}

// openTest boots the program on port 0 with engines of its own, and stops it
// when the test ends.
func openTest(t testing.TB, pair *engines.Pair, change func(*Config)) *App {
	t.Helper()
	config := DefaultConfig()
	config.Listen = "127.0.0.1:0"
	config.DatabaseURL, config.RedisURL = pair.DatabaseURL, pair.RedisURL
	config.LogLevel = "warn"
	if change != nil {
		change(&config)
	}
	app, err := Open(t.Context(), config, newLog(config, testWriter{t}))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- app.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("the program ended with: %v", err)
		}
		if err := app.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return app
}

// testEvent is on sale since a second ago.
func testEvent(capacity int) ropeline.Event {
	return ropeline.Event{
		Name: "Test Night", Venue: ropeline.Venue{Name: "Hall", City: "Vienna", TimeZone: "Europe/Vienna"},
		StartsAt: time.Now().Add(48 * time.Hour), DropAt: time.Now().Add(-time.Second), ClosesAt: time.Now().Add(time.Hour),
		TicketTypes: []ropeline.TicketType{
			{Name: "Standing", Price: ropeline.Money{Minor: 4500, Currency: "EUR"}, Capacity: capacity, MaxPerOrder: 4, MaxPerFan: 4},
		},
	}
}

func testRules() admission.Rules {
	rules := admission.DefaultRules()
	rules.RatePerMinute, rules.Burst, rules.MaxShoppers = 3000, 20, 80
	rules.ShowUp, rules.Shop = 6*time.Second, 20*time.Second
	return rules
}

// eventually polls until done says so; it fails at the deadline.
func eventually(t testing.TB, within time.Duration, what string, done func() bool) {
	t.Helper()
	deadline := time.Now().Add(within)
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for !done() {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", within, what)
		}
		<-ticker.C
	}
}
