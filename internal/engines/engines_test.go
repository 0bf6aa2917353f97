package engines

import (
	"testing"

	"github.com/redis/go-redis/v9"
)

func TestMain(m *testing.M) { Main(m) }

func TestTestIsFreshAndMigrated(t *testing.T) {
	for range 3 {
		t.Run("", func(t *testing.T) {
			pair := Test(t)
			ctx := t.Context()
			var tables int
			if err := pair.Pool.QueryRow(ctx, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").Scan(&tables); err != nil {
				t.Fatal(err)
			}
			if tables < 2 {
				t.Errorf("%d tables: the migrations are missing", tables)
			}
			if _, err := pair.Pool.Exec(ctx, "CREATE TABLE mine ()"); err != nil {
				t.Error("the database is not fresh:", err)
			}
			client := openRedis(t, pair.RedisURL)
			if n := client.DBSize(ctx).Val(); n != 0 {
				t.Errorf("%d keys in a fresh Redis", n)
			}
			if err := client.Set(ctx, "mine", 1, 0).Err(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func openRedis(t testing.TB, address string) *redis.Client {
	t.Helper()
	options, err := redis.ParseURL(address)
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(options)
	t.Cleanup(func() { client.Close() })
	return client
}
