package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"golang.org/x/sync/errgroup"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/admission"
	"github.com/ropeline/ropeline/catalog"
	"github.com/ropeline/ropeline/checkout"
	"github.com/ropeline/ropeline/checkout/payment"
	"github.com/ropeline/ropeline/checkout/payment/sandbox"
	"github.com/ropeline/ropeline/checkout/payment/stripe"
	"github.com/ropeline/ropeline/fraud"
	"github.com/ropeline/ropeline/identity"
	"github.com/ropeline/ropeline/internal/engines"
	"github.com/ropeline/ropeline/internal/keyring"
	"github.com/ropeline/ropeline/internal/redisdb"
	"github.com/ropeline/ropeline/migrations"
	"github.com/ropeline/ropeline/notify"
	"github.com/ropeline/ropeline/queue"
	"github.com/ropeline/ropeline/queue/draw"
	"github.com/ropeline/ropeline/web"
	"github.com/ropeline/ropeline/web/desk"
	"github.com/ropeline/ropeline/worker"
)

const (
	shutdownTime = 10 * time.Second // for requests under way when the program stops
	dropLead     = 5 * time.Second  // ticking begins this long before a drop
	mostConns    = 24               // to Postgres, a process
)

// App is the program: opened, ready to run.
type App struct {
	config   Config
	log      *slog.Logger
	engines  *engines.Engines // nil when the engines were given
	pool     *pgxpool.Pool
	redis    *redisdb.Clients
	keys     *keyring.Keyring
	tasks    *worker.Client
	listener net.Listener // nil without the web role
	url      string

	registry        *prometheus.Registry
	metricsListener net.Listener // nil when no address was given
	demo            bool         // the demo: links are shown instead of sent

	Catalog   *catalog.Catalog
	Line      *queue.Line
	Admission *admission.Admission
	Checkout  *checkout.Checkout
	Fraud     *fraud.Fraud
	Accounts  *identity.Accounts
	Fans      *identity.Fans
	Notify    *notify.Notify

	stripe  *stripe.Gateway // nil without its keys
	mailLog *slog.Logger
	senders []notify.Sender

	web    *web.Server    // nil without the web role
	worker *worker.Worker // nil without the worker role
}

// Open starts what is needed and connects; what it started is stopped again
// when it fails.
func Open(ctx context.Context, c Config, log *slog.Logger) (app *App, err error) {
	return open(ctx, c, log, log)
}

// open is Open; mailLog shows the messages that are not sent.
func open(ctx context.Context, c Config, log, mailLog *slog.Logger) (app *App, err error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	a := &App{config: c, log: log, mailLog: mailLog}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.Close())
		}
	}()
	if err := a.openEngines(ctx); err != nil {
		return nil, err
	}
	if c.Has(RoleWeb) {
		if a.listener, err = net.Listen("tcp", c.Listen); err != nil {
			return nil, fmt.Errorf("listen: %w", err)
		}
		a.url = "http://" + a.listener.Addr().String()
	}
	if c.MetricsListen != "" {
		if a.metricsListener, err = net.Listen("tcp", c.MetricsListen); err != nil {
			return nil, fmt.Errorf("listen for metrics: %w", err)
		}
	}
	if c.PublicURL != "" {
		a.url = c.PublicURL
	}
	return a, a.openRooms(ctx)
}

func (a *App) openEngines(ctx context.Context) (err error) {
	databaseURL, redisURL := a.config.DatabaseURL, a.config.RedisURL
	if databaseURL == "" {
		dir := a.config.DataDir
		if dir == "" {
			if dir, err = engines.DefaultDataDir(); err != nil {
				return err
			}
		}
		if a.engines, err = engines.Start(ctx, engines.Options{DataDir: dir, Durable: true, Log: a.log}); err != nil {
			return err
		}
		databaseURL, redisURL = a.engines.DatabaseURL(), a.engines.RedisURL()
	}
	if err := migrations.Apply(ctx, databaseURL); err != nil {
		return err
	}
	config, err := pgxpool.ParseConfig(databaseURL)
	if err != nil {
		return fmt.Errorf("DATABASE_URL cannot be read: %w", err)
	}
	config.MaxConns = mostConns
	if a.pool, err = pgxpool.NewWithConfig(ctx, config); err != nil {
		return err
	}
	a.redis, err = redisdb.Open(ctx, redisURL)
	return err
}

