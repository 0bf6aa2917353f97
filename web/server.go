package web

import (
	"context"
	"log/slog"
	"net/http"
	"runtime"
	"strings"

	"github.com/gin-gonic/gin"
	"github.com/hibiken/asynq"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/ulule/limiter/v3"
	"golang.org/x/sync/errgroup"

	"github.com/ropeline/ropeline/admission"
	"github.com/ropeline/ropeline/catalog"
	"github.com/ropeline/ropeline/checkout"
	"github.com/ropeline/ropeline/checkout/payment/sandbox"
	"github.com/ropeline/ropeline/fraud"
	"github.com/ropeline/ropeline/identity"
	"github.com/ropeline/ropeline/internal/keyring"
	"github.com/ropeline/ropeline/internal/redisdb"
	"github.com/ropeline/ropeline/notify"
	"github.com/ropeline/ropeline/queue"
	"github.com/ropeline/ropeline/web/desk"
	"github.com/ropeline/ropeline/web/hub"
	"github.com/ropeline/ropeline/web/pages"
)

// Options are the rooms that the server stands in front of.
type Options struct {
	PublicURL string   // as fans see it, e.g. https://tickets.example
	Version   string   // of the program, for the document of the API
	Proxies   []string // networks whose X-Forwarded-For is believed
	JoinLimit int      // joins per minute of one fan, or of one address with fresh identities; 0: any number
	PollLimit int      // polls per minute of one fan on this node; 0: any number
	Origins   []string // more origins that may open sockets and post, besides PublicURL's

	Pool      *pgxpool.Pool
	Redis     *redisdb.Clients
	Catalog   *catalog.Catalog
	Line      *queue.Line
	Admission *admission.Admission
	Checkout  *checkout.Checkout
	Fraud     *fraud.Fraud     // nil: orders are not scored
	Sandbox   *sandbox.Gateway // for the payments that are its own; nil: it has none
	StripeKey string           // the publishable one, for the page of Stripe's payments
	Fans      *identity.Fans
	Accounts  *identity.Accounts
	Keys      *keyring.Keyring
	Notify    *notify.Notify   // nil: no messages are offered
	Inspector *asynq.Inspector // of the worker's queues; nil: they are not shown
	Metrics   *prometheus.Registry
	Log       *slog.Logger
}

// Server answers HTTP. Run keeps its live hub; Handler serves meanwhile.
type Server struct {
	pool      *pgxpool.Pool
	redis     *redisdb.Clients
	catalog   *catalog.Catalog
	line      *queue.Line
	admission *admission.Admission
	checkout  *checkout.Checkout
	fraud     *fraud.Fraud
	sandbox   *sandbox.Gateway
	stripeKey string
	fans      *identity.Fans
	accounts  *identity.Accounts
	keys      *keyring.Keyring
	notify    *notify.Notify
	inspector *asynq.Inspector
	hub       *hub.Hub
	sales     *desk.Desk
	pages     *pages.Renderer
	log       *slog.Logger
	registry  *prometheus.Registry
	metrics   metrics

	publicURL               string // without a slash at the end
	origins                 map[string]bool
	secure                  bool // cookies only over https
	cookieEnd, cookiePrefix string
	loopback                bool // the site is on the machine itself
	proxied                 bool // some proxies are believed
	attempts                attempts
	joinLimit               *limiter.Limiter // nil: none
	pollLimit               *limiter.Limiter // nil: none
	handler                 http.Handler
	presses                 chan struct{} // a token for each PDF under way
	exports                 chan struct{} // a token for each export under way
	easel                   chan struct{} // a token for the picture that is being made

	document     []byte // /openapi.json
	documentPage pages.APIView
}

