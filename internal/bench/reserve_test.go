package bench

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/admission"
	"github.com/ropeline/ropeline/checkout"
)

// BenchmarkReserve compares reserving one ticket on one event, HTTP in to
// answer out, durable, at 128 connections, with one transaction with SELECT …
// FOR UPDATE per reservation in plain pgx, without HTTP, on the same Postgres
// by as many goroutines over as many connections as the program has. Every
// round sells the whole stock of a new event, and fails when it is not exactly
// sold.
func BenchmarkReserve(b *testing.B) {
	const connections, n, reference = 128, 50_000, 3_000
	h := openHouse(b)
	figures := rounds{}
	for b.Loop() {
		plain := plainReservations(b, h, connections, reference)
		event := h.event(b, n)
		requests := reservations(h, event, n)
		rate, p99 := load(b, h.address, connections, n, http.StatusCreated, func(i int) []byte { return requests[i] })
		held := heldTickets(b, h, event.ID)
		if held != n {
			b.Fatalf("%d of %d tickets are held", held, n)
		}
		if violations, err := checkout.Audit(b.Context(), h.Pool(), event.ID); err != nil || len(violations) > 0 {
			b.Fatalf("audit: %v %v", violations, err)
		}
		figures.add("reservations/s", rate)
		figures.add("p99-ms", float64(p99.Microseconds())/1000)
		figures.add("plain-sql/s", plain)
		figures.add("x-plain-sql", rate/plain)
	}
	figures.report(b)
}

// BenchmarkReserveEvents compares reserving on 20 events at once with reserving
// on one, as in BenchmarkReserve, in turns: with 128 connections for each event, as
// the one event has, and with the 128 shared by all. By the clock, and by the
// processor time of the program, Redis and Postgres together.
func BenchmarkReserveEvents(b *testing.B) {
	const n, many, connections = 20_000, 20, 128
	h := openHouse(b)
	client := h.redis(b)
	figures := rounds{}
	h.sell(b, client, 1, connections, n) // plans, connections and tables are made by whoever comes first
	for round := 0; b.Loop(); round++ {
		one, each := inTurns(round,
			func() sale { return h.sell(b, client, 1, connections, n) },
			func() sale { return h.sell(b, client, many, many*connections, 2*n) })
		shared := h.sell(b, client, many, connections, n)
		figures.addSale("one-event", one)
		figures.addSale("20-events", each)
		figures.addSale("20-events-shared", shared)
		figures.add("x-one-event", each.rate/one.rate)
		figures.add("x-one-event-by-cpu", float64(one.cpu())/float64(each.cpu()))
		figures.add("x-one-event-shared", shared.rate/one.rate)
		figures.add("x-one-event-shared-by-cpu", float64(one.cpu())/float64(shared.cpu()))
	}
	figures.report(b)
}

// sale is what came of selling something.
type sale struct {
	rate    float64
	p99     time.Duration
	spent   processes // on a reservation
	commits float64   // of Postgres, a reservation
}

// sell holds n tickets for as many fans, at new events by turns, and insists that exactly those are held and the books are right.
func (h *house) sell(b *testing.B, client *redis.Client, events, connections, n int) (m sale) {
	b.Helper()
	all := make([][][]byte, events)
	ids := make([]ropeline.EventID, events)
	for i := range all {
		event := h.event(b, n/events)
		all[i], ids[i] = reservations(h, event, n/events), event.ID
	}
	before, commits := h.processes(b, client), h.commits(b)
	m.rate, m.p99 = load(b, h.address, connections, n, http.StatusCreated, func(i int) []byte { return all[i%events][i/events] })
	m.spent = h.processes(b, client).since(before, n)
	m.commits = float64(h.commits(b)-commits) / float64(n)
	for _, id := range ids {
		if held := heldTickets(b, h, id); held != n/events {
			b.Fatalf("%d of %d tickets are held", held, n/events)
		}
		if violations, err := checkout.Audit(b.Context(), h.Pool(), id); err != nil || len(violations) > 0 {
			b.Fatalf("audit: %v %v", violations, err)
		}
	}
	return m
}