func (a *App) openRooms(ctx context.Context) error {
	keys, err := keyring.Load(ctx, a.pool)
	if err != nil {
		return err
	}
	a.keys = keys
	registry := prometheus.NewRegistry()
	a.registry = registry
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))

	a.tasks = worker.NewClient(a.redis)
	box := sandbox.New(a.pool, keys, sandbox.Options{Late: a.config.Hold + 2*time.Second})
	var gateway payment.Provider = box
	var others []payment.Provider
	if a.config.StripeSecretKey != "" {
		a.stripe = stripe.New(stripe.Options{SecretKey: a.config.StripeSecretKey, WebhookSecret: a.config.StripeWebhookSecret, BaseURL: a.config.StripeURL, Log: a.log})
		gateway, others = a.stripe, []payment.Provider{box}
	}
	a.Catalog = catalog.New(a.pool)
	a.Line = queue.New(a.redis, a.pool, keys, a.log)
	a.Admission = admission.New(a.redis, a.pool, keys, a.Line, a.log)
	model, err := fraud.LoadModel(a.config.FraudModel)
	if err != nil {
		return err
	}
	a.Fraud = fraud.New(a.redis, a.pool, keys, model, a.log, fraud.Options{Admitted: a.admitted})
	a.Checkout = checkout.New(a.redis, a.pool, keys, gateway, a.log, checkout.Options{Hold: a.config.Hold, Wake: a.tasks.Wake, Others: others, Assess: a.assess, Record: web.RecordNotes})
	registry.MustRegister(a.Fraud.Collectors()...)
	if err := a.openNotify(); err != nil {
		return err
	}
	registry.MustRegister(a.Notify.Collectors()...)
	registry.MustRegister(a.redis.Measure())
	registry.MustRegister(a.Line.Collectors()...)
	registry.MustRegister(a.Admission.Collectors()...)
	a.Accounts = identity.NewAccounts(a.pool, keys, identity.Options{Mail: a.mail, Adopt: checkout.Adopt, PublicURL: a.url})
	a.Fans = identity.NewFans(keys)

	if a.config.Has(RoleWorker) {
		a.worker = worker.New(a.Checkout, a.redis, a.pool, a.tasks, a.log, worker.Options{
			Stock: a.Admission.Stock, Done: a.Admission.Done, Sink: worker.NewRedisStream(a.redis),
			Letters: worker.Letters{Notify: a.Notify, Catalog: a.Catalog, Line: a.Line, Admission: a.Admission},
			Sandbox: box, PublicURL: a.url, Refunds: a.config.RefundRate,
			Prune: a.prune,
		})
	}
	if a.worker != nil {
		registry.MustRegister(a.worker.Collectors()...)
	}
	if a.config.Has(RoleWeb) {
		a.web, err = web.New(web.Options{
			Version:   Version,
			PublicURL: a.url, Origins: split(a.config.Origins), Proxies: split(a.config.Proxies), JoinLimit: a.config.JoinLimit, PollLimit: a.config.PollLimit,
			Pool: a.pool, Redis: a.redis, Catalog: a.Catalog, Line: a.Line, Admission: a.Admission,
			Checkout: a.Checkout, Fraud: a.Fraud, Sandbox: box, StripeKey: a.config.StripePublicKey, Fans: a.Fans, Accounts: a.Accounts, Keys: keys,
			Notify: a.Notify, Inspector: a.tasks.Inspector(), Metrics: registry, Log: a.log,
		})
	}
	return err
}

// live lists the events whose line moves now.
func (a *App) live(ctx context.Context) ([]ropeline.EventID, error) {
	return a.Catalog.Live(ctx, dropLead)
}

// CreateEvent makes an event with its rules and stock, in the name of somebody.
func (a *App) CreateEvent(ctx context.Context, event ropeline.Event, rules admission.Rules, by string) (created ropeline.Event, err error) {
	err = pgx.BeginFunc(ctx, a.pool, func(tx pgx.Tx) error {
		created, err = a.web.CreateEvent(ctx, tx, event, rules, queue.Plan{}, by)
		return err
	})
	return created, err
}

// URL is where fans reach the site.
func (a *App) URL() string { return a.url }

// Pool is the program's database, for tests and tools.
func (a *App) Pool() *pgxpool.Pool { return a.pool }

