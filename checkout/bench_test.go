package checkout

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/internal/engines"
	"github.com/ropeline/ropeline/migrations"
)

const benchCallers = 256

// durableHouse runs on engines that fsync each commit: what is measured is
// what a sale costs.
func durableHouse(b *testing.B, asleep bool) *house {
	b.Helper()
	e, err := engines.Start(context.Background(), engines.Options{DataDir: engines.OpenTempDir(b), Durable: true})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := e.Stop(context.Background()); err != nil {
			b.Error(err)
		}
	})
	must(b, migrations.Apply(b.Context(), e.DatabaseURL()))
	pool, err := pgxpool.New(b.Context(), e.DatabaseURL())
	must(b, err)
	b.Cleanup(pool.Close)
	pair := &engines.Pair{Pool: pool, DatabaseURL: e.DatabaseURL(), RedisURL: e.RedisURL()}
	return houseOver(b, pair, pair.RedisURL, Options{}, asleep)
}

// crowd runs b.N calls from many callers and reports the rate and the 99th
// percentile.
func crowd(b *testing.B, call func(n int64) error) {
	var next atomic.Int64
	var all sync.WaitGroup
	times := make([]time.Duration, b.N)
	b.ResetTimer()
	for range benchCallers {
		all.Go(func() {
			for {
				n := next.Add(1) - 1
				if n >= int64(b.N) {
					return
				}
				begin := time.Now()
				if err := call(n); err != nil {
					b.Error(err)
					return
				}
				times[n] = time.Since(begin)
			}
		})
	}
	all.Wait()
	b.StopTimer()
	slices.Sort(times)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "reservations/s")
	b.ReportMetric(float64(times[len(times)*99/100].Microseconds())/1000, "p99-ms")
}

// Reservations of one event through the mailbox and the clerk, over HTTP.
func BenchmarkReserveHTTP(b *testing.B) {
	h := durableHouse(b, false)
	e := h.event(kind{b.N, 1, 1, 100})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		var body struct {
			Items []ropeline.Item `json:"items"`
		}
		if err := json.NewDecoder(q.Body).Decode(&body); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		r, err := h.Reserve(q.Context(), Request{Event: e.ID, Fan: ropeline.FanID(q.Header.Get("Fan")), PassID: "p", Items: body.Items, Key: q.Header.Get("Idempotency-Key")}, 10*time.Second)
		if err != nil || r.State != ReservationHeld {
			http.Error(w, string(r.State), http.StatusConflict)
			return
		}
		w.WriteHeader(http.StatusCreated)
		json.NewEncoder(w).Encode(map[string]any{"id": r.ID, "state": r.State})
	}))
	defer server.Close()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: benchCallers}}
	defer client.CloseIdleConnections()
	body := `{"items":[{"ticket_type":"` + string(e.TicketTypes[0].ID) + `","quantity":1}]}`
	crowd(b, func(n int64) error {
		q, err := http.NewRequest(http.MethodPost, server.URL, strings.NewReader(body))
		if err != nil {
			return err
		}
		q.Header.Set("Fan", string(fan()))
		q.Header.Set("Idempotency-Key", strconv.FormatInt(n, 10))
		answer, err := client.Do(q)
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		if err == nil && answer.StatusCode != http.StatusCreated {
			b.Fatalf("%d %s", answer.StatusCode, text)
		}
		return err
	})
	h.audit(e)
}

// The same without HTTP.
func BenchmarkReserve(b *testing.B) {
	h := durableHouse(b, false)
	e := h.event(kind{b.N, 1, 1, 100})
	crowd(b, func(n int64) error {
		r, err := h.Reserve(context.Background(), ask(e, fan(), 1), 10*time.Second)
		if err == nil && r.State != ReservationHeld {
			b.Errorf("%+v", r)
		}
		return err
	})
	h.audit(e)
}

// The reference: one transaction with SELECT … FOR UPDATE per reservation.
func BenchmarkReservePlainSQL(b *testing.B) {
	h := durableHouse(b, true)
	e := h.event(kind{b.N, 1, 1, 100})
	kind := e.TicketTypes[0].ID
	crowd(b, func(n int64) error {
		ctx, f := context.Background(), fan()
		return pgx.BeginFunc(ctx, h.pair.Pool, func(tx pgx.Tx) error {
			var left int
			if err := tx.QueryRow(ctx, "select capacity - held - sold from stock where ticket_type_id = $1 for update", kind).Scan(&left); err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, "update stock set held = held + 1 where ticket_type_id = $1", kind); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, `
				insert into reservations (id, event_id, fan_id, pass_id, request_hash, state, items, deadline)
				values ($1, $2, $3, 'p', '\x00', 'held', $4, now() + interval '10 minutes')`,
				string(e.ID)+"-"+string(f), e.ID, f, encodeItems([]ReservedItem{{TicketType: kind, Quantity: 1, UnitMinor: 100, Currency: "EUR"}}))
			return err
		})
	})
}
