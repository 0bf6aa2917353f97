package checkout

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/checkout/payment"
	"github.com/ropeline/ropeline/checkout/payment/sandbox"
	"github.com/ropeline/ropeline/internal/engines"
	"github.com/ropeline/ropeline/internal/keyring"
)

// mortal is the life of one process: everything it says to Postgres, Redis and
// the gateway passes here, is named, and may be its last word. Once dead it
// reaches nobody any more, as if it had been killed: open transactions are
// rolled back with their connections.
type mortal struct {
	mu     sync.Mutex
	at     string // where it dies; empty: it lives
	before bool   // the word is not said; else its answer is not heard
	dead   bool
	seen   map[string]int
	words  []string
}

var errKilled = errors.New("killed")

// enter names a word that is about to be said; false when it must not be.
func (m *mortal) enter(what string) (name string, alive bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.seen[what]++
	name = fmt.Sprintf("%s (%d)", what, m.seen[what])
	if !m.dead {
		m.words = append(m.words, name)
		m.dead = m.before && name == m.at
	}
	return name, !m.dead
}

// leave is called when the answer is there; false when it is not heard.
func (m *mortal) leave(name string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.dead = m.dead || !m.before && name == m.at
	return !m.dead
}

func (m *mortal) isDead() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.dead
}

// — Postgres —

type wordKey struct{}

func (m *mortal) sql(ctx context.Context, sql string) context.Context {
	words := strings.Fields(sql)
	name, alive := m.enter("sql: " + strings.Join(words[:min(len(words), 12)], " "))
	if !alive {
		ctx, cancel := context.WithCancel(ctx)
		cancel()
		return ctx
	}
	return context.WithValue(ctx, wordKey{}, name)
}

func (m *mortal) answered(ctx context.Context) {
	if name, ok := ctx.Value(wordKey{}).(string); ok {
		m.leave(name)
	}
}

func (m *mortal) TraceQueryStart(ctx context.Context, _ *pgx.Conn, d pgx.TraceQueryStartData) context.Context {
	return m.sql(ctx, d.SQL)
}
func (m *mortal) TraceQueryEnd(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryEndData) {
	m.answered(ctx)
}
func (m *mortal) TraceBatchStart(ctx context.Context, _ *pgx.Conn, d pgx.TraceBatchStartData) context.Context {
	last := d.Batch.QueuedQueries[len(d.Batch.QueuedQueries)-1].SQL
	return m.sql(ctx, "batch to "+last)
}
func (m *mortal) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {}
func (m *mortal) TraceBatchEnd(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchEndData) {
	m.answered(ctx)
}

func (m *mortal) pool(t testing.TB, url string) *pgxpool.Pool {
	config, err := pgxpool.ParseConfig(url)
	must(t, err)
	config.ConnConfig.Tracer, config.MaxConns = m, 6
	pool, err := pgxpool.NewWithConfig(context.Background(), config)
	must(t, err)
	t.Cleanup(pool.Close)
	return pool
}

// — Redis —

func (m *mortal) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

func (m *mortal) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		return m.say(func(ctx context.Context, cmds []redis.Cmder) error { return next(ctx, cmds[0]) })(ctx, []redis.Cmder{cmd})
	}
}

func (m *mortal) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return m.say(next)
}

// say makes one word of what goes to Redis together.
func (m *mortal) say(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	scripts := map[string]string{pushScript.Hash(): "push", trimScript.Hash(): "trim", leaseScript.Hash(): "lease", closeScript.Hash(): "close"}
	return func(ctx context.Context, cmds []redis.Cmder) error {
		kill := func() error {
			for _, cmd := range cmds {
				cmd.SetErr(errKilled)
			}
			return errKilled
		}
		var whats []string
		for _, cmd := range cmds {
			what := cmd.Name()
			if args := cmd.Args(); len(args) > 1 {
				if script, ok := scripts[fmt.Sprint(args[1])]; ok {
					what = script
				}
			}
			whats = append(whats, what)
		}
		name, alive := m.enter("redis: " + strings.Join(whats, ", "))
		if !alive {
			return kill()
		}
		err := next(ctx, cmds)
		if !m.leave(name) {
			return kill()
		}
		return err
	}
}

// — the gateway —

type mortalGateway struct {
	payment.Provider
	m *mortal
}

func (g mortalGateway) call(what string, do func() (payment.Object, error)) (payment.Object, error) {
	name, alive := g.m.enter("gateway: " + what)
	if !alive {
		return payment.Object{}, errKilled
	}
	object, err := do()
	if !g.m.leave(name) {
		return payment.Object{}, errKilled
	}
	return object, err
}

