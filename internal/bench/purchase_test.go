package bench

import (
	"context"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/admission"
	"github.com/ropeline/ropeline/checkout"
)

// BenchmarkPurchase sells tickets from the reservation to the ticket: each of
// 128 connections, or of 512, is an admitted shopper who reserves, orders and pays at
// the sandbox, over HTTP, and then the next shopper. The sandbox posts its signed
// webhooks over HTTP, the worker captures and issues. A round has ended when
// every ticket is there; fewer fail it, as does the audit. Everything runs in
// one process on the defaults: orders are scored, domain events are relayed.
// The reference writes the same rows in the same steps, a plain transaction
// each, without HTTP, a clerk or jobs.
func BenchmarkPurchase(b *testing.B) {
	for _, connections := range []int{128, 512} {
		b.Run(strconv.Itoa(connections), func(b *testing.B) { purchases(b, connections) })
	}
}

func purchases(b *testing.B, connections int) {
	const n, reference = 12_000, 600
	h := openHouse(b)
	client := h.redis(b)
	figures := rounds{}
	for b.Loop() {
		plain := plainPurchases(b, h, connections, reference)
		event := h.event(b, n)
		shoppers := make([]shopper, n)
		for i := range shoppers {
			fan, token := h.Fans.Mint()
			shoppers[i] = shopper{Event: string(event.ID), Type: string(event.TicketTypes[0].ID), Token: token, Entered: h.Admission.ShopperToken(admission.Shopper{
				Event: event.ID, Fan: fan, Epoch: 1, Number: int64(i), AdmittedAt: time.Now(), ShopUntil: time.Now().Add(time.Hour),
			})}
		}
		commits, before := h.commits(b), h.processes(b, client)
		result := runLoad(b, order{Address: h.address, Connections: connections, N: n, Shoppers: shoppers})
		confirmed := time.Now()
		var tickets int
		for deadline := time.Now().Add(30 * time.Second); tickets < n; <-time.After(20 * time.Millisecond) {
			if time.Now().After(deadline) {
				b.Fatalf("%d of %d tickets are there", tickets, n)
			}
			if err := h.Pool().QueryRow(b.Context(), "select count(*) from tickets where event_id = $1", event.ID).Scan(&tickets); err != nil {
				b.Fatal(err)
			}
		}
		took, last, after := time.Since(result.Begun), time.Since(confirmed), h.processes(b, client)
		if violations, err := checkout.Audit(b.Context(), h.Pool(), event.ID); err != nil || len(violations) > 0 {
			b.Fatalf("audit: %v %v", violations, err)
		}
		if sold := soldTickets(b, h, event.ID); tickets != n || sold != n {
			b.Fatalf("%d tickets, %d sold, of %d", tickets, sold, n)
		}
		figures.add("purchases/s", n/took.Seconds())
		figures.add("last-ticket-ms", float64(last.Milliseconds()))
		figures.add("p99-ms-a-request", float64(result.P99.Microseconds())/1000)
		figures.add("transactions/purchase", float64(h.commits(b)-commits)/n)
		figures.addProcesses("", after.since(before, n), "-cpu-us/purchase")
		figures.add("plain-sql/s", plain)
		figures.add("x-plain-sql", n/took.Seconds()/plain)
	}
	figures.report(b)
}

func soldTickets(b *testing.B, h *house, event ropeline.EventID) (sold int) {
	b.Helper()
	if err := h.Pool().QueryRow(b.Context(), "select sum(sold) from stock where event_id = $1", event).Scan(&sold); err != nil {
		b.Fatal(err)
	}
	return sold
}

// commits is how many transactions Postgres has committed so far.
func (h *house) commits(b *testing.B) (commits int64) {
	b.Helper()
	if err := h.Pool().QueryRow(b.Context(), "select xact_commit from pg_stat_database where datname = current_database()").Scan(&commits); err != nil {
		b.Fatal(err)
	}
	return commits
}

