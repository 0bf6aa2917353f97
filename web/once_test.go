package web_test

import (
	"testing"
	"time"

	"github.com/ropeline/ropeline/internal/engines"
	"github.com/ropeline/ropeline/web"
)

// Answers are remembered for their keys as long as somebody may ask again.
func TestPruneAnswers(t *testing.T) {
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
