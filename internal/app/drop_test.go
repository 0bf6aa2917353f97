package app

import (
	"context"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/admission"
	"github.com/ropeline/ropeline/checkout"
	"github.com/ropeline/ropeline/internal/engines"
	"github.com/ropeline/ropeline/loadtest/arrival"
	"github.com/ropeline/ropeline/loadtest/crowd"
	"github.com/ropeline/ropeline/loadtest/record"
	"github.com/ropeline/ropeline/queue"
)

// TestDrop is one real drop, end to end: the program on port 0 with two more
// nodes that tick, draw and work, 500 fans over HTTP and WebSocket, 100 tickets.
// Those who come in the first two seconds meet in the lobby. The
// invariants are judged from what the fans saw, from the feed, and from
// Postgres.
func TestDrop(t *testing.T) {
	t.Parallel()
	const fans, tickets = 500, 100
	pair := engines.Test(t)
	app := openTest(t, pair, func(c *Config) { c.Hold = 4 * time.Second })
	for range 2 {
		openTest(t, pair, func(c *Config) {
			c.Roles, c.PublicURL, c.Hold = "admission,worker", app.URL(), 4*time.Second
		})
	}
	rules := testRules()
	planned, lobby := testEvent(tickets), time.Now().Add(-time.Second)
	planned.LobbyAt, planned.DropAt = &lobby, time.Now().Add(2*time.Second)
	event, err := app.CreateEvent(t.Context(), planned, rules, "test")
	if err != nil {
		t.Fatal(err)
	}
	// The draw decides who is let in: enough of each kind, whoever that is.
	mix := crowd.DefaultMix()
	for i := range mix {
		if mix[i].RunsOut {
			mix[i].Share = 8
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Second)
	defer cancel()
	result, err := crowd.Crowd{
		BaseURL: app.URL(), Event: event.ID, Fans: fans, Seed: 1, Pace: 0.1, Mix: mix,
		Arrival: arrival.Arrival{Shape: arrival.Burst, Over: 5 * time.Second},
		Rule:    &record.Rule{RatePerMinute: rules.RatePerMinute, Burst: rules.Burst},
	}.Run(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if ctx.Err() != nil {
		t.Fatal("the crowd had not gone home in time")
	}
	t.Logf("%d fans in %s: %+v", fans, result.Tally.Took.Round(time.Millisecond), result.Tally.Funnel)

	judged := map[string]bool{}
	for _, verdict := range result.Verdicts {
		t.Log(verdict)
		judged[verdict.Invariant] = judged[verdict.Invariant] || verdict.Checked > 0
		if !verdict.OK {
			t.Errorf("%s", verdict)
		}
	}
	for _, invariant := range []string{"I1", "I2", "I3", "I4", "I5", "I6", "I7", "I9", "I10", "I11"} {
		if !judged[invariant] {
			t.Errorf("%s: nothing was seen of it", invariant)
		}
	}
	// Who comes last may be told that all is sold.
	if f := result.Tally.Funnel; f.Arrived != fans || f.Joined < fans*95/100 || f.Tickets == 0 {
		t.Errorf("funnel: %+v", f)
	}

	drawn, err := app.Line.Draw(t.Context(), event.ID)
	if err != nil || drawn.Entrants < fans/10 || drawn.Entrants == fans || drawn.DoneAt == nil {
		t.Errorf("the draw: %+v, %v", drawn, err)
	}

	eventually(t, 15*time.Second, "every hold has ended", func() bool {
		var open int
		err := app.Pool().QueryRow(t.Context(), `
			select (select count(*) from reservations where state = 'held') + (select count(*) from orders where state = 'pending')`).Scan(&open)
		return err == nil && open == 0
	})
	violations, err := checkout.Audit(t.Context(), app.Pool(), event.ID)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range violations {
		t.Errorf("audit: %v", v)
	}
	admitted := checkFeed(t, app, event.ID, rules)
	checkPasses(t, app, event.ID, admitted)
	checkSales(t, app, event.ID, tickets)
}

// checkFeed holds I2 and I3 against the feed: numbers are admitted in rising
// order, and in no window more than rate·t + burst. It returns the ids of the
// passes that admission gave.
func checkFeed(t *testing.T, app *App, event ropeline.EventID, rules admission.Rules) map[string]bool {
	t.Helper()
	entries, err := app.redis.Read.XRange(t.Context(), queue.KeysOf(event).Feed, "-", "+").Result()
	if err != nil {
		t.Fatal(err)
	}
	type tick struct {
		at    time.Time
		count int
	}
	var (
		ticks  []tick
		passes = map[string]bool{}
		last   = int64(-1)
	)
	for _, message := range entries {
		if message.Values["kind"] != queue.KindAdmitted {
			continue
		}
		micros, err := strconv.ParseInt(message.Values["at"].(string), 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		members, err := queue.ParseMembers(message.Values["fans"].(string))
		if err != nil {
			t.Fatal(err)
		}
		for _, member := range members {
			if member.Number <= last {
				t.Errorf("I2: number %d was admitted after %d", member.Number, last)
			}
			last = member.Number
			passes[fmt.Sprintf("1.%d", member.Number)] = true
		}
		ticks = append(ticks, tick{time.UnixMicro(micros), len(members)})
	}
	for i := range ticks {
		total := 0
		for j := i; j < len(ticks); j++ {
			total += ticks[j].count
			window := ticks[j].at.Sub(ticks[i].at)
			if allowed := float64(rules.RatePerMinute)*window.Minutes() + float64(rules.Burst); float64(total) > allowed {
				t.Fatalf("I3: %d admissions in %s, %.1f allowed", total, window, allowed)
			}
		}
	}
	if len(passes) == 0 {
		t.Error("the feed tells of no admission")
	}
	return passes
}

// checkPasses holds I11 against Postgres: every reservation stands on a pass
// that admission gave.
func checkPasses(t *testing.T, app *App, event ropeline.EventID, given map[string]bool) {
	t.Helper()
	rows, err := app.Pool().Query(t.Context(), "select id, pass_id from reservations where event_id = $1", event)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var id, pass string
		if err := rows.Scan(&id, &pass); err != nil {
			t.Fatal(err)
		}
		if !given[pass] {
			t.Errorf("I11: reservation %s stands on pass %s, which admission did not give", id, pass)
		}
	}
}

// checkSales counts once more, in plain SQL: sold stock is tickets is money.
func checkSales(t *testing.T, app *App, event ropeline.EventID, capacity int) {
	t.Helper()
	var sold, held, tickets, paid int
	err := app.Pool().QueryRow(t.Context(), `
		select (select sum(sold) from stock where event_id = $1), (select sum(held) from stock where event_id = $1),
		       (select count(*) from tickets where event_id = $1),
		       (select coalesce(sum(p.amount_minor), 0) from payments p join orders o on o.id = p.order_id
		        where o.event_id = $1 and p.state = 'confirmed')`, event).Scan(&sold, &held, &tickets, &paid)
	if err != nil {
		t.Fatal(err)
	}
	if sold > capacity || held != 0 || tickets != sold || paid != sold*4500 {
		t.Errorf("sold %d (of %d), held %d, tickets %d, captured %d", sold, capacity, held, tickets, paid)
	}
	if sold < capacity*9/10 {
		t.Errorf("only %d of %d tickets were sold to a crowd five times as large", sold, capacity)
	}
}
