package checkout

import (
	"context"
	_ "embed"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/internal/batch"
	"github.com/ropeline/ropeline/internal/redisdb"
)

var (
	//go:embed lua/push.lua
	pushSource string
	//go:embed lua/lease.lua
	leaseSource string
	//go:embed lua/trim.lua
	trimSource string
	//go:embed lua/close.lua
	closeSource string

	pushScript  = redis.NewScript(pushSource)
	leaseScript = redis.NewScript(leaseSource)
	trimScript  = redis.NewScript(trimSource)
	closeScript = redis.NewScript(closeSource)
)

const (
	mostWaiting = 50_000 // letters in one mailbox
	batchSize   = 256    // letters in one batch

	leaseTime = 3 * time.Second
	// wakeTime is how long a wake-up may take before the next push may wake
	// again; it keeps a burst from queueing a task a push.
	wakeTime = time.Second
)

// mailbox is Redis' side of every event's mailbox.
type mailbox struct {
	redis *redisdb.Clients
	most  int
}

func newMailbox(r *redisdb.Clients, most int) *mailbox {
	for name, script := range map[string]*redis.Script{"push": pushScript, "lease": leaseScript, "trim": trimScript, "close": closeScript} {
		r.Name(script.Hash(), "checkout."+name)
	}
	return &mailbox{redis: r, most: most}
}

type pushed int

const (
	pushedNew pushed = iota + 1
	pushedAgain
	pushedOther
	pushedFull
)

// push puts letters into one event's mailbox; no letters only asks whether a
// clerk is missing. The generation is 0 when none must be woken.
func (m *mailbox) push(ctx context.Context, event ropeline.EventID, letters []letter) (generation int64, codes []pushed, err error) {
	k := keysOf(event)
	args := make([]any, 0, 3+2*len(letters))
	args = append(args, m.most, wakeTime.Milliseconds(), hashText)
	for _, l := range letters {
		args = append(args, l.id(), l.body())
	}
	answer, err := pushScript.Run(ctx, m.redis.Write, []string{k.letters, k.bodies, k.generation, k.lease, k.wake}, args...).Slice()
	if err != nil {
		return 0, nil, err
	}
	codes = make([]pushed, len(letters))
	for i := range codes {
		code, _ := answer[i+1].(int64)
		codes[i] = pushed(code)
	}
	return number(answer[0]), codes, nil
}

// lease takes the lease, or only renews it.
func (m *mailbox) lease(ctx context.Context, event ropeline.EventID, token string, take bool) (bool, error) {
	k := keysOf(event)
	return leaseScript.Run(ctx, m.redis.Write, []string{k.lease, k.wake}, token, leaseTime.Milliseconds(), flag(take)).Bool()
}

// envelope is a letter as it lies in the mailbox.
type envelope struct{ id, body string }

// trim tells the answers, removes the decided letters and reads up to next
// further ones; held is false when the lease is another's.
func (m *mailbox) trim(ctx context.Context, event ropeline.EventID, token string, decided []envelope, answers string, next int) (letters []envelope, held bool, err error) {
	k := keysOf(event)
	args := make([]any, 0, 5+len(decided))
	args = append(args, token, leaseTime.Milliseconds(), next, k.answers, answers)
	for _, e := range decided {
		args = append(args, e.id)
	}
	answer, err := trimScript.Run(ctx, m.redis.Write, []string{k.letters, k.bodies, k.lease}, args...).Slice()
	if err != nil {
		return nil, false, err
	}
	if number(answer[0]) == 0 {
		return nil, false, nil
	}
	letters = make([]envelope, 0, len(answer)/2)
	for i := 1; i+1 < len(answer); i += 2 {
		id, _ := answer[i].(string)
		body, _ := answer[i+1].(string)
		letters = append(letters, envelope{id: id, body: body})
	}
	return letters, true, nil
}

// close ends the service: if the mailbox is empty, or, with goNow, in any case.
func (m *mailbox) close(ctx context.Context, event ropeline.EventID, token string, goNow bool) (closed bool, generation int64, err error) {
	k := keysOf(event)
	answer, err := closeScript.Run(ctx, m.redis.Write, []string{k.letters, k.generation, k.lease, k.wake},
		token, flag(goNow), wakeTime.Milliseconds()).Slice()
	if err != nil {
		return false, 0, err
	}
	return number(answer[0]) == 1, number(answer[1]), nil
}

// waiting reads a letter that nobody has decided.
func (m *mailbox) waiting(ctx context.Context, event ropeline.EventID, id string) (letter, bool, error) {
	body, err := m.redis.Read.HGet(ctx, keysOf(event).bodies, id).Result()
	if err == redis.Nil {
		return letter{}, false, nil
	}
	if err != nil {
		return letter{}, false, err
	}
	l, err := parseLetter(event, id, body)
	return l, err == nil, nil
}

// post is a letter on its way through the batcher.
type post struct {
	event  ropeline.EventID
	letter letter
}

// pushBatch is the batcher's call: one script call for each event.
func (c *Checkout) pushBatch(ctx context.Context, posts []post) []batch.Result[pushed] {
	results := make([]batch.Result[pushed], len(posts))
	done := make([]bool, len(posts))
	for i := range posts {
		if done[i] {
			continue
		}
		var letters []letter
		var at []int
		for j := i; j < len(posts); j++ {
			if !done[j] && posts[j].event == posts[i].event {
				letters, at, done[j] = append(letters, posts[j].letter), append(at, j), true
			}
		}
		generation, codes, err := c.mailbox.push(ctx, posts[i].event, letters)
		for n, j := range at {
			if err != nil {
				results[j].Err = ropeline.Unavailable(err)
				continue
			}
			results[j].Value = codes[n]
		}
		c.wake(ctx, posts[i].event, generation)
	}
	return results
}

// wake asks for a clerk. A wake-up that fails is not lost: the marker in Redis
// ends after wakeTime, and then the next push or the sweep asks again.
func (c *Checkout) wake(ctx context.Context, event ropeline.EventID, generation int64) {
	if generation == 0 || c.options.Wake == nil {
		return
	}
	if err := c.options.Wake(ctx, event, generation); err != nil {
		c.log.WarnContext(ctx, "clerk not woken", "event", event, "generation", generation, "err", err)
	}
}

func flag(b bool) string {
	if b {
		return "1"
	}
	return "0"
}

// number reads what a script returned as a number or as its text.
func number(v any) int64 {
	switch v := v.(type) {
	case int64:
		return v
	case string:
		n, _ := strconv.ParseInt(v, 10, 64)
		return n
	}
	return 0
}
