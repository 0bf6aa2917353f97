package catalog_test

import (
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/catalog"
	"github.com/ropeline/ropeline/internal/engines"
)

func TestMain(m *testing.M) { engines.Main(m) }

func night(drop time.Time) ropeline.Event {
	return ropeline.Event{
		Name: "Night", Description: "Songs.", Venue: ropeline.Venue{Name: "Hall", City: "Vienna", TimeZone: "Europe/Vienna"},
		StartsAt: drop.Add(48 * time.Hour), DropAt: drop, ClosesAt: drop.Add(time.Hour),
		TicketTypes: []ropeline.TicketType{
			{Name: "Standing", Price: ropeline.Money{Minor: 4500, Currency: "EUR"}, Capacity: 10, MaxPerOrder: 4, MaxPerFan: 4},
			{Name: "Balcony", Price: ropeline.Money{Minor: 0, Currency: "EUR"}, Capacity: 0, MaxPerOrder: 1, MaxPerFan: 2},
		},
	}
}

func create(t *testing.T, pair *engines.Pair, c *catalog.Catalog, event ropeline.Event) (created ropeline.Event, err error) {
	t.Helper()
	err = pgx.BeginFunc(t.Context(), pair.Pool, func(tx pgx.Tx) error {
		created, err = c.Create(t.Context(), tx, event)
		return err
	})
	return created, err
}

func TestEventIsKept(t *testing.T) {
	pair := engines.Test(t)
	c := catalog.New(pair.Pool)
	want, err := create(t, pair, c, night(time.Now().Truncate(time.Microsecond)))
	if err != nil {
		t.Fatal(err)
	}
	got, err := c.Event(t.Context(), want.ID)
	if err != nil {
		t.Fatal(err)
	}
	if got.Name != want.Name || got.Venue != want.Venue || !got.DropAt.Equal(want.DropAt) || len(got.TicketTypes) != 2 ||
		got.TicketTypes[0].Name != "Standing" || got.TicketTypes[1].Price != want.TicketTypes[1].Price {
		t.Errorf("got\n%+v, want\n%+v", got, want)
	}
	if _, err := c.Event(t.Context(), ropeline.NewID[ropeline.EventID]()); err == nil || ropeline.CodeOf(err) != ropeline.CodeEventNotFound {
		t.Errorf("an unknown event: %v", err)
	}
}

func TestInvalidEvents(t *testing.T) {
	pair := engines.Test(t)
	c := catalog.New(pair.Pool)
	for name, change := range map[string]func(*ropeline.Event){
		"no name":                func(e *ropeline.Event) { e.Name = " " },
		"endless name":           func(e *ropeline.Event) { e.Name = strings.Repeat("x", 201) },
		"a zero byte":            func(e *ropeline.Event) { e.Name = "a\x00b" },
		"a name of two lines":    func(e *ropeline.Event) { e.Name = "Evil\r\nBcc: a@b.example" },
		"a venue of two lines":   func(e *ropeline.Event) { e.Venue.Name = "Hall\u2028One" },
		"an address of two":      func(e *ropeline.Event) { e.Venue.Address = "Street\n1" },
		"a city with a tab":      func(e *ropeline.Event) { e.Venue.City = "Vien\tna" },
		"a type with an escape":  func(e *ropeline.Event) { e.TicketTypes[0].Name = "Stand\x1bing" },
		"broken UTF-8":           func(e *ropeline.Event) { e.Description = "a\xff" },
		"no venue":               func(e *ropeline.Event) { e.Venue.Name = "" },
		"no time zone":           func(e *ropeline.Event) { e.Venue.TimeZone = "" },
		"unknown time zone":      func(e *ropeline.Event) { e.Venue.TimeZone = "Mars/Olympus" },
		"no drop":                func(e *ropeline.Event) { e.DropAt = time.Time{} },
		"closes before the drop": func(e *ropeline.Event) { e.ClosesAt = e.DropAt },
		"too far ahead":          func(e *ropeline.Event) { e.ClosesAt = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) },
		"no types":               func(e *ropeline.Event) { e.TicketTypes = nil },
		"negative price":         func(e *ropeline.Event) { e.TicketTypes[0].Price.Minor = -1 },
		"starts in no year": func(e *ropeline.Event) {
			e.StartsAt = time.Date(9999, 12, 31, 23, 0, 0, 0, time.FixedZone("", -14*3600))
		},
		"closes in no year": func(e *ropeline.Event) {
			e.ClosesAt = time.Date(9999, 12, 31, 23, 0, 0, 0, time.FixedZone("", -14*3600))
		},
		"drops before the years": func(e *ropeline.Event) { e.DropAt = time.Date(1, 1, 1, 0, 0, 0, 0, time.FixedZone("", 14*3600)) },
		"no currency":            func(e *ropeline.Event) { e.TicketTypes[0].Price.Currency = "euro" },
		"an unknown currency":    func(e *ropeline.Event) { e.TicketTypes[0].Price.Currency = "ZZZ" },
		"the code for tests":     func(e *ropeline.Event) { e.TicketTypes[0].Price.Currency = "XTS" },
		"two currencies":         func(e *ropeline.Event) { e.TicketTypes[0].Price.Currency = "USD" },
		"negative capacity":      func(e *ropeline.Event) { e.TicketTypes[0].Capacity = -1 },
		"unknown limit across":   func(e *ropeline.Event) { e.LimitAcross = "shoe size" },
		"a window that is none": func(e *ropeline.Event) {
			e.TicketTypes[0].SaleFrom, e.TicketTypes[0].SaleUntil = &e.ClosesAt, &e.DropAt
		},
		"no limit": func(e *ropeline.Event) { e.TicketTypes[0].MaxPerOrder = 0 },
	} {
		event := night(time.Now())
		change(&event)
		if _, err := create(t, pair, c, event); err == nil || ropeline.CodeOf(err) != ropeline.CodeInvalidRequest {
			t.Errorf("%s: %v", name, err)
		}
	}
	if events, err := c.List(t.Context(), catalog.Filter{}, catalog.Cursor{}, 10); err != nil || len(events) != 0 {
		t.Errorf("%d events were kept, %v", len(events), err)
	}
}

