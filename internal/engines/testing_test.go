package engines

import (
	"fmt"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
)

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