// New wires the routes.
func New(o Options) (*Server, error) {
	renderer, err := pages.New()
	if err != nil {
		return nil, err
	}
	attempts, err := newAttempts(o.Redis)
	if err != nil {
		return nil, err
	}
	joinLimit, err := newJoinLimit(o.Redis, o.JoinLimit)
	if err != nil {
		return nil, err
	}
	s := &Server{
		pool: o.Pool, redis: o.Redis, catalog: o.Catalog, line: o.Line, admission: o.Admission,
		checkout: o.Checkout, fraud: o.Fraud, sandbox: o.Sandbox, stripeKey: o.StripeKey, fans: o.Fans, accounts: o.Accounts, keys: o.Keys,
		hub:    hub.New(o.Catalog, o.Line, o.Admission, o.Checkout, o.Metrics, o.Log),
		notify: o.Notify, inspector: o.Inspector,
		pages: renderer, log: o.Log, registry: o.Metrics, metrics: newMetrics(o.Metrics),
		publicURL: strings.TrimRight(o.PublicURL, "/"), origins: map[string]bool{originOf(o.PublicURL): true},
		secure: strings.HasPrefix(o.PublicURL, "https://"), loopback: isLoopback(o.PublicURL), proxied: len(o.Proxies) > 0, attempts: attempts, joinLimit: joinLimit, pollLimit: newPollLimit(o.PollLimit),
	}
	for _, origin := range o.Origins {
		s.origins[originOf(origin)] = true
	}
	s.sales = desk.New(o.Pool, o.Catalog, o.Line, o.Admission, o.Checkout, s.hub, o.Log)
	s.cookieEnd = "; HttpOnly; SameSite=Lax"
	if s.secure {
		s.cookieEnd += "; Secure"
		s.cookiePrefix = hostPrefix
	}
	s.easel = make(chan struct{}, 1)
	s.exports = make(chan struct{}, mostExports)
	s.presses = make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2))
	routes := s.routes()
	if err := routes.SetTrustedProxies(o.Proxies); err != nil {
		return nil, err
	}
	if err := s.describe(routes, o.Version); err != nil {
		return nil, err
	}
	s.handler = s.protect(routes)
	return s, nil
}

// Handler is the whole site.
func (s *Server) Handler() http.Handler { return s.handler }

// Run serves the live hub and the desk until ctx ends.
func (s *Server) Run(ctx context.Context) error {
	var parts errgroup.Group
	parts.Go(func() error { return s.hub.Run(ctx) })
	parts.Go(func() error { return s.sales.Run(ctx) })
	return parts.Wait()
}

