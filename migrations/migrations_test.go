package migrations_test

import (
	"context"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/tern/v2/migrate"

	"github.com/ropeline/ropeline/internal/engines"
	"github.com/ropeline/ropeline/migrations"
)

func TestMain(m *testing.M) { engines.Main(m) }

// Starting twice, and several at once, is normal.
func TestApplyAgainAndAtOnce(t *testing.T) {
	pair := engines.Test(t) // has all migrations
	if _, err := pair.Pool.Exec(t.Context(), "drop schema public cascade; create schema public"); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 6 {
		all.Go(func() {
			if err := migrations.Apply(t.Context(), pair.DatabaseURL); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	var tables int
	if err := pair.Pool.QueryRow(t.Context(), "select count(*) from pg_tables where schemaname = 'public'").Scan(&tables); err != nil || tables < 15 {
		t.Errorf("%d tables, %v", tables, err)
	}
}

// Each migration can be taken back, and made again.
func TestDownAndUp(t *testing.T) {
	pair := engines.Test(t)
	conn, err := pgx.Connect(t.Context(), pair.DatabaseURL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	shape := func() (shape string) {
		err := conn.QueryRow(t.Context(), `
			select string_agg(what, e'\n' order by what) from (
				select format('%s.%s %s %s', table_name, column_name, data_type, column_default) from information_schema.columns where table_schema = 'public'
				union all select indexdef from pg_indexes where schemaname = 'public'
				union all select format('%s: %s', conrelid::regclass, pg_get_constraintdef(oid)) from pg_constraint where connamespace = 'public'::regnamespace
				union all select pg_get_triggerdef(oid) from pg_trigger where not tgisinternal
			) all_of_it (what)`).Scan(&shape)
		if err != nil {
			t.Fatal(err)
		}
		return shape
	}
	before := shape()
	migrator, err := migrate.NewMigrator(t.Context(), conn, "schema_version")
	if err != nil {
		t.Fatal(err)
	}
	if err := migrator.LoadMigrations(migrations.Files()); err != nil {
		t.Fatal(err)
	}
	for version := int32(len(migrator.Migrations)) - 1; version >= 0; version-- {
		if err := migrator.MigrateTo(t.Context(), version); err != nil {
			t.Fatal(err)
		}
	}
	if err := migrator.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if after := shape(); after != before {
		t.Errorf("another schema than before:\n%s\n\n%s", before, after)
	}
}

// What the database promises whatever the program does.
func TestDatabaseRefuses(t *testing.T) {
	pool := engines.Test(t).Pool
	if _, err := pool.Exec(t.Context(), `
		insert into venues values ('v', 'v', '', '', 'UTC');
		insert into events (id, venue_id, name, starts_at, drop_at, closes_at) values ('e', 'v', 'e', now(), now(), now() + interval '1 hour');
		insert into ticket_types (id, event_id, name, price_minor, currency, max_per_order, max_per_fan, ordinal) values ('t', 'e', 't', 1, 'EUR', 1, 1, 0);
		insert into sales (event_id) values ('e');
		insert into stock (ticket_type_id, event_id, capacity, held, sold) values ('t', 'e', 10, 4, 5)`); err != nil {
		t.Fatal(err)
	}
	for what, sql := range map[string]string{
		"more held and sold than there is": "update stock set held = 6",
		"less than nothing held":           "update stock set held = -1",
		"capacity below what is promised":  "update stock set capacity = 8",
		"a drop after the end":             "update events set drop_at = closes_at + interval '1 second'",
	} {
		if _, err := pool.Exec(t.Context(), sql); err == nil {
			t.Errorf("the database takes %s", what)
		}
	}
}
