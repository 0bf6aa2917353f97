package worker

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hibiken/asynq"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/checkout"
	"github.com/ropeline/ropeline/checkout/payment/sandbox"
	"github.com/ropeline/ropeline/internal/outbox"
	"github.com/ropeline/ropeline/internal/redisdb"
)

// Options are what an installation or a test may choose. A hook that is nil is
// not called.
type Options struct {
	// Stock tells admission what is left of an event, after each batch of its
	// clerk and with each sweep; it fits admission.Admission.Stock.
	Stock func(ctx context.Context, event ropeline.EventID, left, version int64, holding, released []ropeline.FanID) error
	// Done tells admission that a fan has bought; it fits admission.Admission.Done.
	Done func(ctx context.Context, event ropeline.EventID, fan ropeline.FanID) error
	// Sink gets the domain events of the outbox; nil: they stay there.
	Sink EventSink
	// Letters are the messages to people that domain events lead to.
	Letters Letters
	// Sandbox and PublicURL: the sandbox's webhooks are posted to
	// PublicURL + "/payments/webhook".
	Sandbox   *sandbox.Gateway
	PublicURL string
	// Clerks is how many events this process may serve at once; default 64.
	Clerks int
	// Payments is how many calls to the gateway may be under way; default 256.
	Payments int
	// Refunds is how many paid orders of canceled events are ended a second, by
	// all processes together; default 20.
	Refunds int
	// ReconcileOpen is how often payments that are not at their end are compared
	// with the gateway's books, default each minute; ReconcileAll is how often
	// all are, default each day.
	ReconcileOpen, ReconcileAll time.Duration
	// Keep is how long rows stay that nobody needs any more; default 30 days.
	Keep time.Duration
	// KeepNews is how long domain events stay that every reader has taken; default,
	// and the least, 7 days.
	KeepNews time.Duration
	// Prune removes up to limit rows, older than keep, of a room that the worker
	// does not know; it fits web.PruneAnswers with a pool.
	Prune func(ctx context.Context, keep time.Duration, limit int) (gone int, err error)
	// Sweep is the pause between two sweeps; default half a second: a hold whose
	// clerk dies ends after a sweep, the lease of 3 s and another sweep, within 5 s.
	Sweep time.Duration
}

func (o Options) withDefaults() Options {
	if o.Clerks <= 0 {
		o.Clerks = 64
	}
	if o.Payments <= 0 {
		o.Payments = 256
	}
	if o.Refunds <= 0 {
		o.Refunds = 20
	}
	if o.ReconcileOpen <= 0 {
		o.ReconcileOpen = time.Minute
	}
	if o.ReconcileAll <= 0 {
		o.ReconcileAll = 24 * time.Hour
	}
	if o.Keep <= 0 {
		o.Keep = 30 * 24 * time.Hour
	}
	if o.KeepNews < outbox.LeastKept {
		o.KeepNews = outbox.LeastKept
	}
	if o.Sweep <= 0 {
		o.Sweep = 500 * time.Millisecond
	}
	if o.Letters.Sending <= 0 {
		o.Letters.Sending = 8
	}
	if o.Letters.NearAhead <= 0 {
		o.Letters.NearAhead = 100
	}
	if o.Letters.NearWait <= 0 {
		o.Letters.NearWait = 5 * time.Minute
	}
	o.PublicURL = strings.TrimSuffix(o.PublicURL, "/")
	return o
}

const (
	// taskCheck is how often asynq looks for a clerk's wake-up while there is none:
	// what it may cost a fan who waits.
	taskCheck = 15 * time.Millisecond
	// slowCheck is the same for refunds and letters, which nobody waits for.
	slowCheck = 100 * time.Millisecond
)

// refundCalls is how many refunds may be at the gateway at once.
const refundCalls = 64

// graceful is how long tasks may take to end when the worker stops. A clerk
// finishes its batch, a refund its call to the gateway, a message that to its
// server; comparisons with a gateway's books break off.
const graceful = 15 * time.Second

// Worker is one process' worker.
type Worker struct {
	checkout *checkout.Checkout
	redis    *redisdb.Clients
	pool     *pgxpool.Pool
	client   *Client
	log      *slog.Logger
	options  Options
	stock    *stockNews
	horizon  *outbox.Horizon
	http     *http.Client

	calls   chan struct{} // a token for each payment under way
	calling sync.WaitGroup
	owing   chan struct{} // a word: payments are due
	lagging atomic.Bool   // more are due than could be taken up
	handed  handed

	posts   chan struct{} // a token for each post of webhooks under way
	posting sync.WaitGroup
	metrics metrics
}