func (g mortalGateway) Create(ctx context.Context, i payment.Intent) (payment.Object, error) {
	return g.call("create", func() (payment.Object, error) { return g.Provider.Create(ctx, i) })
}

func (g mortalGateway) Get(ctx context.Context, ref string) (payment.Object, error) {
	return g.call("get", func() (payment.Object, error) { return g.Provider.Get(ctx, ref) })
}

func (g mortalGateway) Capture(ctx context.Context, ref, key string) (payment.Object, error) {
	return g.call("capture", func() (payment.Object, error) { return g.Provider.Capture(ctx, ref, key) })
}

func (g mortalGateway) Cancel(ctx context.Context, ref, key string) (payment.Object, error) {
	return g.call("cancel", func() (payment.Object, error) { return g.Provider.Cancel(ctx, ref, key) })
}

// — a purchase —

// buyer buys two tickets, over as many processes as it takes, always with the
// same keys.
type buyer struct {
	t       *testing.T
	pair    *engines.Pair
	sandbox *sandbox.Gateway // outlives our processes
	request Request
	key     string
	ordered ropeline.OrderID // by the first answer that was heard
	witness *house           // never killed, serves nobody
}

// life starts a process that dies where m says.
func (b *buyer) life(m *mortal) *house {
	b.t.Helper()
	own, at := *b.pair, m.at
	m.at = "" // what it takes to start does not count
	own.Pool = m.pool(b.t, b.pair.DatabaseURL)
	h := houseOver(b.t, &own, b.pair.RedisURL, Options{Grip: 100 * time.Millisecond, Watch: time.Hour}, false, mortalGateway{b.sandbox, m})
	h.mortal = true
	h.redis.Write.AddHook(m)
	m.mu.Lock()
	m.at, m.seen, m.words = at, map[string]int{}, nil
	m.mu.Unlock()
	return h
}

// buy goes on until the order is paid, or the process is dead.
func (b *buyer) buy(h *house, m *mortal) (o Order, done bool) {
	ctx := b.t.Context()
	var r Reservation
	for deadline := time.Now().Add(40 * time.Second); !m.isDead(); {
		if time.Now().After(deadline) {
			b.t.Fatalf("not paid in time: %s, killed at %q", b.step(r, o), m.at)
		}
		var err error
		if r.State != ReservationHeld && o.ID == "" {
			if r, err = h.Reserve(ctx, b.request, 200*time.Millisecond); err != nil || r.State == ReservationQueued {
				_, _ = h.WakeUnserved(ctx, []SaleStock{{Event: b.request.Event}}) // the sweep
				continue
			}
		}
		if o, err = h.PlaceOrder(ctx, r.Fan, r.ID, "fan@example.com", b.key); err != nil {
			continue
		}
		if b.ordered == "" {
			b.ordered = o.ID
		} else if b.ordered != o.ID {
			b.t.Fatalf("ordered twice: %s and %s", b.ordered, o.ID)
		}
		switch {
		case o.State == OrderPaid:
			return o, true
		case o.Payment.ClientSecret != "" && o.Payment.State == PaymentPending:
			if _, err := b.sandbox.Confirm(ctx, o.Payment.Ref, o.Payment.ClientSecret, "approve"); err != nil {
				b.t.Fatal(err)
			}
		}
		b.work(h)
	}
	return o, false
}

func (b *buyer) step(r Reservation, o Order) string {
	return fmt.Sprintf("reservation %s %s, order %s, payment %s", r.State, r.Reason, o.State, o.Payment.State)
}

// work is what the gateway's messages and the sweeps lead to in a process.
func (b *buyer) work(h *house) {
	ctx := b.t.Context()
	due, err := b.sandbox.Claim(ctx, 10)
	must(b.t, err)
	for _, d := range due {
		if h.webhook(d.Body) == nil {
			must(b.t, b.sandbox.Delivered(ctx, d.Seq))
		} else {
			must(b.t, b.sandbox.Refused(ctx, d.Seq))
		}
	}
	events, _ := h.DueEvents(ctx)
	for _, e := range events {
		_ = h.Nudge(ctx, e)
	}
	payments, _ := h.TakeUp(ctx, 10)
	for _, p := range payments {
		_, _ = h.Perform(ctx, p)
	}
	pause(ctx, 5*time.Millisecond)
}

func newBuyer(t *testing.T, pair *engines.Pair) (*buyer, ropeline.Event) {
	t.Helper()
	k, err := keyring.Load(t.Context(), pair.Pool)
	must(t, err)
	b := &buyer{t: t, pair: pair, sandbox: sandbox.New(pair.Pool, k, sandbox.Options{}), key: newKey()}
	b.witness = houseOver(t, pair, pair.RedisURL, Options{}, true)
	e := b.witness.event(kind{3, 2, 2, 100})
	b.request = ask(e, fan(), 2)
	return b, e
}

