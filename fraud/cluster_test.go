package fraud

import (
	"log/slog"
	"testing"
	"time"

	"github.com/ropeline/ropeline/internal/engines"
	"github.com/ropeline/ropeline/internal/keyring"
	"github.com/ropeline/ropeline/internal/redisdb"
)

// The counts and the sketch of an event live together on a cluster.
func TestCountsOnACluster(t *testing.T) {
	cluster, pair := engines.TestCluster(t), engines.Test(t)
	r, err := redisdb.Open(t.Context(), cluster.URL())
	must(t, err)
	t.Cleanup(func() { r.Close() })
	k, err := keyring.Load(t.Context(), pair.Pool)
	must(t, err)
	o := &office{New(r, pair.Pool, k, DefaultModel(), slog.New(slog.DiscardHandler), Options{Budget: 5 * time.Second}), t, pair}
	for range 4 { // events, most probably on several nodes
		event := o.event()
		for n := range 3 {
			o.Joined(o.bot(event, n))
		}
		must(t, o.flushJoins(t.Context()))
		o.Place(t.Context(), o.bot(event, 1))
		if s := o.Place(t.Context(), o.bot(event, 2)).signals; s[Address10m] != 1 || s[JoinedAddress] < 1 || s[JoinedAddress] > 3 {
			t.Errorf("%v", s)
		}
	}
}
