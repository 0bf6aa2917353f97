package app

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/admission"
	"github.com/ropeline/ropeline/checkout"
	"github.com/ropeline/ropeline/internal/engines"
)

// startChild runs the program as a process of its own, which dies with the test.
func startChild(t *testing.T, arguments ...string) *exec.Cmd {
	t.Helper()
	child := exec.Command(os.Args[0], arguments...)
	child.Env = append(os.Environ(), childVariable+"=1")
	child.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		child.Process.Kill()
		child.Wait()
	})
	return child
}

// rush is a crowd of admitted fans who reserve one ticket each, as fast as
// they are answered.
type rush struct {
	t       *testing.T
	app     *App
	event   ropeline.Event
	client  *http.Client
	fans    atomic.Int64
	held    atomic.Int64
	last    atomic.Int64 // Unix nanoseconds of the last answer
	longest atomic.Int64 // nanoseconds between two answers
	end     chan struct{}
	buying  sync.WaitGroup
}

func startRush(t *testing.T, app *App, event ropeline.Event, fans int) *rush {
	t.Helper()
	r := &rush{t: t, app: app, event: event, end: make(chan struct{}),
		client: &http.Client{Timeout: 15 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: fans}}}
	t.Cleanup(r.client.CloseIdleConnections)
	for range fans {
		r.buying.Go(func() {
			for {
				select {
				case <-r.end:
					return
				default:
				}
				if reserveOne(t, app, r.client, event, r.fans.Add(1)) {
					r.held.Add(1)
					r.heard()
				}
			}
		})
	}
	return r
}

// heard keeps the longest silence.
func (r *rush) heard() {
	now := time.Now().UnixNano()
	before := r.last.Swap(now)
	for gap := now - before; before > 0; {
		old := r.longest.Load()
		if gap <= old || r.longest.CompareAndSwap(old, gap) {
			return
		}
	}
}

// more waits for so many further reservations.
func (r *rush) more(n int64) {
	r.t.Helper()
	target := r.held.Load() + n
	eventually(r.t, 20*time.Second, fmt.Sprintf("%d more reservations", n), func() bool { return r.held.Load() >= target })
}

// stop ends the rush and compares what the fans were told with Postgres.
func (r *rush) stop(mostSilence time.Duration) {
	r.t.Helper()
	close(r.end)
	r.buying.Wait()
	silence := time.Duration(r.longest.Load())
	r.t.Logf("%d reservations; the longest silence was %s", r.held.Load(), silence.Round(time.Millisecond))
	if silence > mostSilence {
		r.t.Errorf("reservations stood still for %s", silence)
	}
	violations, err := checkout.Audit(r.t.Context(), r.app.Pool(), r.event.ID)
	if err != nil || len(violations) > 0 {
		r.t.Errorf("audit: %v %v", violations, err)
	}
	var inStock int64
	err = r.app.Pool().QueryRow(r.t.Context(), "select held from stock where event_id = $1", r.event.ID).Scan(&inStock)
	if err != nil || inStock != r.held.Load() {
		r.t.Errorf("%d tickets are held, fans were told of %d; %v", inStock, r.held.Load(), err)
	}
}

// oneEach is an event of which every fan may have one ticket.
func oneEach(t *testing.T, app *App, stock int) ropeline.Event {
	t.Helper()
	event := testEvent(stock)
	event.TicketTypes[0].MaxPerFan, event.TicketTypes[0].MaxPerOrder = 1, 1
	event, err := app.CreateEvent(t.Context(), event, testRules(), "test")
	if err != nil {
		t.Fatal(err)
	}
	return event
}

// TestWorkerKilled kills each of two workers with SIGKILL in the middle of a
// sale, so that at least once it is the one that holds the clerk's lease:
// reservations go on within 5 s, and nothing is sold twice.
func TestWorkerKilled(t *testing.T) {
	pair := engines.Test(t)
	app := openTest(t, pair, func(c *Config) { c.Roles = "web" })
	event := oneEach(t, app, 5_000)
	worker := func() *exec.Cmd {
		return startChild(t, "serve", "--roles", "worker", "--public-url", app.URL(), "--log-level", "error",
			"--database-url", pair.DatabaseURL, "--redis-url", pair.RedisURL)
	}
	first, second := worker(), worker()
	sale := startRush(t, app, event, 16)
	sale.more(50)
	sale.longest.Store(0) // the start of the workers is no interruption
	first.Process.Kill()
	first.Wait()
	sale.more(50)
	worker()
	sale.more(50)
	second.Process.Kill()
	second.Wait()
	sale.more(50)
	sale.stop(5 * time.Second)
}

// TestPostgresConnectionsCut ends all connections to Postgres, as its restart
// does, again and again in the middle of a sale: no reservation that a fan was
// told of is lost, none is there twice.
func TestPostgresConnectionsCut(t *testing.T) {
	pair := engines.Test(t)
	app := openTest(t, pair, func(c *Config) { c.LogLevel = "error" })
	event := oneEach(t, app, 50_000)
	sale := startRush(t, app, event, 16)
	for range 5 {
		sale.more(100)
		if _, err := pair.Pool.Exec(t.Context(), `
			select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()`); err != nil {
			t.Fatal(err)
		}
	}
	sale.more(100)
	sale.stop(10 * time.Second)
}

// reserveOne reserves a ticket for a new admitted fan and stays with the same
// request until it is answered.
func reserveOne(t *testing.T, app *App, client *http.Client, event ropeline.Event, number int64) bool {
	fan, token := app.Fans.Mint()
	shopper := app.Admission.ShopperToken(admission.Shopper{
		Event: event.ID, Fan: fan, Epoch: 1, Number: number, AdmittedAt: time.Now(), ShopUntil: time.Now().Add(time.Hour),
	})
	body := `{"items":[{"ticket_type":"` + string(event.TicketTypes[0].ID) + `","quantity":1}]}`
	for range 5 {
		request, err := http.NewRequest(http.MethodPost, app.URL()+"/events/"+string(event.ID)+"/reserve-tickets", strings.NewReader(body))
		if err != nil {
			t.Error(err)
			return false
		}
		request.Header.Set("Authorization", "Bearer "+token)
		request.Header.Set("Ropeline-Shopper", shopper)
		request.Header.Set("Prefer", "wait=10")
		request.Header.Set("Idempotency-Key", "the only one")
		response, err := client.Do(request)
		if err != nil {
			continue
		}
		content, _ := io.ReadAll(response.Body)
		response.Body.Close()
		switch response.StatusCode {
		case http.StatusCreated:
			return true
		case http.StatusAccepted:
		case http.StatusServiceUnavailable:
			select { // as Retry-After asks
			case <-time.After(time.Second):
			case <-t.Context().Done():
				return false
			}
		default:
			t.Errorf("%d: %s", response.StatusCode, content)
			return false
		}
	}
	t.Error("a reservation was never answered")
	return false
}
