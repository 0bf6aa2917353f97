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

// TestWorkerKilled kills each of two workers with SIGKILL in the middle of a
// sale, so that at least once it is the one that holds the clerk's lease:
// reservations go on within 5 s, and nothing is sold twice.
func TestWorkerKilled(t *testing.T) {
	const stock, shoppers, resumed = 5_000, 16, 5 * time.Second
	pair := engines.Test(t)
	app := openTest(t, pair, func(c *Config) { c.Roles = "web" })
	event := testEvent(stock)
	event.TicketTypes[0].MaxPerFan, event.TicketTypes[0].MaxPerOrder = 1, 1
	event, err := app.CreateEvent(t.Context(), event, testRules(), "test")
	if err != nil {
		t.Fatal(err)
	}
	worker := func() *exec.Cmd {
		return startChild(t, "serve", "--roles", "worker", "--public-url", app.URL(), "--log-level", "error",
			"--database-url", pair.DatabaseURL, "--redis-url", pair.RedisURL)
	}
	first, second := worker(), worker()

	var (
		fans, last, longest, held atomic.Int64
		end                       = make(chan struct{})
		buying                    sync.WaitGroup
		client                    = &http.Client{Timeout: 15 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: shoppers}}
	)
	t.Cleanup(client.CloseIdleConnections)
	heard := func() {
		now := time.Now().UnixNano()
		before := last.Swap(now)
		for gap := now - before; before > 0; {
			old := longest.Load()
			if gap <= old || longest.CompareAndSwap(old, gap) {
				return
			}
		}
	}
	for range shoppers {
		buying.Go(func() {
			for {
				select {
				case <-end:
					return
				default:
				}
				if reserveOne(t, app, client, event, fans.Add(1)) {
					held.Add(1)
					heard()
				}
			}
		})
	}
	sold := func(n int64) {
		t.Helper()
		target := held.Load() + n
		eventually(t, 20*time.Second, fmt.Sprintf("%d more reservations", n), func() bool { return held.Load() >= target })
	}
	sold(50)
	longest.Store(0) // the start of the workers is no interruption
	first.Process.Kill()
	first.Wait()
	sold(50)
	worker()
	sold(50)
	second.Process.Kill()
	second.Wait()
	sold(50)
	close(end)
	buying.Wait()

	t.Logf("%d reservations; the longest silence was %s", held.Load(), time.Duration(longest.Load()).Round(time.Millisecond))
	if silence := time.Duration(longest.Load()); silence > resumed {
		t.Errorf("reservations stood still for %s", silence)
	}
	violations, err := checkout.Audit(t.Context(), app.Pool(), event.ID)
	if err != nil || len(violations) > 0 {
		t.Errorf("audit: %v %v", violations, err)
	}
	var inStock int64
	if err := app.Pool().QueryRow(t.Context(), "select held from stock where event_id = $1", event.ID).Scan(&inStock); err != nil || inStock != held.Load() {
		t.Errorf("%d tickets are held, fans were told of %d; %v", inStock, held.Load(), err)
	}
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
		case http.StatusAccepted, http.StatusServiceUnavailable:
		default:
			t.Errorf("%d: %s", response.StatusCode, content)
			return false
		}
	}
	t.Error("a reservation was never answered")
	return false
}
