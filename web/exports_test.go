package web_test

import (
	"bufio"
	"encoding/csv"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Each export is RFC 4180, harmless to a spreadsheet, and written down.
func TestExports(t *testing.T) {
	t.Parallel()
	h := openHouse(t)
	event := h.event(t, nil)
	order, tickets := h.paid(t, event, "ann@example.com", 1)
	h.tx(t, func(tx pgx.Tx) error {
		for _, sql := range []string{
			"update orders set email = '=cmd|''/C calc''!A0' where id = $1",
			"insert into refunds (id, payment_id, idempotency_key, state, amount_minor, currency, reason) select 'r', id, 'r', 'done', 1050, 'EUR', E'@one, \"two\"\nthree' from payments where order_id = $1",
			`insert into checkins (event_id, scan_id, code_hash, result, ticket_id, revision, turn, gate, scanned_at, by)
				select event_id, 's', '\x00', 'accepted', id, 1, 0, '+North', '2026-11-23T18:00:00.5+01', 'g' from tickets where order_id = $1`,
		} {
			if _, err := tx.Exec(t.Context(), sql, order); err != nil {
				return err
			}
		}
		return nil
	})
	session := h.organizer(t)
	path := "/admin/events/" + string(event.ID) + "/exports/"
	read := func(name string) []map[string]string {
		got := h.ask(t, "GET", path+name, "", session)
		if got.status != http.StatusOK || got.header.Get("Content-Type") != "text/csv; charset=utf-8; header=present" || !strings.Contains(got.header.Get("Content-Disposition"), "attachment") {
			t.Fatalf("%s: %d %v %s", name, got.status, got.header, got.body)
		}
		if strings.Count(got.body, "\r\n") < 2 {
			t.Errorf("%s: lines do not end with CRLF: %q", name, got.body)
		}
		lines, err := csv.NewReader(strings.NewReader(got.body)).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		var rows []map[string]string
		for _, line := range lines[1:] {
			row := map[string]string{}
			for i, name := range lines[0] {
				row[name] = line[i]
			}
			rows = append(rows, row)
		}
		return rows
	}
	check := func(row map[string]string, want ...string) {
		t.Helper()
		for i := 0; i < len(want); i += 2 {
			if row[want[i]] != want[i+1] {
				t.Errorf("%s is %q, want %q in %v", want[i], row[want[i]], want[i+1], row)
			}
		}
	}
	check(read("orders.csv")[0], "order", string(order), "email", `'=cmd|'/C calc'!A0`, "total_minor", "4500", "total", "45.00", "currency", "EUR", "refunded", "10.50", "tickets", "1", "state", "paid")
	check(read("tickets.csv")[0], "ticket", tickets[0], "ticket_type", "Standing", "price", "45.00", "checked_in_at", "2026-11-23T17:00:00.5Z", "gate", "'+North")
	money := read("payments.csv")
	check(money[0], "kind", "payment", "state", "confirmed", "amount_minor", "4500")
	check(money[1], "kind", "refund", "amount", "10.50", "reason", "'@one, \"two\"\nthree")
	check(read("checkins.csv")[0], "result", "accepted", "ticket", tickets[0], "gate", "'+North")
	for _, name := range []string{"orders", "secrets.csv", ".csv"} {
		if got := h.ask(t, "GET", path+name, "", session); got.status != http.StatusNotFound {
			t.Errorf("%s: %d", name, got.status)
		}
	}
	var recorded int
	if err := h.Pool.QueryRow(t.Context(), "select count(*) from audit_log where action like 'export.%' and object = $1", "event/"+string(event.ID)).Scan(&recorded); err != nil || recorded != 4 {
		t.Errorf("%d exports in the audit log, want 4: %v", recorded, err)
	}
}

// An export is on its way before Postgres has written its last row, arrives
// whole with its count, and one that is cut is not taken for whole.
func TestExportStreams(t *testing.T) {
	t.Parallel()
	h := openHouse(t)
	event := h.event(t, nil)
	const rows = 40_000
	if _, err := h.Pool.Exec(t.Context(), `
		insert into checkins (event_id, scan_id, code_hash, result, gate, scanned_at, by)
		select $1, i::text, '\x00', 'unknown', repeat('N', 600), now(), 'test' from generate_series(1, $2) i`, event.ID, rows); err != nil {
		t.Fatal(err)
	}
	session := h.organizer(t)
	begin := func() (*http.Response, *bufio.Reader, int) {
		request, err := http.NewRequestWithContext(t.Context(), "GET", h.url+"/admin/events/"+string(event.ID)+"/exports/checkins.csv", nil)
		if err != nil {
			t.Fatal(err)
		}
		name, value, _ := strings.Cut(session, ": ")
		request.Header.Set(name, value)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { response.Body.Close() })
		reader := bufio.NewReader(response.Body)
		if head, err := reader.ReadString('\n'); err != nil || !strings.HasPrefix(head, "seq,result,") {
			t.Fatalf("%q %v", head, err)
		}
		if first, err := reader.ReadString('\n'); err != nil || !strings.Contains(first, "unknown") {
			t.Fatalf("%q %v", first, err)
		}
		pid := 0
		eventually(t, "Postgres waits for the reader", func() bool {
			err := h.Pool.QueryRow(t.Context(), `select coalesce(max(pid), 0) from pg_stat_activity
				where datname = current_database() and state = 'active' and wait_event = 'ClientWrite' and query like '%from checkins c%'`).Scan(&pid)
			return err == nil && pid > 0
		})
		return response, reader, pid
	}
	response, reader, _ := begin()
	n := 1
	for {
		_, err := reader.ReadString('\n')
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	if told := response.Trailer.Get("Ropeline-Rows"); n != rows || told != "40000" {
		t.Errorf("%d rows, the trailer tells %q", n, told)
	}
	_, reader, pid := begin()
	if _, err := h.Pool.Exec(t.Context(), "select pg_terminate_backend($1)", pid); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { _, err := io.Copy(io.Discard, reader); done <- err }()
	select {
	case err := <-done:
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("a file that was cut ends with %v", err)
		}
	case <-time.After(20 * time.Second):
		t.Error("a file that was cut does not end")
	}
}