// cpu is all processor time of a reservation but the load's.
func (s sale) cpu() time.Duration { return s.spent.program + s.spent.postgres + s.spent.redis }

func (r rounds) addSale(name string, s sale) {
	r.add(name+"/s", s.rate)
	r.add(name+"-p99-ms", float64(s.p99.Microseconds())/1000)
	r.addProcesses(name+"-", s.spent, "-cpu-µs")
	r.add(name+"-commits", s.commits)
}

// inTurns measures two things, one after the other; in each second round the
// other one comes first, so that neither always meets fuller tables.
func inTurns[T any](round int, first, second func() T) (a, b T) {
	if round%2 == 0 {
		a = first()
		return a, second()
	}
	b = second()
	return first(), b
}

// reservations are requests of so many admitted fans for one ticket each.
func reservations(h *house, event ropeline.Event, n int) [][]byte {
	body := `{"items":[{"ticket_type":"` + string(event.TicketTypes[0].ID) + `","quantity":1}]}`
	requests := make([][]byte, n)
	for i := range requests {
		fan, token := h.Fans.Mint()
		shopper := h.Admission.ShopperToken(admission.Shopper{
			Event: event.ID, Fan: fan, Epoch: 1, Number: int64(i), AdmittedAt: time.Now(), ShopUntil: time.Now().Add(time.Hour),
		})
		requests[i] = postJSON("/events/"+string(event.ID)+"/reserve-tickets", h.address,
			"Authorization: Bearer "+token+"\r\nRopeline-Shopper: "+shopper+"\r\nPrefer: wait=10\r\nIdempotency-Key: k\r\n", body)
	}
	return requests
}

func heldTickets(b *testing.B, h *house, event ropeline.EventID) (held int) {
	b.Helper()
	if err := h.Pool().QueryRow(b.Context(), "select sum(held) from stock where event_id = $1", event).Scan(&held); err != nil {
		b.Fatal(err)
	}
	return held
}

// plainReservations reserves n times the plain way and returns the rate.
func plainReservations(b *testing.B, h *house, workers, n int) float64 {
	b.Helper()
	ctx := b.Context()
	if _, err := h.Pool().Exec(ctx, `
		create table if not exists plain_stock (id int primary key, capacity int, held int, check (held <= capacity));
		create table if not exists plain_reservations (id text primary key, fan_id text, quantity int, deadline timestamptz);
		truncate plain_stock, plain_reservations;
		insert into plain_stock values (1, 1000000, 0)`); err != nil {
		b.Fatal(err)
	}
	var (
		wg     sync.WaitGroup
		next   atomic.Int64
		failed atomic.Pointer[error]
	)
	start := time.Now()
	for range workers {
		wg.Go(func() {
			for int(next.Add(1)) <= n && failed.Load() == nil {
				if err := plainReservation(ctx, h); err != nil {
					failed.Store(&err)
				}
			}
		})
	}
	wg.Wait()
	if err := failed.Load(); err != nil {
		b.Fatal(*err)
	}
	return float64(n) / time.Since(start).Seconds()
}

func plainReservation(ctx context.Context, h *house) error {
	return pgx.BeginFunc(ctx, h.Pool(), func(tx pgx.Tx) error {
		var left int
		if err := tx.QueryRow(ctx, "select capacity - held from plain_stock where id = 1 for update").Scan(&left); err != nil {
			return err
		}
		if left < 1 {
			return pgx.ErrNoRows
		}
		if _, err := tx.Exec(ctx, "update plain_stock set held = held + 1 where id = 1"); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "insert into plain_reservations values ($1, $2, 1, now() + interval '10 minutes')",
			ropeline.NewID[string](), ropeline.NewID[string]())
		return err
	})
}