// A purchase says some dozens of words to Postgres, Redis and the gateway. The
// process is killed before and after each one of them, in turn; whoever comes
// after it, with the same keys, brings the purchase to the same end. The words
// are listened to and not listed, so that none can be forgotten.
func TestKilledAtEveryWord(t *testing.T) {
	pair := engines.Test(t)
	b, e := newBuyer(t, pair)
	whole := &mortal{seen: map[string]int{}}
	h := b.life(whole)
	if _, done := b.buy(h, whole); !done {
		t.Fatal("not bought without a kill")
	}
	h.audit(e)
	whole.mu.Lock()
	var words []string
	for _, word := range whole.words {
		if changes(word) {
			words = append(words, word)
		}
	}
	whole.mu.Unlock()
	for _, must := range []string{"redis: push", "redis: trim", "redis: lease", "sql: batch to commit", "gateway: create", "gateway: capture", "sql: commit"} {
		if !slices.ContainsFunc(words, func(word string) bool { return strings.HasPrefix(word, must) }) {
			t.Fatalf("the purchase never said %q: %q", must, words)
		}
	}
	t.Logf("%d words", len(words))
	var killed atomic.Int64
	t.Cleanup(func() { // after all of them; a word may once be said by another way
		if n := int(killed.Load()); !t.Failed() && n < len(words)*3/2 {
			t.Errorf("only %d of %d kills hit", n, 2*len(words))
		}
	})
	for _, word := range words {
		for _, before := range []bool{true, false} {
			when := map[bool]string{true: "before ", false: "after "}[before]
			t.Run(when+word, func(t *testing.T) {
				t.Parallel()
				if killedAt(t, engines.Test(t), word, before) {
					killed.Add(1)
				}
			})
		}
	}
}

// changes tells whether a word changes anything. Those that only ask or connect, and what
// sweeps and idle clerks say again and again, are the same to die at as their
// neighbours.
func changes(word string) bool {
	for _, asks := range []string{"sql: select", "sql: begin", "sql: batch to select", "redis: hello", "redis: client", "redis: select", "redis: eval", "redis: script"} {
		if strings.HasPrefix(word, asks) {
			return false
		}
	}
	for _, often := range []string{"sql: batch to commit", "redis: trim", "redis: push", "sql: commit"} { // reserve, then settle
		if strings.HasPrefix(word, often) && strings.HasSuffix(word, "(2)") {
			return true
		}
	}
	return strings.HasSuffix(word, "(1)")
}

func killedAt(t *testing.T, pair *engines.Pair, word string, before bool) (hit bool) {
	b, e := newBuyer(t, pair)
	first := &mortal{at: word, before: before, seen: map[string]int{}}
	h := b.life(first)
	_, done := b.buy(h, first)
	if !done {
		// Its lease would end by itself, three seconds later.
		must(t, b.witness.redis.Write.Del(t.Context(), keysOf(e.ID).lease, keysOf(e.ID).wake).Err())
		second := &mortal{seen: map[string]int{}}
		h = b.life(second)
		if _, done = b.buy(h, second); !done {
			t.Fatal("not bought in the second life")
		}
	}
	o, err := h.Order(t.Context(), b.ordered, b.request.Fan)
	must(t, err)
	if len(o.Tickets) != 2 || o.Payment.State != PaymentConfirmed {
		t.Errorf("%d tickets, payment %s", len(o.Tickets), o.Payment.State)
	}
	for sql, want := range map[string]int{
		"select count(*) from reservations where event_id = $1": 1, "select count(*) from orders where event_id = $1": 1,
		"select count(*) from payments where event_id = $1": 1, "select count(*) from tickets where event_id = $1": 2,
		"select sold from stock where event_id = $1": 2, "select held from stock where event_id = $1": 0,
		"select count(*) from sandbox_intents i join payments p on p.id = i.metadata->>'payment' where p.event_id = $1": 1,
		"select count(*) from refunds f join payments p on p.id = f.payment_id where p.event_id = $1":                   0,
	} {
		if n := count(t, pair.Pool, sql, e.ID); n != want {
			t.Errorf("%s: %d, want %d", sql, n, want)
		}
	}
	violations, err := Audit(t.Context(), pair.Pool, e.ID)
	if err != nil || len(violations) > 0 {
		t.Errorf("audit: %v %v", violations, err)
	}
	return first.isDead()
}