func (s *Server) routes() *gin.Engine {
	gin.SetMode(gin.ReleaseMode)
	g := gin.New()
	g.HandleMethodNotAllowed = true
	g.Use(s.recover, s.measure)
	g.NoRoute(s.handle(noRoute))
	g.NoMethod(s.handle(noMethod))

	g.GET("/", s.handle(s.eventsPage))
	g.GET("/events", s.handle(s.listEvents))
	g.GET("/events/:event", s.handle(s.getEvent))
	g.POST("/events/:event/queue", s.handle(s.join))
	g.GET("/events/:event/queue", s.handle(s.poll))
	g.DELETE("/events/:event/queue", s.handle(s.leave))
	g.GET("/events/:event/queue/ws", s.handle(s.socket))
	g.GET("/events/:event/queue/sse", s.handle(s.stream))
	g.GET("/events/:event/work", s.handle(s.work))
	g.GET("/events/:event/pace", s.handle(s.pace))
	g.POST("/events/:event/queue/link", s.handle(s.makeLink))
	g.POST("/events/:event/leave", s.handle(s.leaveForm))
	g.GET("/recover/:token", s.handle(s.recoverPlace))
	g.POST("/recover/:token", s.handle(s.recoverPlace))
	g.GET("/events/:event/fairness", s.handle(s.fairness))
	g.GET("/events/:event/fairness/file", s.handle(s.fairnessFile))
	g.GET("/events/:event/receipt", s.handle(s.receipt))
	g.POST("/events/:event/enter", s.handle(s.enter))
	g.POST("/events/:event/reserve-tickets", s.handle(s.reserve))
	g.GET("/events/:event/line", s.handle(s.linePage))
	g.POST("/events/:event/line", s.handle(s.joinForm))
	g.GET("/events/:event/shop", s.handle(s.shopPage))
	g.GET("/reservations/:reservation", s.handle(s.getReservation))
	g.PUT("/reservations/:reservation", s.handle(s.changeReservation))
	g.DELETE("/reservations/:reservation", s.handle(s.releaseReservation))
	g.POST("/orders", s.handle(s.placeOrder))
	if s.notify != nil {
		g.POST("/events/:event/notify", s.handle(s.setAlert))
		g.DELETE("/events/:event/notify", s.handle(s.dropAlert))
		g.POST("/orders/:order/resend", s.handle(s.resendTickets))
	}
	g.GET("/orders/:order", s.handle(s.getOrder))
	g.GET("/orders/:order/pay", s.handle(s.stripePage))
	g.GET("/users/me/tickets", s.handle(s.myTickets))
	g.POST("/accounts", s.handle(s.register))
	g.POST("/accounts/reset", s.handle(s.register))
	g.POST("/accounts/password", s.handle(s.setPassword))
	g.POST("/sessions", s.handle(s.openSession))
	g.GET("/sessions", s.handle(s.listSessions))
	g.DELETE("/sessions", s.handle(s.closeSessions))
	g.DELETE("/sessions/current", s.handle(s.closeSession))
	g.GET("/account", s.handle(s.accountPage))
	g.POST("/logout", s.handle(s.fanLogout))
	for path, page := range map[string]func(*gin.Context) error{
		"/login": s.fanLoginPage, "/register": s.linkPage, "/forgot": s.linkPage, "/password/:token": s.passwordPage,
	} {
		g.GET(path, s.handle(page))
		g.POST(path, s.handle(page))
	}
	g.GET("/tickets/:ticket/qr.png", s.handle(s.ticketQR))
	g.GET("/tickets/:ticket", s.handle(s.ticketPDF))
	g.GET("/tickets/:ticket/transfer", s.handle(s.transferPage))
	g.POST("/tickets/:ticket/transfer", s.handle(s.transferTicket))
	g.GET("/orders/:order/tickets.pdf", s.handle(s.orderPDF))
	g.GET("/pictures/:hash/:file", s.handle(s.pictureFile))
	g.GET("/events/:event/calendar.ics", s.handle(s.calendar))
	g.GET("/events/:event/gate/keys", s.handle(s.gateKeys))
	g.POST("/payments/webhook", s.handle(s.webhook))
	if s.sandbox != nil {
		g.GET("/sandbox/pay/:ref", s.handle(s.sandboxPage))
		g.POST("/sandbox/intents/:ref/confirm", s.handle(s.sandboxConfirm))
	}

	g.GET("/admin/login", s.handle(s.loginPage))
	g.POST("/admin/login", s.handle(s.login))
	g.POST("/admin/logout", s.handle(s.logout))
	admin := g.Group("/admin", s.desk)
	admin.GET("", s.handle(s.organizerPage))
	admin.GET("/audit", s.handle(s.audit))
	admin.GET("/organizations", s.handle(s.listOrganizations))
	admin.POST("/organizations", s.handle(s.createOrganization))
	people := admin.Group("/organizations/:organization")
	people.GET("", s.handle(s.getOrganization))
	people.PUT("", s.handle(s.editOrganization))
	people.PUT("/members/:account", s.handle(s.setRole))
	people.DELETE("/members/:account", s.handle(s.setRole))
	people.POST("/invitations", s.handle(s.invite))
	people.DELETE("/invitations/:invite", s.handle(s.uninvite))
	people.POST("/keys", s.handle(s.createKey))
	people.DELETE("/keys/:key", s.handle(s.revokeKey))
	admin.GET("/security", s.handle(s.securityPage))
	admin.POST("/security/totp", s.handle(s.beginTOTP))
	admin.PUT("/security/totp", s.handle(s.confirmTOTP))
	admin.DELETE("/security/totp", s.handle(s.endTOTP))
	g.GET("/invitations/:token", s.handle(s.invitation))
	g.POST("/invitations/:token", s.handle(s.invitation))
	admin.POST("/events", s.handle(s.createEvent))
	admin.POST("/events/preview", s.handle(s.previewEvent))
	if s.notify != nil {
		admin.GET("/notifications", s.handle(s.notifications))
		admin.POST("/notifications", s.handle(s.resendNotification))
	}
	if s.inspector != nil {
		admin.GET("/queues", s.handle(s.queues))
		admin.POST("/queues/:queue", s.handle(s.changeTask))
	}
	admin.GET("/events/:event", s.handle(s.organizerEventPage))
	admin.PATCH("/events/:event", s.handle(s.changeEvent))
	admin.POST("/events/:event", s.handle(s.changeEventForm))
	admin.GET("/events/:event/live", s.handle(s.liveCounts))
	admin.GET("/events/:event/live/sse", s.handle(s.liveStream))
	admin.GET("/events/:event/samples", s.handle(s.samples))
	admin.GET("/events/:event/report", s.handle(s.report))
	admin.GET("/events/:event/announcements", s.handle(s.listAnnouncements))
	admin.PUT("/events/:event/announcement", s.handle(s.announce))
	admin.DELETE("/events/:event/announcement", s.handle(s.retract))
	admin.GET("/events/:event/rules", s.handle(s.getRules))
	admin.PUT("/events/:event/rules", s.handle(s.putRules))
	admin.PUT("/events/:event/entropy", s.handle(s.putEntropy))
	admin.POST("/events/:event/rules/preview", s.handle(s.previewRules))
	admin.POST("/events/:event/publish", s.handle(s.publishEvent))
	admin.POST("/events/:event/duplicate", s.handle(s.duplicateEvent))
	admin.POST("/events/:event/picture", s.handle(s.setPicture))
	admin.DELETE("/events/:event/picture", s.handle(s.dropPicture))
	admin.GET("/events/:event/exports/:export", s.handle(s.exportCSV))
	admin.GET("/events/:event/capacity", s.handle(s.getCapacity))
	admin.PUT("/events/:event/types/:type", s.handle(s.setCapacity))
	admin.POST("/events/:event/phase", s.handle(s.setPhase))
	admin.GET("/events/:event/fraud", s.handle(s.getThresholds))
	admin.PUT("/events/:event/fraud", s.handle(s.putThresholds))
	admin.POST("/events/:event/fraud", s.handle(s.putThresholds))
	admin.GET("/reviews", s.handle(s.listReviews))
	admin.POST("/reviews/:order", s.handle(s.decideReview))
	admin.GET("/reconciliations", s.handle(s.listReconciliations))
	admin.GET("/reconciliations/:run", s.handle(s.getReconciliation))
	admin.GET("/orders", s.handle(s.listOrders))
	admin.GET("/orders/:order", s.handle(s.orderFile))
	admin.POST("/orders/:order/refunds", s.handle(s.refundOrder))
	admin.POST("/orders/:order/cancel", s.handle(s.cancelOrder))
	if s.notify != nil {
		admin.POST("/orders/:order/resend", s.handle(s.resendOrder))
	}
	admin.POST("/events/:event/cancel", s.handle(s.cancelEvent))
	admin.GET("/events/:event/cancel", s.handle(s.cancellation))
	admin.POST("/events/:event/stop", s.handle(s.stopAdmissions))
	admin.POST("/events/:event/bypass", s.handle(s.bypass))

	admin.POST("/events/:event/checkins", s.handle(s.checkIn))
	admin.GET("/events/:event/checkins", s.handle(s.listCheckIns))
	admin.GET("/events/:event/checkins/counts", s.handle(s.countCheckIns))
	admin.GET("/events/:event/revocations", s.handle(s.revocations))
	admin.GET("/events/:event/entered", s.handle(s.entered))
	admin.POST("/tickets/:ticket/revoke", s.handle(s.revokeTicket))
	admin.POST("/tickets/:ticket/reissue", s.handle(s.reissueTicket))
	admin.POST("/tickets/:ticket/undo-checkin", s.handle(s.undoCheckIn))

	g.GET("/gate/sw.js", s.handle(s.gateWorker))
	gate := g.Group("/gate", s.desk)
	gate.GET("", s.handle(s.gatesPage))
	gate.GET("/:event", s.handle(s.gatePage))

	g.GET("/openapi.json", s.handle(s.openAPI))
	g.GET("/docs/api", s.handle(s.apiPage))
	g.GET("/healthz", s.handle(s.healthz))
	g.GET("/readyz", s.handle(s.readyz))
	g.GET("/metrics", s.metricsHandler())
	static := gin.WrapH(s.pages.Static())
	g.GET("/static/*file", static)
	g.HEAD("/static/*file", static)
	return g
}

// handle turns a handler that may fail into gin's kind.
func (s *Server) handle(f func(*gin.Context) error) gin.HandlerFunc {
	return func(c *gin.Context) {
		if err := f(c); err != nil {
			s.fail(c, err)
		}
	}
}
