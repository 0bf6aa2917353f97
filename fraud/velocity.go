package fraud

import (
	"context"
	_ "embed"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/internal/redisdb"
)

//go:embed lua/count.lua
var countSource string

// mostFans is how many fans of one trace are remembered; more are as
// suspicious as that many.
const mostFans = 500

// velocity counts orders by their traces. Redis keeps the counts: they are
// worth a day, and losing them costs no ticket and no cent.
type velocity struct {
	redis  *redisdb.Clients
	counts *redisdb.Together
}

func newVelocity(r *redisdb.Clients) velocity {
	script := redis.NewScript(countSource)
	r.Name(script.Hash(), "fraud.count")
	return velocity{redis: r, counts: redisdb.NewTogether(r.Write, script, patience)}
}

// look notes an order of a fan, but for the traces that it was noted with before,
// and counts the others, as of a moment (zero: Redis' now).
func (v velocity) look(ctx context.Context, event ropeline.EventID, fan ropeline.FanID, t, before Traces, at time.Time) (Signals, error) {
	keys := []string{joinedKey(event)}
	found := make([]int, 0, len(kinds))
	noted := make([]byte, 0, len(kinds))
	for i, k := range kinds {
		if trace, known := t[k.trace]; known {
			keys = append(keys, traceKey(event, k.trace, trace))
			found = append(found, i)
			if before[k.trace] == trace {
				noted = append(noted, '1')
			} else {
				noted = append(noted, '0')
			}
		}
	}
	now := ""
	if !at.IsZero() {
		now = strconv.FormatInt(at.UnixMilli(), 10)
	}
	args := []any{string(fan), now, shortWindow.Milliseconds(), longWindow.Milliseconds(), mostFans, noted}
	sketched := sketchedOf(t)
	for _, s := range sketched {
		for _, cell := range s.cells {
			args = append(args, cell)
		}
	}
	args = append(args, sumCell, sumCell+16)
	told, err := v.counts.Run(ctx, keys, args...)
	if err != nil {
		return nil, err
	}
	reply, err := told.Int64Slice()
	if err != nil {
		return nil, err
	}
	if want := 2*len(found) + sketchRows*len(sketched) + 2; len(reply) != want {
		return nil, fmt.Errorf("fraud: count answers %d numbers, want %d", len(reply), want)
	}
	s := Signals{}
	for n, i := range found {
		s[kinds[i].short], s[kinds[i].long] = float64(reply[2*n]), float64(reply[2*n+1])
	}
	cells, sum := reply[2*len(found):], reply[len(reply)-2]<<16|reply[len(reply)-1]
	for n, k := range sketched {
		s[k.signal] = estimate(cells[n*sketchRows:(n+1)*sketchRows], sum)
	}
	return s, nil
}
