package checkout

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/ropeline/ropeline/internal/engines"
)

// Each table is held to docs/states.md, pair by pair: an arrow there is a
// transition here, and what is no arrow is refused.
func TestTransitionsAreThoseOfTheDiagrams(t *testing.T) {
	text, err := os.ReadFile("../docs/states.md")
	if err != nil {
		t.Fatal(err)
	}
	exhaust(t, string(text), "Reservation", reservationMoves)
	exhaust(t, string(text), "Order", orderMoves)
	exhaust(t, string(text), "Payment", paymentMoves)
	exhaust(t, string(text), "Refund", refundMoves)
	exhaust(t, string(text), "Ticket", ticketMoves)
	exhaust(t, string(text), "Risk", riskMoves)
}

// exhaust tries every pair of states against the lines "from → to, to" of the
// section of docs/states.md.
func exhaust[S ~string](t *testing.T, text, section string, table moves[S]) {
	_, text, found := strings.Cut(text, "\n## "+section+"\n")
	if !found {
		t.Fatalf("docs/states.md has no section %q", section)
	}
	text, _, _ = strings.Cut(text, "\n## ")
	told := map[string][]string{}
	for line := range strings.Lines(text) {
		from, to, arrow := strings.Cut(strings.TrimSpace(line), " → ")
		if !arrow || !strings.HasPrefix(from, "- ") {
			continue
		}
		from = strings.Trim(from, "- `")
		told[from] = nil
		for next := range strings.SplitSeq(to, ",") {
			if next = strings.Trim(next, " `"); next != "the end" {
				told[from] = append(told[from], next)
			}
		}
	}
	if len(told) != len(table) {
		t.Errorf("%s: the diagram has %d states, the table %d", section, len(told), len(table))
	}
	for from := range table {
		for to := range table {
			legal := slices.Contains(told[string(from)], string(to))
			if err := table.move(from, to); (err == nil) != legal {
				t.Errorf("%s: %s → %s: %v, but the diagram says %v", section, from, to, err, legal)
			}
		}
		if table.move(from, "no such state") == nil || table.move("no such state", from) == nil {
			t.Errorf("%s: an unknown state was taken", section)
		}
	}
}

// The schema knows the same states; a queued reservation has no row.
func TestSchemaKnowsTheStates(t *testing.T) {
	t.Parallel()
	pair := engines.Test(t)
	column := func(table, name string) []string {
		var check string
		if err := pair.Pool.QueryRow(t.Context(), `
			select pg_get_constraintdef(oid) from pg_constraint where conrelid = $1::regclass and conname = $1 || '_' || $2 || '_check'`, table, name).Scan(&check); err != nil {
			t.Fatalf("%s: %v", table, err)
		}
		var states []string
		for i, part := range strings.Split(check, "'") {
			if i%2 == 1 {
				states = append(states, part)
			}
		}
		slices.Sort(states)
		return states
	}
	known := func(table string) []string { return column(table, "state") }
	same(t, known("reservations"), reservationMoves, string(ReservationQueued))
	same(t, known("orders"), orderMoves)
	same(t, known("payments"), paymentMoves)
	same(t, known("refunds"), refundMoves)
	same(t, known("tickets"), ticketMoves)
	same(t, column("orders", "risk_decision"), riskMoves, string(RiskUndecided))
}

func same[S ~string](t *testing.T, schema []string, table moves[S], without ...string) {
	t.Helper()
	var states []string
	for s := range table {
		if !slices.Contains(without, string(s)) {
			states = append(states, string(s))
		}
	}
	slices.Sort(states)
	if !slices.Equal(states, schema) {
		t.Errorf("the schema has %v, the table %v", schema, states)
	}
}