// Run serves until ctx ends or a part fails, and then stops in this order:
//
//  1. HTTP: no new requests; sockets are told to reconnect elsewhere, and
//     requests under way get ten seconds.
//  2. Admission and worker: a tick, a batch or a job under way ends.
//  3. The batchers of line and mailbox, which the others used until now.
//
// Close, after Run, leaves the engines.
func (a *App) Run(ctx context.Context) error {
	base, stopBase := context.WithCancel(context.WithoutCancel(ctx))
	middle, stopMiddle := context.WithCancel(base)
	front, stopFront := context.WithCancel(middle)
	defer stopBase()
	defer stopMiddle()
	defer stopFront()
	unhook := context.AfterFunc(ctx, stopFront)
	defer unhook()

	var fronts, middles, bases errgroup.Group
	run := func(g *errgroup.Group, ctx context.Context, part func(context.Context) error) {
		g.Go(func() error {
			defer stopFront() // a part that ends, ends the program
			err := part(ctx)
			if ctx.Err() != nil && errors.Is(err, context.Canceled) {
				return nil
			}
			return err
		})
	}
	run(&bases, base, func(ctx context.Context) error { return a.keys.Run(ctx, a.log) })
	if a.metricsListener != nil {
		run(&bases, base, a.observe)
	}
	run(&bases, base, a.Line.Run)
	run(&bases, base, a.Checkout.Run)
	run(&bases, base, a.Fraud.Run)
	if a.config.Has(RoleAdmission) {
		run(&middles, middle, func(ctx context.Context) error { return a.Admission.Run(ctx, a.live) })
		run(&middles, middle, a.Line.RunDraws)
		if a.config.DrandURL != "" {
			fetcher := draw.NewFetcher(a.config.DrandURL)
			run(&middles, middle, func(ctx context.Context) error { return a.Line.RunFetches(ctx, fetcher) })
		}
	}
	if a.worker != nil {
		defer roomy()()
		run(&middles, middle, a.worker.Run)
	}
	if a.web != nil {
		run(&fronts, front, a.serve)
	}
	<-front.Done()
	err := fronts.Wait()
	stopMiddle()
	err = errors.Join(err, middles.Wait())
	stopBase()
	return errors.Join(err, bases.Wait())
}

// serve answers HTTP until ctx ends.
func (a *App) serve(ctx context.Context) error {
	server := &http.Server{
		Handler:           a.web.Handler(),
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      60 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          slog.NewLogLogger(a.log.Handler(), slog.LevelDebug),
	}
	var g errgroup.Group
	hub, stopHub := context.WithCancel(context.WithoutCancel(ctx))
	defer stopHub()
	g.Go(func() error { return a.web.Run(hub) })
	g.Go(func() error {
		if err := server.Serve(a.listener); !errors.Is(err, http.ErrServerClosed) {
			stopHub()
			return err
		}
		return nil
	})
	select {
	case <-ctx.Done():
	case <-hub.Done():
	}
	stopHub()
	deadline, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTime)
	defer cancel()
	err := server.Shutdown(deadline)
	if errors.Is(err, context.DeadlineExceeded) {
		err = server.Close()
	}
	return errors.Join(err, g.Wait())
}

// Close disconnects and stops the private engines.
func (a *App) Close() error {
	var errs []error
	for _, listener := range []net.Listener{a.listener, a.metricsListener} {
		if listener != nil {
			if err := listener.Close(); !errors.Is(err, net.ErrClosed) {
				errs = append(errs, err)
			}
		}
	}
	if a.tasks != nil {
		errs = append(errs, a.tasks.Close())
	}
	if a.redis != nil {
		errs = append(errs, a.redis.Close())
	}
	for _, sender := range a.senders {
		errs = append(errs, sender.Close())
	}
	if a.stripe != nil {
		a.stripe.Close()
	}
	if a.pool != nil {
		a.pool.Close()
	}
	if a.engines != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		errs = append(errs, a.engines.Stop(ctx))
	}
	return errors.Join(errs...)
}

// prune removes what the worker does not know of.
func (a *App) prune(ctx context.Context, keep time.Duration, limit int) (gone int, err error) {
	for _, one := range []func(context.Context, *pgxpool.Pool, time.Duration, int) (int, error){web.PruneAnswers, catalog.PrunePictures, desk.PruneSamples} {
		n, failed := one(ctx, a.pool, keep, limit)
		gone, err = gone+n, errors.Join(err, failed)
	}
	return gone, err
}
