package outbox

import (
	"testing"

	"github.com/ropeline/ropeline/internal/engines"
)

// A consumer that names kinds gets those, in order, and its cursor passes the others.
func TestReaderOfSomeKinds(t *testing.T) {
	pool := engines.Test(t).Pool
	r, c := NewReader(pool, NewHorizon(pool), "test", 2, OrderPaid, Refunded), &taken{}
	var last int64
	for i, kind := range []Kind{OrderPlaced, OrderPaid, OrderPlaced, OrderPlaced, Refunded, OrderPlaced, OrderPaid, OrderPlaced} {
		must(t, pool.QueryRow(t.Context(), "insert into outbox (event_id, kind, subject, payload) values ('e', $1, $2, '{}') returning seq",
			kind, string(rune('a'+i))).Scan(&last))
	}
	until(t, r, c, 3)
	var got string
	for _, e := range c.events {
		got += e.Subject
	}
	if got != "beg" {
		t.Errorf("taken: %s", got)
	}
	for at := int64(0); at < last; {
		read(t, r, c)
		must(t, pool.QueryRow(t.Context(), "select seq from outbox_cursors where consumer = 'test'").Scan(&at))
	}
	if len(c.events) != 3 {
		t.Errorf("taken twice: %+v", c.events)
	}
}
