package catalog_test

import (
	"testing"
	"time"

	"github.com/ropeline/ropeline/catalog"
	"github.com/ropeline/ropeline/internal/engines"
)

// Pictures go when no event shows them and they are old, and not before.
func TestPrunePictures(t *testing.T) {
	pair := engines.Test(t)
	event, err := create(t, pair, catalog.New(pair.Pool), night(time.Now()))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pair.Pool.Exec(t.Context(), `
		insert into pictures (hash, width, height, jpeg, created_at)
		select repeat(h, 32), w, 1, '\x00', now() - d * interval '1 day' from (values ('a', 90), ('b', 90), ('c', 10)) p (h, d), (values (480), (960)) s (w)`); err != nil {
		t.Fatal(err)
	}
	if _, err := pair.Pool.Exec(t.Context(), "update events set picture = repeat('a', 32), picture_alt = 'x' where id = $1", event.ID); err != nil {
		t.Fatal(err)
	}
	for _, want := range []int{1, 1, 0} { // both widths of b
		if gone, err := catalog.PrunePictures(t.Context(), pair.Pool, 30*24*time.Hour, 1); err != nil || gone != want {
			t.Errorf("%d went, want %d: %v", gone, want, err)
		}
	}
	var left string
	if err := pair.Pool.QueryRow(t.Context(), "select string_agg(distinct left(hash, 1), '') from pictures").Scan(&left); err != nil || left != "ac" {
		t.Errorf("%q are left: %v", left, err)
	}
}
