package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/admission"
	"github.com/ropeline/ropeline/catalog"
	"github.com/ropeline/ropeline/identity"
	"github.com/ropeline/ropeline/loadtest/crowd"
)

const (
	demoHold     = 90 * time.Second // so that a person sees a hold run out
	demoLead     = 30 * time.Second // from the seeding to the drop
	demoPause    = 60 * time.Second // between a sold-out drop and the next one
	demoTickets  = 240
	demoRate     = 60 // admissions per minute
	demoShoppers = 60
	demoLife     = 24 * time.Hour // of an event's sale
)

// demo shows the product alive: all roles, an event whose drop is near, and a
// crowd of synthetic fans over the real API.
func demo(ctx context.Context, c Config, fans bool, stdout, stderr io.Writer) (err error) {
	if c.LogLevel == "info" {
		c.LogLevel = "warn" // the terminal belongs to the few lines below
	}
	log := newLog(c, stderr)
	c.Roles = DefaultConfig().Roles
	if c.Hold == DefaultConfig().Hold {
		c.Hold = demoHold
	}
	shown := c
	shown.LogLevel = "info" // messages to fans are worth a line each
	mails := newLog(shown, stderr)
	app, err := open(ctx, c, log, mails)
	if errors.Is(err, syscall.EADDRINUSE) {
		fmt.Fprintf(stdout, "%s is taken; using a free port instead.\n", c.Listen)
		host, _, _ := net.SplitHostPort(c.Listen)
		c.Listen = net.JoinHostPort(host, "0")
		app, err = open(ctx, c, log, mails)
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, app.Close()) }()
	app.demo = true

	event, err := app.demoEvent(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "\nropeline is running.\n\n  fans         %s/events/%s\n  organizers   %s/admin\n  stop         Ctrl-C (the data is kept)\n\n",
		app.URL(), event.ID, app.URL())
	if left := time.Until(event.DropAt); left > 0 {
		fmt.Fprintf(stdout, "The lobby of %q is open; the draw is in %d seconds.\n", event.Name, int(left.Seconds()))
	} else {
		fmt.Fprintf(stdout, "The drop of %q goes on.\n", event.Name)
	}
	if err := app.announceOwner(ctx, stdout); err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return app.Run(ctx) })
	g.Go(func() error {
		if err := app.drops(ctx, event, fans, stdout); ctx.Err() == nil {
			return err
		}
		return nil
	})
	return g.Wait()
}

func printOwner(w io.Writer, password string) {
	fmt.Fprintf(w, "Organizer's sign-in, shown this once: %s  %s\n(ropeline reset-owner makes a new one.)\n", identity.OwnerEmail, password)
}

// drops sends the crowd to one drop after another, forever.
func (a *App) drops(ctx context.Context, event ropeline.Event, fans bool, stdout io.Writer) error {
	for ctx.Err() == nil {
		if err := a.untilSoldOut(ctx, event, fans); err != nil {
			return err
		}
		var err error
		if event, err = a.seedEvent(ctx, demoPause); err != nil {
			return err
		}
		fmt.Fprintf(stdout, "Sold out. The next draw is in %d seconds: %s/events/%s\n", int(demoPause.Seconds()), a.URL(), event.ID)
	}
	return nil
}

// untilSoldOut keeps the crowd around until the event is sold out.
func (a *App) untilSoldOut(parent context.Context, event ropeline.Event, fans bool) error {
	ctx, cancel := context.WithCancel(parent)
	defer cancel()
	var g errgroup.Group
	if fans {
		g.Go(func() error {
			err := crowd.Demo(ctx, a.URL(), event.ID, a.log)
			if ctx.Err() != nil {
				return nil
			}
			return err
		})
	}
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for parent.Err() == nil {
		select {
		case <-parent.Done():
		case <-ticker.C:
			stock, err := a.Checkout.Available(ctx, event.ID)
			if err == nil && (stock.SoldOut() || !time.Now().Before(event.ClosesAt)) {
				cancel()
				return g.Wait()
			}
		}
	}
	return g.Wait()
}

// demoEvent is the newest event when it still sells, else a new one.
func (a *App) demoEvent(ctx context.Context) (ropeline.Event, error) {
	events, err := a.Catalog.List(ctx, catalog.Filter{}, catalog.Cursor{}, 1)
	if err != nil {
		return ropeline.Event{}, err
	}
	if len(events) == 1 && time.Until(events[0].DropAt) < time.Hour {
		stock, err := a.Checkout.Available(ctx, events[0].ID)
		if err != nil {
			return ropeline.Event{}, err
		}
		switch events[0].PhaseAt(time.Now(), stock.SoldOut()) {
		case ropeline.PhaseAnnounced, ropeline.PhaseLobby, ropeline.PhaseDrop, ropeline.PhaseOnSale:
			return events[0], nil
		}
	}
	return a.seedEvent(ctx, demoLead)
}

func (a *App) seedEvent(ctx context.Context, lead time.Duration) (ropeline.Event, error) {
	lobby := time.Now()
	drop := lobby.Add(lead).Truncate(time.Second)
	rules := admission.DefaultRules()
	rules.RatePerMinute, rules.Burst, rules.MaxShoppers = demoRate, 5, demoShoppers
	rules.ShowUp, rules.Shop = 45*time.Second, 3*time.Minute
	return a.CreateEvent(ctx, ropeline.Event{
		Name:        "The Tightrope Sessions",
		Description: "An evening of songs without a net. A demonstration: the crowd in the line is synthetic, the line is real.",
		Venue:       ropeline.Venue{Name: "Old Rope Walk", Address: "1 Hemp Lane", City: "Vienna", TimeZone: "Europe/Vienna"},
		StartsAt:    drop.AddDate(0, 2, 0), LobbyAt: &lobby, DropAt: drop, ClosesAt: drop.Add(demoLife),
		TicketTypes: []ropeline.TicketType{
			{Name: "Standing", Price: ropeline.Money{Minor: 4500, Currency: "EUR"}, Capacity: demoTickets * 3 / 4, MaxPerOrder: 4, MaxPerFan: 4},
			{Name: "Balcony", Price: ropeline.Money{Minor: 7200, Currency: "EUR"}, Capacity: demoTickets / 4, MaxPerOrder: 2, MaxPerFan: 2},
		},
	}, rules, "demo")
}
