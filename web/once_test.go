package web_test

import (
	"testing"
	"time"

	"github.com/ropeline/ropeline/internal/engines"
	"github.com/ropeline/ropeline/web"
	"github.com/ropeline/ropeline/web/desk"
)

// Answers are remembered for their keys as long as somebody may ask again.
func TestPruneAnswers(t *testing.T) {
	t.Parallel()
	pool := engines.Test(t).Pool
	if _, err := pool.Exec(t.Context(), `
		insert into idempotency_keys (scope, key, request_hash, created_at)
		select 's', i::text, '\x00', now() - i * interval '10 days' from generate_series(0, 9) i`); err != nil {
		t.Fatal(err)
	}
	for _, want := range []int{5, 1, 0} { // those of the 40th to the 90th day
		if gone, err := web.PruneAnswers(t.Context(), pool, 35*24*time.Hour, 5); err != nil || gone != want {
			t.Errorf("%d went, want %d: %v", gone, want, err)
		}
	}
	var left int
	if err := pool.QueryRow(t.Context(), "select count(*) from idempotency_keys").Scan(&left); err != nil || left != 4 {
		t.Errorf("%d are left: %v", left, err)
	}
}

// Samples of a sale are there for its report for a year, and then go.
func TestPruneSamples(t *testing.T) {
	t.Parallel()
	h := openHouse(t)
	event := h.event(t, nil)
	if _, err := h.Pool.Exec(t.Context(), `
		insert into sale_samples (event_id, at, until, numbers)
		select $1, now() - i * interval '100 days', now() - i * interval '100 days', '{}' from generate_series(1, 6) i`, event.ID); err != nil {
		t.Fatal(err)
	}
	for _, want := range []int{2, 1, 0} { // those of 400 to 600 days
		if gone, err := desk.PruneSamples(t.Context(), h.Pool, 30*24*time.Hour, 2); err != nil || gone != want {
			t.Errorf("%d went, want %d: %v", gone, want, err)
		}
	}
}
