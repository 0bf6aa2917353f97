package redisdb_test

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"github.com/ropeline/ropeline/internal/engines"
	"github.com/ropeline/ropeline/internal/redisdb"
)

func TestMeasureNamesScripts(t *testing.T) {
	c, err := redisdb.Open(t.Context(), engines.Test(t).RedisURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	registry := prometheus.NewRegistry()
	registry.MustRegister(c.Measure())
	script := redis.NewScript("return 1")
	c.Name(script.Hash(), "room.script")
	script.EvalSha(t.Context(), c.Write, []string{"{e}:x"})
	if err := script.Load(t.Context(), c.Write).Err(); err != nil {
		t.Fatal(err)
	}
	script.Run(t.Context(), c.Write, []string{"{e}:x"})
	c.Read.Get(t.Context(), "{e}:nothing")
	c.Write.LPush(t.Context(), "{e}:list", 1)
	c.Read.Get(t.Context(), "{e}:list") // of the wrong kind
	together := func(p redis.Pipeliner) error {
		for range 2 {
			script.EvalSha(t.Context(), p, []string{"{e}:x"})
			p.Ping(t.Context())
		}
		return nil
	}
	c.Write.Pipelined(t.Context(), together)
	c.Write.Pipelined(t.Context(), func(p redis.Pipeliner) error {
		p.Get(t.Context(), "{e}:x")
		return together(p)
	})

	families, err := registry.Gather()
	if err != nil || len(families) != 1 {
		t.Fatalf("%v, %v", families, err)
	}
	got := map[string]uint64{}
	for _, m := range families[0].GetMetric() {
		got[m.GetLabel()[0].GetValue()+" "+m.GetLabel()[1].GetValue()] = m.GetHistogram().GetSampleCount()
	}
	for _, series := range []string{"room.script not_loaded", "room.script ok", "get ok", "get failed", "ping+room.script ok", "pipeline ok"} {
		if got[series] == 0 { // connecting is measured too
			t.Errorf("%s: %d of %v", series, got[series], got)
		}
	}
}
