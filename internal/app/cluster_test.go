package app

import (
	"context"
	"testing"
	"time"

	"github.com/ropeline/ropeline/checkout"
	"github.com/ropeline/ropeline/internal/engines"
	"github.com/ropeline/ropeline/loadtest/arrival"
	"github.com/ropeline/ropeline/loadtest/crowd"
)

// TestDropOnCluster is a small drop with the whole program on a Redis Cluster
// of three nodes: scripts, feed, mailbox, answers, tasks and limits.
func TestDropOnCluster(t *testing.T) {
	t.Parallel()
	cluster := engines.TestCluster(t)
	app := openTest(t, engines.Test(t), func(c *Config) { c.RedisURL, c.Hold = cluster.URL(), 3*time.Second })
	event, err := app.CreateEvent(t.Context(), testEvent(200), testRules(), "test")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	result, err := crowd.Crowd{BaseURL: app.URL(), Event: event.ID, Fans: 60, Seed: 3, Pace: 0.1,
		Arrival: arrival.Arrival{Shape: arrival.Burst, Over: 2 * time.Second}}.Run(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, verdict := range result.Broken() {
		t.Error(verdict)
	}
	if f := result.Tally.Funnel; f.Joined != 60 || f.Tickets == 0 || ctx.Err() != nil {
		t.Errorf("funnel %+v, %v", f, ctx.Err())
	}
	eventually(t, 15*time.Second, "every hold has ended", func() bool {
		var open int
		err := app.Pool().QueryRow(t.Context(), "select count(*) from reservations where state = 'held'").Scan(&open)
		return err == nil && open == 0
	})
	if violations, err := checkout.Audit(t.Context(), app.Pool(), event.ID); err != nil || len(violations) > 0 {
		t.Errorf("audit: %v %v", violations, err)
	}
}
