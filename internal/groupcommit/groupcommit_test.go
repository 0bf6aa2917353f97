package groupcommit

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline/internal/engines"
)

func TestMain(m *testing.M) { engines.Main(m) }

// Many parts at once: those of one key follow each other, one that refuses
// writes nothing, and one that Postgres refuses harms nobody else.
func TestPartsOfManyCallers(t *testing.T) {
	pair := engines.Test(t)
	if _, err := pair.Pool.Exec(t.Context(), `
		create table counters (name text primary key, n int not null check (n >= 0));
		insert into counters select 'c' || i, 0 from generate_series(0, 9) i`); err != nil {
		t.Fatal(err)
	}
	group, reads := New(pair.Pool), NewReads(pair.Pool)
	refused := errors.New("not today")
	var all sync.WaitGroup
	for i := range 300 {
		all.Go(func() {
			key := fmt.Sprintf("c%d", i%10)
			var n int
			err := group.Do(Part{Key: key, Read: func(b *pgx.Batch) {
				b.Queue("select n from counters where name = $1 for update", key).QueryRow(func(row pgx.Row) error { return row.Scan(&n) })
			}, Write: func(b *pgx.Batch) error {
				switch {
				case i%100 == 33:
					return refused
				case i%100 == 66:
					b.Queue("update counters set n = -1 where name = $1", key)
				default:
					b.Queue("update counters set n = $2 where name = $1", key, n+1)
				}
				return nil
			}})
			switch {
			case i%100 == 33 && err != refused, i%100 == 66 && err == nil, i%100 != 33 && i%100 != 66 && err != nil:
				t.Errorf("%d: %v", i, err)
			}
			if err := reads.Do(t.Context(), func(b *pgx.Batch) {
				b.Queue("select n from counters where name = $1", key).QueryRow(func(row pgx.Row) error { return row.Scan(&n) })
			}); err != nil || n < 0 || n > 30 {
				t.Errorf("%v: %d", err, n)
			}
		})
	}
	all.Wait()
	var sum int
	if err := pair.Pool.QueryRow(t.Context(), "select sum(n) from counters").Scan(&sum); err != nil || sum != 300-6 {
		t.Errorf("%v: counted %d of %d", err, sum, 300-6)
	}
}

// A question that fails is its asker's alone.
func TestReadsFailAlone(t *testing.T) {
	pair := engines.Test(t)
	reads := NewReads(pair.Pool)
	var all sync.WaitGroup
	for i := range 50 {
		all.Go(func() {
			var n int
			err := reads.Do(t.Context(), func(b *pgx.Batch) {
				b.Queue("select 10 / $1::int", i%10).QueryRow(func(row pgx.Row) error { return row.Scan(&n) })
			})
			if (err != nil) != (i%10 == 0) || err == nil && n != 10/(i%10) {
				t.Errorf("%d: %d %v", i, n, err)
			}
		})
	}
	all.Wait()
}
