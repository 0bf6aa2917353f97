package checkout

import (
	"context"
	"crypto/rand"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/checkout/payment"
	"github.com/ropeline/ropeline/internal/batch"
	"github.com/ropeline/ropeline/internal/groupcommit"
	"github.com/ropeline/ropeline/internal/keyring"
	"github.com/ropeline/ropeline/internal/redisdb"
)

// Options are what an installation or a test may choose.
type Options struct {
	// Hold is how long a reservation holds its stock; default 10 minutes.
	Hold time.Duration
	// Wake asks a worker to run Serve for an event. The generation is new with
	// each wake-up. Without it only the sweep finds a mailbox nobody serves.
	Wake func(ctx context.Context, event ropeline.EventID, generation int64) error
	// Abandon is how long after an order has ended its unpaid payment is left
	// open for money that comes late; default 15 minutes.
	Abandon time.Duration
	// Watch is how long a payment is pending before the gateway is asked, in
	// case its webhook was lost; doubled with each time. Default 1 minute.
	Watch time.Duration
	// Grip is how long a worker has a payment's duty for itself; default 15 s.
	Grip time.Duration
	// Assess is asked for a verdict on each payment as it is authorized; it must
	// answer soon, and always. Without it every order is allowed.
	Assess func(ctx context.Context, a Authorized) Verdict
	// Record writes what was noted of new orders, in their transaction. Without it
	// notes are lost.
	Record func(batch *pgx.Batch, notes []Noted)
	// Others are the gateways that open no new payments here, but still have some:
	// a house that changes its gateway keeps its word to the old one's payers.
	Others []payment.Provider
	// MailboxLimit is the most requests that may wait for one clerk; default 50,000.
	MailboxLimit int
}

func (o Options) withDefaults() Options {
	fill := func(d *time.Duration, value time.Duration) {
		if *d <= 0 {
			*d = value
		}
	}
	fill(&o.Hold, 10*time.Minute)
	fill(&o.Abandon, 15*time.Minute)
	fill(&o.Watch, time.Minute)
	fill(&o.Grip, 15*time.Second)
	if o.MailboxLimit <= 0 {
		o.MailboxLimit = mostWaiting
	}
	return o
}

// Checkout is the box office on one node; safe for concurrent use.
type Checkout struct {
	mailbox  *mailbox
	pool     *pgxpool.Pool
	keys     *keyring.Keyring
	gateways []payment.Provider // the first opens new payments
	called   string             // the house, at its gateways
	log      *slog.Logger
	options  Options
	node     string // this process, among those that tell answers

	posts   *batch.Batcher[post, pushed]
	nudges  *batch.Batcher[ropeline.EventID, struct{}]
	rounds  *rounds
	waiters *waiters
	sales   *sales

	placings *groupcommit.Group[placing]
	looks    *groupcommit.Group[look]
	payings  *groupcommit.Group[paying]
	messages *groupcommit.Reads[message]
	captures *groupcommit.Group[knownCapture]

	capturing capturing
}

// New opens the box office; provider opens its payments. Reserve and Release work while Run does.
func New(r *redisdb.Clients, pool *pgxpool.Pool, k *keyring.Keyring, provider payment.Provider, log *slog.Logger, options Options) *Checkout {
	options = options.withDefaults()
	c := &Checkout{
		mailbox: newMailbox(r, options.MailboxLimit), pool: pool, keys: k, log: log, options: options, node: rand.Text(),
		gateways: append([]payment.Provider{provider}, options.Others...), called: k.House(), waiters: newWaiters(), sales: newSales(pool),
	}
	c.posts = batch.New(batch.Options{Size: batchSize, Wait: time.Millisecond, Calls: 4, Alone: pushAlone, Timeout: 2 * time.Second}, c.pushBatch)
	c.nudges = batch.Open(batch.Options{Size: batchSize, Wait: time.Millisecond, Calls: 1, Pace: batch.Steady(lonePace), Timeout: time.Second}, c.nudgeAll)
	c.rounds = newRounds(c.visitAll, c.commitTurns, c.publish)
	c.placings = groupcommit.New(pool, groupcommit.Work[placing]{
		Key: func(o *placing) string { return string(o.asked.Reservation) }, Read: readPlacings, Write: c.writePlacings,
	})
	c.looks = groupcommit.New(pool, groupcommit.Work[look]{
		Key: func(k *look) string { return string(k.payment) }, Read: readLooks, Write: c.writeLooks,
	})
	c.payings = groupcommit.New(pool, groupcommit.Work[paying]{Key: func(p *paying) string { return string(p.payment) }, Read: readPayings, Write: writePayings})
	c.messages = groupcommit.NewReads(pool, readMessages)
	c.captures = groupcommit.New(pool, groupcommit.Work[knownCapture]{
		Key: func(k *knownCapture) string { return k.gateway + "\x00" + k.webhook }, Read: noteCaptures, Lazy: true,
	})
	return c
}

// Run gathers pushes and hears answers until ctx ends. Pushes end first, so
// that whoever was taken in still hears the answer if it comes in time.
func (c *Checkout) Run(ctx context.Context) error {
	hearing, deaf := context.WithCancel(context.WithoutCancel(ctx))
	var g errgroup.Group
	g.Go(func() error { return c.listen(hearing) })
	err := c.posts.Run(ctx)
	deaf()
	if heard := g.Wait(); err == nil {
		err = heard
	}
	return err
}
