package redisdb_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ropeline/ropeline/internal/engines"
	"github.com/ropeline/ropeline/internal/redisdb"
)

// Each caller gets the answer to its own call, or its own error, also when Redis
// has forgotten the script.
func TestTogetherAnswersEachCaller(t *testing.T) {
	clients, err := redisdb.Open(t.Context(), engines.TestRedis(t).URL())
	if err != nil {
		t.Fatal(err)
	}
	defer clients.Close()
	script := redis.NewScript("if ARGV[1] == '7' then return redis.error_reply('ERR not seven') end return KEYS[1] .. ':' .. ARGV[1]")
	together := redisdb.NewTogether(clients.Write, script, 5*time.Second)
	for range 2 {
		var all sync.WaitGroup
		for i := range 100 {
			all.Go(func() {
				told, err := together.Run(t.Context(), []string{fmt.Sprintf("k%d", i)}, i)
				if err != nil {
					t.Error(err)
					return
				}
				switch answer, err := told.Text(); {
				case i == 7 && (err == nil || !strings.Contains(err.Error(), "not seven")):
					t.Errorf("7: %q, %v", answer, err)
				case i != 7 && (err != nil || answer != fmt.Sprintf("k%d:%d", i, i)):
					t.Errorf("%d: %q, %v", i, answer, err)
				}
			})
		}
		all.Wait()
		if err := clients.Write.ScriptFlush(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
	}
}
