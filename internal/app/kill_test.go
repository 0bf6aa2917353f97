package app

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strconv"
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

// TestWorkerKilled kills with SIGKILL, at random moments of a sale, the worker
// whose clerk serves; another worker is there, and a new one comes
// for the dead. Each time reservations go on within 5 s, and nothing is sold
// twice. ROPELINE_KILLS says how many times, ROPELINE_SEED when.
func TestWorkerKilled(t *testing.T) {
	kills, seed := fromEnv(t, "ROPELINE_KILLS", 2), fromEnv(t, "ROPELINE_SEED", 1)
	pair := engines.Test(t)
	app := openTest(t, pair, func(c *Config) { c.Roles = "web" })
	event := oneEach(t, app, 50_000*(kills+1))
	workers := map[string]*exec.Cmd{}
	worker := func() {
		name := fmt.Sprintf("worker%d", len(workers)+1) // as Postgres knows it
		workers[name] = startChild(t, "serve", "--roles", "worker", "--public-url", app.URL(), "--log-level", "error",
			"--database-url", pair.DatabaseURL+"&application_name="+url.QueryEscape(name), "--redis-url", pair.RedisURL)
	}
	worker()
	worker()
	sale := startRush(t, app, event, 16)
	sale.more(50)
	sale.longest.Store(0) // the start of the workers is no interruption
	dice := rand.New(rand.NewPCG(uint64(seed), 0))
	for i := range kills {
		sale.more(50)
		select { // the moment is random, whatever happens then
		case <-time.After(time.Duration(dice.Int64N(int64(time.Second)))):
		case <-t.Context().Done():
		}
		name := busiest(t, pair)
		before := sale.longest.Swap(0)
		workers[name].Process.Kill()
		workers[name].Wait()
		worker()
		sale.more(50)
		silence := sale.longest.Load()
		t.Logf("kill %d, of %s: silence of %s", i+1, name, time.Duration(silence).Round(time.Millisecond))
		sale.longest.Store(max(before, silence))
	}
	sale.stop(5 * time.Second)
}

// busiest is the worker whose clerk serves: of nine looks, the one that was most
// often the last to commit. The other one commits too, but ten times a second.
func busiest(t *testing.T, pair *engines.Pair) (name string) {
	t.Helper()
	seen := map[string]int{}
	looks := 0
	eventually(t, 20*time.Second, "the clerk is seen", func() bool {
		var last string
		err := pair.Pool.QueryRow(t.Context(), `
			select coalesce((select application_name from pg_stat_activity
			where datname = current_database() and application_name like 'worker%' and query = 'commit' order by state_change desc limit 1), '')`).Scan(&last)
		if err != nil {
			t.Error(err)
			return true
		}
		if last == "" { // at work, it has begun again
			return false
		}
		if seen[last]++; seen[last] > seen[name] {
			name = last
		}
		looks++
		return looks == 9
	})
	return name
}

// fromEnv is a number that a longer run of a test sets.
func fromEnv(t *testing.T, name string, without int) int {
	text := os.Getenv(name)
	if text == "" {
		return without
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("%s=%q: want a number from 1", name, text)
	}
	return n
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
