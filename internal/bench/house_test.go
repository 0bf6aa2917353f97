package bench

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/admission"
	"github.com/ropeline/ropeline/internal/app"
	"github.com/ropeline/ropeline/internal/engines"
)

// house is the program under load, on engines that keep what they are told.
type house struct {
	*app.App
	engines *engines.Engines
	address string
}

func openHouse(b *testing.B, change ...func(*app.Config)) *house {
	b.Helper()
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	private, err := engines.Start(b.Context(), engines.Options{DataDir: engines.OpenTempDir(b), Durable: true, Log: log})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { private.Stop(context.Background()) })
	config := app.DefaultConfig()
	config.Listen = "127.0.0.1:0"
	config.DatabaseURL, config.RedisURL = private.DatabaseURL(), private.RedisURL()
	for _, change := range change {
		change(&config)
	}
	a, err := app.Open(b.Context(), config, log)
	if err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	b.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			b.Error(err)
		}
		a.Close()
	})
	u, _ := url.Parse(a.URL())
	return &house{App: a, engines: private, address: u.Host}
}

// event creates an event on sale that admits nobody.
func (h *house) event(b *testing.B, capacity int) ropeline.Event {
	b.Helper()
	rules := admission.DefaultRules()
	rules.Paused = true
	event, err := h.CreateEvent(b.Context(), ropeline.Event{
		Name: "Benchmark", Venue: ropeline.Venue{Name: "Bench", TimeZone: "UTC"},
		StartsAt: time.Now().Add(24 * time.Hour), DropAt: time.Now().Add(-time.Second), ClosesAt: time.Now().Add(time.Hour),
		TicketTypes: []ropeline.TicketType{{Name: "Seat", Price: ropeline.Money{Minor: 1000, Currency: "EUR"}, Capacity: capacity, MaxPerOrder: 4, MaxPerFan: 4}},
	}, rules, "bench")
	if err != nil {
		b.Fatal(err)
	}
	return event
}

// redis is a client of the same Redis for a reference.
func (h *house) redis(b *testing.B) *redis.Client {
	b.Helper()
	options, err := redis.ParseURL(h.engines.RedisURL())
	if err != nil {
		b.Fatal(err)
	}
	client := redis.NewClient(options)
	b.Cleanup(func() { client.Close() })
	return client
}

// serve runs a reference on plain net/http and returns its address.
func serve(b *testing.B, handler http.HandlerFunc) string {
	b.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	server := &http.Server{Handler: handler}
	go server.Serve(listener)
	b.Cleanup(func() { server.Close() })
	return listener.Addr().String()
}
