package web_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/admission"
	"github.com/ropeline/ropeline/catalog"
	"github.com/ropeline/ropeline/checkout"
	"github.com/ropeline/ropeline/checkout/payment/sandbox"
	"github.com/ropeline/ropeline/identity"
	"github.com/ropeline/ropeline/internal/engines"
	"github.com/ropeline/ropeline/internal/keyring"
	"github.com/ropeline/ropeline/internal/redisdb"
	"github.com/ropeline/ropeline/notify"
	"github.com/ropeline/ropeline/queue"
	"github.com/ropeline/ropeline/web"
)

// house is the web server over real engines. The clerk is woken in this
// process; nobody ticks unless the test does.
type house struct {
	*engines.Pair
	url       string
	run       func(func(context.Context) error) // until the end of the test
	stop      func()                            // ends what runs, as at the end of the test
	server    *web.Server
	admission *admission.Admission
	checkout  *checkout.Checkout
	accounts  *identity.Accounts
	fans      *identity.Fans
	line      *queue.Line

	mails chan letter
}

// letter is a mail that would have been sent.
type letter struct {
	kind, to string
	data     map[string]string
}

func (h *house) mail(_ context.Context, kind, to string, data map[string]string) error {
	h.mails <- letter{kind, to, data}
	return nil
}

func openHouse(t *testing.T, change ...func(*web.Options)) *house {
	t.Helper()
	return openHouseOn(t, engines.Test(t), change...)
}

func openHouseOn(t *testing.T, pair *engines.Pair, change ...func(*web.Options)) *house {
	t.Helper()
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	redis, err := redisdb.Open(t.Context(), pair.RedisURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { redis.Close() })
	keys, err := keyring.Load(t.Context(), pair.Pool)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	var parts sync.WaitGroup

	h := &house{Pair: pair, stop: stop, mails: make(chan letter, 100)}
	h.run = func(part func(context.Context) error) { parts.Go(func() { part(ctx) }) }
	gateway := sandbox.New(pair.Pool, keys, sandbox.Options{})
	h.line = queue.New(redis, pair.Pool, keys, log)
	h.admission = admission.New(redis, pair.Pool, keys, h.line, log)
	h.fans = identity.NewFans(keys)
	h.accounts = identity.NewAccounts(pair.Pool, keys, identity.Options{Memory: 64, Mail: h.mail, Adopt: checkout.Adopt, PublicURL: "http://127.0.0.1"})
	h.checkout = checkout.New(redis, pair.Pool, keys, gateway, log, checkout.Options{
		Record: web.RecordNotes,
		Wake: func(_ context.Context, event ropeline.EventID, _ int64) error {
			parts.Go(func() {
				if err := h.checkout.Serve(ctx, event, func(checkout.Batch) {}); err != nil && ctx.Err() == nil {
					t.Errorf("the clerk: %v", err)
				}
			})
			return nil
		},
	})
	options := web.Options{
		PublicURL: "http://127.0.0.1", Pool: pair.Pool, Redis: redis, Catalog: catalog.New(pair.Pool), Line: h.line,
		Admission: h.admission, Checkout: h.checkout, Sandbox: gateway, Fans: h.fans, Accounts: h.accounts, Keys: keys,
		Metrics: prometheus.NewRegistry(), Log: log, Inspector: asynq.NewInspector(redis.Asynq()),
		Notify: notify.New(pair.Pool, log, notify.Options{Senders: map[notify.Channel]notify.Sender{notify.Email: notify.NewLog(log)}}),
	}
	t.Cleanup(func() { options.Inspector.Close() })
	for _, change := range change {
		change(&options)
	}
	h.server, err = web.New(options)
	if err != nil {
		t.Fatal(err)
	}
	for _, run := range []func(context.Context) error{h.line.Run, h.checkout.Run, h.server.Run} {
		parts.Go(func() { run(ctx) })
	}
	listener := httptest.NewServer(contract(t, h.server.Handler()))
	h.url = listener.URL
	t.Cleanup(func() {
		stop()
		listener.Close()
		parts.Wait()
		http.DefaultClient.CloseIdleConnections()
	})
	return h
}

