package checkout

import (
	"context"
	_ "embed"
	"errors"
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

	// pushAlone is how long a push has for itself before another one begins beside
	// it: letters that come meanwhile go together. Nobody waits for a push that is alone.
	pushAlone = time.Millisecond

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
	p := m.pushAll(ctx, []bundle{{event: event, letters: letters}})[0]
	return p.generation, p.codes, p.err
}

// bundle is what is put into one event's mailbox, and what came of it.
type bundle struct {
	event      ropeline.EventID
	letters    []letter
	bodies     []string // of the letters
	generation int64
	codes      []pushed
	err        error
}

// pushAll is push for several events; it fills the bundles and returns them.
func (m *mailbox) pushAll(ctx context.Context, bundles []bundle) []bundle {
	calls := make([]redisdb.Call, len(bundles))
	for i := range bundles {
		calls[i] = m.pushCall(&bundles[i])
	}
	for i, answer := range redisdb.RunAll(ctx, m.redis.Write, calls) {
		bundles[i].hear(answer)
	}
	return bundles
}

func (m *mailbox) pushCall(p *bundle) redisdb.Call {
	k := keysOf(p.event)
	args := make([]any, 0, 3+2*len(p.letters))
	args = append(args, m.most, wakeTime.Milliseconds(), hashText)
	p.bodies = make([]string, len(p.letters))
	for i, l := range p.letters {
		p.bodies[i] = l.body()
		args = append(args, l.id(), p.bodies[i])
	}
	return redisdb.Call{Script: pushScript, Keys: []string{k.letters, k.bodies, k.generation, k.lease, k.wake}, Args: args}
}

// hear reads the script's answer.
func (p *bundle) hear(answer *redis.Cmd) {
	var told []any
	if told, p.err = answer.Slice(); p.err != nil {
		return
	}
	p.codes = make([]pushed, len(p.letters))
	for n := range p.codes {
		code, _ := told[n+1].(int64)
		p.codes[n] = pushed(code)
	}
	p.generation = number(told[0])
}

// lease takes the lease, or only renews it.
func (m *mailbox) lease(ctx context.Context, event ropeline.EventID, token string, take bool) (bool, error) {
	k := keysOf(event)
	return leaseScript.Run(ctx, m.redis.Write, []string{k.lease, k.wake}, token, leaseTime.Milliseconds(), flag(take)).Bool()
}

// envelope is a letter as it lies in the mailbox.
type envelope struct{ id, body string }

// trimming is what one clerk tells of its batch, and what it reads next.
type trimming struct {
	event   ropeline.EventID
	token   string
	decided []envelope
	next    int     // most letters to read
	puts    *bundle // letters of this process that go in first; nil: none
}

// trimmed is the answer to it.
type trimmed struct {
	letters []envelope
	held    bool // the lease is still this clerk's
}

// trim removes the decided letters and reads up to next further ones; held is
// false when the lease is another's.
func (m *mailbox) trim(ctx context.Context, event ropeline.EventID, token string, decided []envelope, next int) (letters []envelope, held bool, err error) {
	t := m.trimAll(ctx, []trimming{{event: event, token: token, decided: decided, next: next}})[0]
	return t.Value.letters, t.Value.held, t.Err
}

// trimAll is trim for several events' clerks, after what they put in.
func (m *mailbox) trimAll(ctx context.Context, trimmings []trimming) []batch.Result[trimmed] {
	calls := make([]redisdb.Call, 0, 2*len(trimmings))
	for _, t := range trimmings {
		if t.puts != nil {
			calls = append(calls, m.pushCall(t.puts))
		}
		calls = append(calls, trimCall(t))
	}
	results := make([]batch.Result[trimmed], len(trimmings))
	answers := redisdb.RunAll(ctx, m.redis.Write, calls)
	for i, t := range trimmings {
		if t.puts != nil {
			t.puts.hear(answers[0])
			answers = answers[1:]
		}
		results[i] = readTrimmed(answers[0])
		answers = answers[1:]
	}
	return results
}

func trimCall(t trimming) redisdb.Call {
	k := keysOf(t.event)
	args := make([]any, 0, 3+len(t.decided))
	args = append(args, t.token, leaseTime.Milliseconds(), t.next)
	for _, e := range t.decided {
		args = append(args, e.id)
	}
	return redisdb.Call{Script: trimScript, Keys: []string{k.letters, k.bodies, k.lease}, Args: args}
}

func readTrimmed(answer *redis.Cmd) (r batch.Result[trimmed]) {
	told, err := answer.Slice()
	if err != nil || number(told[0]) == 0 {
		r.Err = err
		return r
	}
	r.Value.held = true
	r.Value.letters = make([]envelope, 0, len(told)/2)
	for n := 1; n+1 < len(told); n += 2 {
		id, _ := told[n].(string)
		body, _ := told[n+1].(string)
		r.Value.letters = append(r.Value.letters, envelope{id: id, body: body})
	}
	return r
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

// post is a letter on its way to its event's mailbox.
type post struct {
	event  ropeline.EventID
	letter letter
}

// post puts a letter into its event's mailbox: with the clerk's next visit there,
// if it is one of this process, and else with other callers' letters.
func (c *Checkout) post(ctx context.Context, p post) (pushed, error) {
	code, err := c.rounds.hand(ctx, p)
	if errors.Is(err, errNoClerk) {
		return c.posts.Do(ctx, p)
	}
	return code, err
}

// visitAll goes to the mailboxes of several events' clerks. A clerk whose lease is
// lost may put in letters that nobody serves.
func (c *Checkout) visitAll(ctx context.Context, trimmings []trimming) []batch.Result[trimmed] {
	results := c.mailbox.trimAll(ctx, trimmings)
	for _, t := range trimmings {
		if t.puts != nil {
			c.wake(ctx, t.event, t.puts.generation)
		}
	}
	return results
}

// pushBatch is the batcher's call: one script call for each event, in one round
// trip.
func (c *Checkout) pushBatch(ctx context.Context, posts []post) []batch.Result[pushed] {
	var bundles []bundle
	at := make([][2]int, len(posts)) // where each one's letter is: bundle, letter
	of := map[ropeline.EventID]int{}
	for i, p := range posts {
		n, known := of[p.event]
		if !known {
			n = len(bundles)
			of[p.event] = n
			bundles = append(bundles, bundle{event: p.event})
		}
		at[i] = [2]int{n, len(bundles[n].letters)}
		bundles[n].letters = append(bundles[n].letters, p.letter)
	}
	c.mailbox.pushAll(ctx, bundles)
	results := make([]batch.Result[pushed], len(posts))
	for i, where := range at {
		if p := bundles[where[0]]; p.err != nil {
			results[i].Err = ropeline.Unavailable(p.err)
		} else {
			results[i].Value = p.codes[where[1]]
		}
	}
	for _, p := range bundles {
		c.wake(ctx, p.event, p.generation)
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