// New prepares a worker; client stays the caller's to close, after Run.
func New(c *checkout.Checkout, r *redisdb.Clients, pool *pgxpool.Pool, client *Client, log *slog.Logger, options Options) *Worker {
	options = options.withDefaults()
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = deliveries
	w := &Worker{
		checkout: c, redis: r, pool: pool, client: client, log: log, options: options, stock: newStockNews(), horizon: outbox.NewHorizon(pool), metrics: newMetrics(),
		calls: make(chan struct{}, options.Payments), owing: make(chan struct{}, 1), posts: make(chan struct{}, deliveries),
		http: &http.Client{Transport: transport, Timeout: deliveryTime, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
	}
	return w
}

// Run works until ctx ends. The order of the end:
//
//  1. the sweeps, the relay and the deliveries stop looking for work;
//  2. the asynq servers take no new tasks; each clerk finishes its batch, gives
//     its lease back and wakes a successor; each refund finishes its call, each
//     message is handed over; a comparison with a gateway's books breaks off, and
//     is due again; each payment, also those that the last batches have handed
//     over, finishes its call;
//  3. the last stock is told to admission;
//  4. Run returns, and the caller closes the client, Redis and Postgres.
func (w *Worker) Run(ctx context.Context) error {
	clerks := w.server(ctx, queueClerk, w.options.Clerks, taskCheck)
	payments := w.server(ctx, queuePayments, refundCalls, slowCheck)
	letters := w.server(ctx, queueLetters, w.options.Letters.Sending, slowCheck)
	servers := []*asynq.Server{clerks, payments, letters}
	for i, server := range servers {
		if err := server.Start(w.handler(ctx)); err != nil {
			for _, started := range servers[:i] {
				started.Shutdown()
			}
			return err
		}
	}
	telling, quiet := context.WithCancel(context.WithoutCancel(ctx))
	told := make(chan struct{})
	go func() {
		defer close(told)
		w.tellStock(telling)
	}()

	g, loops := errgroup.WithContext(ctx)
	for _, each := range append(w.relays(), []loop{
		{name: "mailboxes", pause: w.options.Sweep, runOnce: w.sweepMailboxes},
		{name: "clerks' dues", pause: w.options.Sweep, runOnce: w.sweepDues},
		{name: "payments", pause: w.options.Sweep, runOnce: w.sweepPayments, hurry: w.owing},
		{name: "refunds", pause: w.options.Sweep, runOnce: w.sweepRefunds},
		{name: "prune", pause: prunePause, runOnce: w.prune},
		{name: "reconciliations", pause: w.options.Sweep, runOnce: w.sweepReconciliations},
		{name: "cancellations", pause: time.Second, runOnce: w.sweepCancellations},
		{name: "sandbox webhooks", pause: deliveryPause, runOnce: w.deliver},
		{name: "sandbox webhooks of this process", pause: deliveryPause, runOnce: w.deliverHanded, hurry: w.webhooksDue()},
		{name: "letters", pause: letterPause, runOnce: w.releaseLetters},
		{name: "turns", pause: nearPause, runOnce: w.sweepTurns},
	}...) {
		g.Go(func() error { return w.every(loops, each) })
	}
	err := g.Wait()
	for _, server := range servers {
		server.Stop() // a clerk who comes now would only wake the next one
	}
	w.posting.Wait()
	for _, server := range servers {
		server.Shutdown()
	}
	w.calling.Wait()
	quiet()
	<-told
	w.http.CloseIdleConnections()
	return err
}

func (w *Worker) server(ctx context.Context, queue string, concurrency int, check time.Duration) *asynq.Server {
	ctx = context.WithoutCancel(ctx) // asynq archives a task whose context ends, and does not wait for it
	return asynq.NewServer(w.redis.Asynq(), asynq.Config{
		Concurrency:       concurrency,
		Queues:            map[string]int{queue: 1},
		TaskCheckInterval: check,
		ShutdownTimeout:   graceful,
		BaseContext:       func() context.Context { return ctx },
		Logger:            asynqLog{w.log.With("by", "asynq", "queue", queue)},
		LogLevel:          asynq.WarnLevel,
	})
}