func TestListPages(t *testing.T) {
	pair := engines.Test(t)
	c := catalog.New(pair.Pool)
	base := time.Now().Truncate(time.Second)
	for i := range 7 { // some drop at the same moment
		if _, err := create(t, pair, c, night(base.Add(time.Duration(i/2)*time.Hour))); err != nil {
			t.Fatal(err)
		}
	}
	seen := map[ropeline.EventID]bool{}
	var after catalog.Cursor
	for range 10 {
		events, err := c.List(t.Context(), catalog.Filter{}, after, 3)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			if seen[e.ID] || !after.DropAt.IsZero() && e.DropAt.After(after.DropAt) {
				t.Errorf("%s came twice or out of order", e.ID)
			}
			seen[e.ID] = true
			after = catalog.Cursor{DropAt: e.DropAt, ID: e.ID}
		}
		if len(events) < 3 {
			break
		}
	}
	if len(seen) != 7 {
		t.Errorf("the pages hold %d of 7 events", len(seen))
	}
}

func TestLiveEvents(t *testing.T) {
	pair := engines.Test(t)
	c := catalog.New(pair.Pool)
	now := time.Now()
	soon, err := create(t, pair, c, night(now.Add(3*time.Second)))
	if err != nil {
		t.Fatal(err)
	}
	for _, drop := range []time.Time{now.Add(time.Hour), now.Add(-24 * time.Hour)} {
		if _, err := create(t, pair, c, night(drop)); err != nil {
			t.Fatal(err)
		}
	}
	live, err := c.Live(t.Context(), 5*time.Second)
	if err != nil || len(live) != 1 || live[0] != soon.ID {
		t.Errorf("live: %v %v", live, err)
	}
}

// A cached event outlives Postgres for a while; an unknown one says that the
// house is not well, not that there is no such event.
func TestPostgresAway(t *testing.T) {
	pair := engines.Test(t)
	c := catalog.New(pair.Pool)
	event, err := create(t, pair, c, night(time.Now()))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Event(t.Context(), event.ID); err != nil {
		t.Fatal(err)
	}
	pair.Pool.Close()
	deadline := time.Now().Add(1100 * time.Millisecond)
	for time.Now().Before(deadline) {
		if got, err := c.Event(t.Context(), event.ID); err != nil || got.ID != event.ID {
			t.Fatalf("without Postgres: %v", err)
		}
	}
	if _, err := c.Event(t.Context(), ropeline.NewID[ropeline.EventID]()); err == nil || ropeline.CodeOf(err) != ropeline.CodeUnavailable {
		t.Errorf("an event that is not cached: %v", err)
	}
}