// event creates an event on sale that admits ten fans at once.
func (h *house) event(t *testing.T, change func(*ropeline.Event, *admission.Rules)) ropeline.Event {
	t.Helper()
	event := ropeline.Event{
		Name: "Test Night", Venue: ropeline.Venue{Name: "Hall", City: "Vienna", TimeZone: "Europe/Vienna"},
		StartsAt: time.Now().Add(48 * time.Hour), DropAt: time.Now().Add(-time.Second), ClosesAt: time.Now().Add(time.Hour),
		TicketTypes: []ropeline.TicketType{
			{Name: "Standing", Price: ropeline.Money{Minor: 4500, Currency: "EUR"}, Capacity: 10, MaxPerOrder: 4, MaxPerFan: 4},
		},
	}
	rules := admission.DefaultRules()
	rules.RatePerMinute, rules.Burst, rules.MaxShoppers, rules.StockGate = 600, 10, 10, false
	if change != nil {
		change(&event, &rules)
	}
	err := pgx.BeginFunc(t.Context(), h.Pool, func(tx pgx.Tx) (err error) {
		event, err = h.server.CreateEvent(t.Context(), tx, event, rules, queue.Plan{}, "test")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return event
}

// answer is a response, read whole.
type answer struct {
	status int
	header http.Header
	body   string
}

func (a answer) code(t *testing.T) string {
	t.Helper()
	var p struct {
		Code string `json:"code"`
	}
	if err := json.Unmarshal([]byte(a.body), &p); err != nil {
		t.Fatalf("not a problem: %d %s", a.status, a.body)
	}
	return p.Code
}

func decode[T any](t *testing.T, a answer, want int) T {
	t.Helper()
	var v T
	if a.status != want {
		t.Fatalf("status %d (want %d): %s", a.status, want, a.body)
	}
	if err := json.Unmarshal([]byte(a.body), &v); err != nil {
		t.Fatalf("%v: %s", err, a.body)
	}
	return v
}

// ask sends a request; headers are "Name: value".
func (h *house) ask(t *testing.T, method, path, body string, headers ...string) answer {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, h.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ": ")
		request.Header.Set(name, value)
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, Timeout: 20 * time.Second}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{response.StatusCode, response.Header, string(content)}
}

// fan is somebody with an identity, a place and what came of it.
type fan struct {
	h       *house
	event   ropeline.EventID
	token   string
	status  ropeline.Status
	shopper string
}

func (h *house) join(t *testing.T, event ropeline.EventID) *fan {
	t.Helper()
	status := decode[ropeline.Status](t, h.ask(t, "POST", "/events/"+string(event)+"/queue", ""), http.StatusCreated)
	return &fan{h: h, event: event, token: status.FanToken, status: status}
}

func (f *fan) ask(t *testing.T, method, path, body string, headers ...string) answer {
	t.Helper()
	own := []string{"Authorization: Bearer " + f.token, "Ropeline-Place: " + f.status.Place}
	if f.shopper != "" {
		own = append(own, "Ropeline-Shopper: "+f.shopper)
	}
	return f.h.ask(t, method, path, body, append(own, headers...)...) // later ones win
}

// enter waits for the pass, which the test's tick gives, and redeems it.
func (f *fan) enter(t *testing.T) *fan {
	t.Helper()
	path := "/events/" + string(f.event)
	if _, err := f.h.admission.Tick(t.Context(), f.event); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a pass", func() bool {
		f.status.Standing = ""
		status := decode[ropeline.Status](t, f.ask(t, "GET", path+"/queue", ""), http.StatusOK)
		status.Place = f.status.Place
		f.status = status
		return status.Pass != ""
	})
	entered := decode[struct {
		Shopper string `json:"shopper"`
	}](t, f.ask(t, "POST", path+"/enter", `{"pass":"`+f.status.Pass+`"}`), http.StatusOK)
	f.shopper = entered.Shopper
	return f
}

func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for !done() {
		if time.Now().After(deadline) {
			t.Fatalf("never came: %s", what)
		}
		<-ticker.C
	}
}
