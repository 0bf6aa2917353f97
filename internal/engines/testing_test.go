package engines

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
)

func TestTestIsFreshAndMigrated(t *testing.T) {
	for range 3 {
		t.Run("", func(t *testing.T) {
			pair := Test(t)
			ctx := t.Context()
			if n := query(t, pair.DatabaseURL, "SELECT count(*)::text FROM pg_tables WHERE schemaname = 'public'"); n < "2" {
				t.Errorf("%s tables: the migrations are missing", n)
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

func TestPairsOfOneMomentDiffer(t *testing.T) {
	one, two := Test(t), Test(t)
	if one.DatabaseURL == two.DatabaseURL || one.RedisURL == two.RedisURL {
		t.Errorf("%v and %v", one, two)
	}
}

func TestRunWithGivesEnginesAndTheExitCode(t *testing.T) {
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	script := `test -S "$(echo "$ROPELINE_TEST_REDIS_URL" | sed 's|unix://||; s|?.*||')" || exit 1
		case "$ROPELINE_TEST_DATABASE_URL" in postgres://*) exit 7;; esac`
	if code := RunWith([]string{"sh", "-c", script}); code != 7 {
		t.Errorf("exit code %d, want 7", code)
	}
	if code := RunWith([]string{"sh", "-c", "kill -TERM $$"}); code != 128+15 {
		t.Errorf("exit code %d of a command that was killed", code)
	}
	if code := RunWith([]string{binary + " is missing"}); code == 0 {
		t.Error("a command that is missing succeeded")
	}
}

func TestOwnRedisSurvivesKillAndCanBeLost(t *testing.T) {
	server := TestRedis(t)
	client := openRedis(t, server.URL())
	ctx := t.Context()
	if err := client.Set(ctx, "place", 7, 0).Err(); err != nil {
		t.Fatal(err)
	}
	server.Kill()
	if err := client.Ping(ctx).Err(); err == nil {
		t.Fatal("a killed Redis answers")
	}
	server.Restart()
	if got, err := client.Get(ctx, "place").Int(); err != nil || got != 7 {
		t.Errorf("after kill and restart: %d, %v", got, err)
	}
	server.Restart()
	if got, err := client.Get(ctx, "place").Int(); err != nil || got != 7 {
		t.Errorf("after an orderly restart: %d, %v", got, err)
	}
	server.Lose()
	if n, err := client.DBSize(ctx).Result(); err != nil || n != 0 {
		t.Errorf("%d keys after losing all, %v", n, err)
	}
}

func TestClusterServesAllSlots(t *testing.T) {
	cluster := TestCluster(t)
	addrs := strings.Split(strings.TrimPrefix(cluster.URL(), "redis+cluster://"), ",")
	client := redis.NewClusterClient(&redis.ClusterOptions{Addrs: addrs})
	defer client.Close()
	ctx := t.Context()
	nodes := map[string]bool{}
	for i := range 60 {
		key := fmt.Sprintf("{e:%d}:line", i)
		if err := client.Set(ctx, key, i, 0).Err(); err != nil {
			t.Fatal(err)
		}
		node, err := client.MasterForKey(ctx, key)
		if err != nil {
			t.Fatal(err)
		}
		nodes[node.Options().Addr] = true
		// Two keys of one event are one script's.
		sum, err := client.Eval(ctx, "return redis.call('GET', KEYS[1]) + redis.call('INCRBY', KEYS[2], 1)",
			[]string{key, fmt.Sprintf("{e:%d}:bucket", i)}).Int()
		if err != nil || sum != i+1 {
			t.Fatalf("script on event %d: %d, %v", i, sum, err)
		}
	}
	if len(nodes) != 3 {
		t.Errorf("%d of 3 nodes have keys", len(nodes))
	}
}