// plainPurchases writes the rows of n purchases the plain way and returns the
// rate. Its tables have the columns, checks and indexes of the real ones.
func plainPurchases(b *testing.B, h *house, workers, n int) float64 {
	b.Helper()
	ctx := b.Context()
	for _, table := range []string{"stock", "stock_ledger", "reservations", "orders", "fraud_orders", "payments", "payment_history", "tickets", "outbox", "webhook_events", "sandbox_intents", "sandbox_webhooks"} {
		if _, err := h.Pool().Exec(ctx, "drop table if exists plain_"+table+"; create table plain_"+table+" (like "+table+" including all)"); err != nil {
			b.Fatal(err)
		}
	}
	if _, err := h.Pool().Exec(ctx, "insert into plain_stock (ticket_type_id, event_id, capacity) values ('t', 'e', 1000000)"); err != nil {
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
			for i := next.Add(1); int(i) <= n && failed.Load() == nil; i = next.Add(1) {
				if err := plainPurchase(ctx, h, i); err != nil {
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

// plainPurchase is one purchase: $1 is the name of everything in it, $2 a number.
func plainPurchase(ctx context.Context, h *house, number int64) error {
	const news = "insert into plain_outbox (event_id, kind, subject, payload) values ('e', 'k', $1, jsonb_build_object('order', $1::text, 'payment', $1::text))"
	const history = "insert into plain_payment_history (kind, id, state) values ('payments', $1, 'pending')"
	id := ropeline.NewID[string]()
	for _, transaction := range [][]string{
		{ // reserve
			"select from plain_stock where ticket_type_id = 't' for update",
			"update plain_stock set held = held + 1 where ticket_type_id = 't'",
			`insert into plain_reservations (id, event_id, fan_id, pass_id, request_hash, state, items, deadline) values ($1, 'e', $1, $1, 'h', 'held', '[{"ticket_type": "t", "quantity": 1}]', now() + interval '10 minutes')`,
			"insert into plain_stock_ledger (event_id, seq, ticket_type_id, kind, delta_held, reservation_id, at) values ('e', 2 * $2::bigint + 1, 't', 'reserve', 1, $1, now())",
			news,
		}, { // order
			"select from plain_reservations where id = $1 for update",
			"insert into plain_orders (id, event_id, reservation_id, fan_id, email, state, total_minor, currency, idempotency_key, request_hash) values ($1, 'e', $1, $1, $1, 'pending', 1000, 'EUR', 'k', 'h')",
			"insert into plain_payments (id, order_id, event_id, provider, idempotency_key, state, amount_minor, currency, duty) values ($1, $1, 'e', 'sandbox', $1, 'created', 1000, 'EUR', 'create')",
			"insert into plain_fraud_orders (order_id, event_id, fan_id, model, signals, traces, score) values ($1, 'e', $1, 'm', '{}', '{}', 0)",
			history, news,
		}, { // the gateway's intent
			"insert into plain_sandbox_intents (ref, idempotency_key, state, amount_minor, currency, client_secret) values ($1, $1, 'requires_confirmation', 1000, 'EUR', $1)",
		}, { // the payment is pending
			"update plain_payments set state = 'pending', provider_ref = $1, duty = 'watch' where id = $1", history, news,
		}, { // the payer confirms
			"update plain_sandbox_intents set state = 'requires_capture' where ref = $1",
			"insert into plain_sandbox_webhooks (event_id, ref, kind) values ($1, $1, 'authorized')",
		}, { // the webhook
			"insert into plain_webhook_events (provider, event_id) values ('sandbox', $1)",
			"update plain_payments set state = 'authorized', duty = 'settle' where id = $1", history, news,
			"delete from plain_sandbox_webhooks where seq = $2::bigint",
		}, { // the stock is sold
			"select from plain_stock where ticket_type_id = 't' for update",
			"update plain_stock set held = held - 1, sold = sold + 1 where ticket_type_id = 't'",
			"insert into plain_stock_ledger (event_id, seq, ticket_type_id, kind, delta_held, delta_sold, reservation_id, at) values ('e', 2 * $2::bigint, 't', 'settle', -1, 1, $1, now())",
			"update plain_reservations set state = 'converted', ended_at = now() where id = $1",
			"update plain_orders set accepted_at = now(), risk_decision = 'allow' where id = $1",
			"update plain_payments set duty = 'capture' where id = $1", news,
		}, { // the capture at the gateway
			"update plain_sandbox_intents set state = 'succeeded' where ref = $1",
			"insert into plain_sandbox_webhooks (event_id, ref, kind) values ($1 || 'c', $1, 'captured')",
		}, { // the tickets
			"update plain_payments set state = 'confirmed', duty = null where id = $1", history,
			"update plain_orders set state = 'paid', ended_at = now() where id = $1",
			"insert into plain_tickets (id, order_id, event_id, ticket_type_id, ordinal, fan_id, state) values ($1, $1, 'e', 't', 1, $1, 'issued')",
			news, news, news,
		}, { // the second webhook
			"insert into plain_webhook_events (provider, event_id) values ('sandbox', $1 || 'c')",
		},
	} {
		err := pgx.BeginFunc(ctx, h.Pool(), func(tx pgx.Tx) error {
			for _, sql := range transaction {
				if _, err := tx.Exec(ctx, "with given as (select $1::text, $2::bigint) "+sql, id, number); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
