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

// step is a part: it counts one further, unless it must not or is wrong.
type step struct {
	name           string
	refuses, wrong bool
	n              int
}

var errRefused = errors.New("not today")

func byName(steps []*step) (names []string, found map[string][]*step) {
	found = map[string][]*step{}
	for _, s := range steps {
		names, found[s.name] = append(names, s.name), append(found[s.name], s)
	}
	return names, found
}

func queueRead(lock string) func(*pgx.Batch, []*step) {
	return func(b *pgx.Batch, steps []*step) {
		names, found := byName(steps)
		b.Queue("select name, n from counters where name = any($1) order by name"+lock, names).Query(func(rows pgx.Rows) error {
			var name string
			var n int
			_, err := pgx.ForEachRow(rows, []any{&name, &n}, func() error {
				for _, s := range found[name] {
					s.n = n
				}
				return nil
			})
			return err
		})
	}
}

func counting(t *testing.T) *engines.Pair {
	pair := engines.Test(t)
	if _, err := pair.Pool.Exec(t.Context(), `
		create table counters (name text primary key, n int not null check (n >= 0));
		insert into counters select 'c' || i, 0 from generate_series(0, 9) i`); err != nil {
		t.Fatal(err)
	}
	return pair
}

// Many parts at once: those of one key follow each other, one that refuses
// writes nothing, and one that Postgres refuses harms nobody else.
func TestPartsOfManyCallers(t *testing.T) {
	pair := counting(t)
	group := New(pair.Pool, Work[step]{
		Key:  func(s *step) string { return s.name },
		Read: queueRead(" for update"),
		Write: func(b *pgx.Batch, steps []*step) []error {
			refusals := make([]error, len(steps))
			var names []string
			var next []int32
			for i, s := range steps {
				switch {
				case s.refuses:
					refusals[i] = errRefused
				case s.wrong:
					names, next = append(names, s.name), append(next, -1)
				default:
					names, next = append(names, s.name), append(next, int32(s.n+1))
				}
			}
			b.Queue("update counters c set n = u.n from unnest($1::text[], $2::int[]) as u(name, n) where c.name = u.name", names, next)
			return refusals
		},
	})
	reads := NewReads(pair.Pool, queueRead(""))
	var all sync.WaitGroup
	for i := range 300 {
		all.Go(func() {
			s := step{name: fmt.Sprintf("c%d", i%10), refuses: i%100 == 33, wrong: i%100 == 66}
			err := group.Do(&s)
			switch {
			case s.refuses && err != errRefused, s.wrong && err == nil, !s.refuses && !s.wrong && err != nil:
				t.Errorf("%d: %v", i, err)
			}
			read := step{name: s.name, n: -1}
			if err := reads.Do(t.Context(), &read); err != nil || read.n < 0 || read.n > 30 {
				t.Errorf("%v: %d", err, read.n)
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
	pair := counting(t)
	type division struct{ by, is int }
	reads := NewReads(pair.Pool, func(b *pgx.Batch, divisions []*division) {
		by := make([]int, len(divisions))
		for i, d := range divisions {
			by[i] = d.by
		}
		b.Queue("select 10 / d from unnest($1::int[]) as u(d)", by).Query(func(rows pgx.Rows) error {
			var is, i int
			_, err := pgx.ForEachRow(rows, []any{&is}, func() error {
				divisions[i].is = is
				i++
				return nil
			})
			return err
		})
	})
	var all sync.WaitGroup
	for i := range 50 {
		all.Go(func() {
			d := division{by: i % 10}
			if err := reads.Do(t.Context(), &d); (err != nil) != (d.by == 0) || err == nil && d.is != 10/d.by {
				t.Errorf("%d: %d %v", i, d.is, err)
			}
		})
	}
	all.Wait()
}
