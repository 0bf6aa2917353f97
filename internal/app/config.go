package app

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/ropeline/ropeline/fraud"
)

// The roles of a process.
const (
	RoleWeb       = "web"
	RoleAdmission = "admission"
	RoleWorker    = "worker"
)

var allRoles = []string{RoleWeb, RoleAdmission, RoleWorker}

// Config is everything that can be set, by flag or environment. The README's
// table is held to it by a test.
type Config struct {
	DatabaseURL         string        `arg:"--database-url,env:DATABASE_URL" placeholder:"URL" help:"PostgreSQL 15 or later; private one when empty"`
	RedisURL            string        `arg:"--redis-url,env:REDIS_URL" placeholder:"URL" help:"Redis 7 or later, redis+cluster://host:port,… for a cluster; private one when empty"`
	DataDir             string        `arg:"--data-dir,env:ROPELINE_DATA_DIR" placeholder:"DIR" help:"where private engines keep their data; a place of the user's when empty"`
	Listen              string        `arg:"--listen,env:ROPELINE_LISTEN" placeholder:"ADDR" default:"127.0.0.1:8080" help:"address of the web role"`
	MetricsListen       string        `arg:"--metrics-listen,env:ROPELINE_METRICS_LISTEN" placeholder:"ADDR" help:"address of /metrics, /healthz and /readyz alone, for any role; none when empty"`
	PublicURL           string        `arg:"--public-url,env:ROPELINE_PUBLIC_URL" placeholder:"URL" help:"how fans reach the site; http:// and the listening address when empty"`
	Origins             string        `arg:"--origins,env:ROPELINE_ORIGINS" placeholder:"URLS" help:"more origins, by comma, whose pages may call this site"`
	Proxies             string        `arg:"--trusted-proxies,env:ROPELINE_TRUSTED_PROXIES" placeholder:"CIDRS" help:"networks, by comma, whose X-Forwarded-For is believed"`
	Roles               string        `arg:"--roles,env:ROPELINE_ROLES" placeholder:"ROLES" default:"web,admission,worker" help:"what this process does, by comma"`
	Hold                time.Duration `arg:"--hold,env:ROPELINE_HOLD" placeholder:"DURATION" default:"10m" help:"how long a reservation is held for payment"`
	RefundRate          int           `arg:"--refund-rate,env:ROPELINE_REFUND_RATE" placeholder:"N" default:"20" help:"orders of canceled events that are refunded a second, by all processes together"`
	JoinLimit           int           `arg:"--join-limit,env:ROPELINE_JOIN_LIMIT" placeholder:"N" default:"600" help:"joins a minute from one address, or of one fan who is known; 0 for any number"`
	PollLimit           int           `arg:"--poll-limit,env:ROPELINE_POLL_LIMIT" placeholder:"N" default:"600" help:"polls a minute of one fan on one node; 0 for any number"`
	StripeSecretKey     string        `arg:"--stripe-secret-key,env:STRIPE_SECRET_KEY" placeholder:"KEY" help:"sk_… of a Stripe account that takes the money; the sandbox when empty"`
	StripePublicKey     string        `arg:"--stripe-publishable-key,env:STRIPE_PUBLISHABLE_KEY" placeholder:"KEY" help:"pk_… of the same account, for the payment page"`
	StripeWebhookSecret string        `arg:"--stripe-webhook-secret,env:STRIPE_WEBHOOK_SECRET" placeholder:"SECRET" help:"whsec_… of the account's webhook endpoint"`
	StripeURL           string        `arg:"--stripe-url,env:STRIPE_URL" placeholder:"URL" help:"where Stripe's API is, for tests; Stripe's own when empty"`
	DrandURL            string        `arg:"--drand-url,env:ROPELINE_DRAND_URL" placeholder:"URL" help:"where rounds of drand are fetched for draws, e.g. https://api.drand.sh; the organizer pastes them when empty"`
	SMTPURL             string        `arg:"--smtp-url,env:SMTP_URL" placeholder:"URL" help:"mail server: smtp://user:password@host:587 (STARTTLS; ?tls=opportunistic or none to do without), smtps://…:465; mail is only logged when empty"`
	SMTPFrom            string        `arg:"--smtp-from,env:SMTP_FROM" placeholder:"ADDRESS" help:"in whose name mail is sent, such as Box Office <tickets@example.com>"`
	TwilioAccount       string        `arg:"--twilio-account-sid,env:TWILIO_ACCOUNT_SID" placeholder:"SID" help:"Twilio account that sends text messages; none are offered when empty"`
	TwilioToken         string        `arg:"--twilio-auth-token,env:TWILIO_AUTH_TOKEN" placeholder:"TOKEN" help:"of the same account"`
	TwilioFrom          string        `arg:"--twilio-from,env:TWILIO_FROM" placeholder:"NUMBER" help:"in whose name text messages are sent: +15005550006, or a messaging service's MG…"`
	TwilioURL           string        `arg:"--twilio-url,env:TWILIO_URL" placeholder:"URL" help:"where Twilio's API is, for tests; Twilio's own when empty"`
	NotifyRate          int           `arg:"--notify-rate,env:ROPELINE_NOTIFY_RATE" placeholder:"N" default:"20" help:"messages a second by mail, and as many by text message, over all processes"`
	FraudModel          string        `arg:"--fraud-model,env:FRAUD_MODEL" placeholder:"FILE" help:"weights that orders are scored with, as ropeline fraud train writes them; the built-in ones when empty"`
	LogLevel            string        `arg:"--log-level,env:ROPELINE_LOG_LEVEL" placeholder:"LEVEL" default:"info" help:"debug, info, warn or error"`
	LogFormat           string        `arg:"--log-format,env:ROPELINE_LOG_FORMAT" placeholder:"FORMAT" default:"text" help:"text or json"`
}

// DefaultConfig is what the flags' defaults say, for callers that do not parse
// a command line.
func DefaultConfig() Config {
	return Config{Listen: "127.0.0.1:8080", Roles: strings.Join(allRoles, ","), Hold: 10 * time.Minute, RefundRate: 20, JoinLimit: 600, PollLimit: 600, NotifyRate: 20, LogLevel: "info", LogFormat: "text"}
}

// Validate names the first setting that cannot be used.
func (c Config) Validate() error {
	if (c.DatabaseURL == "") != (c.RedisURL == "") {
		return fmt.Errorf("set both DATABASE_URL and REDIS_URL, or neither for private engines")
	}
	if _, _, err := net.SplitHostPort(c.Listen); err != nil {
		return fmt.Errorf("ROPELINE_LISTEN %q: want host:port", c.Listen)
	}
	if _, _, err := net.SplitHostPort(c.MetricsListen); c.MetricsListen != "" && err != nil {
		return fmt.Errorf("ROPELINE_METRICS_LISTEN %q: want host:port", c.MetricsListen)
	}
	for _, raw := range append([]string{c.PublicURL}, split(c.Origins)...) {
		if raw == "" {
			continue
		}
		if u, err := url.Parse(raw); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || strings.Trim(u.Path, "/") != "" {
			return fmt.Errorf("%q: want http(s)://host[:port]", raw)
		}
	}
	if c.DrandURL != "" {
		if u, err := url.Parse(c.DrandURL); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			return fmt.Errorf("ROPELINE_DRAND_URL %q: want http(s)://host", c.DrandURL)
		}
	}
	for _, network := range split(c.Proxies) {
		if _, err := netip.ParsePrefix(network); err != nil {
			return fmt.Errorf("ROPELINE_TRUSTED_PROXIES: %q: want a network such as 10.0.0.0/8", network)
		}
	}
	if len(split(c.Roles)) == 0 {
		return fmt.Errorf("ROPELINE_ROLES is empty: want some of %s", strings.Join(allRoles, ","))
	}
	for _, role := range split(c.Roles) {
		if !slices.Contains(allRoles, role) {
			return fmt.Errorf("ROPELINE_ROLES: %q is none of %s", role, strings.Join(allRoles, ","))
		}
	}
	if c.Has(RoleWorker) && !c.Has(RoleWeb) && c.PublicURL == "" {
		return fmt.Errorf("ROPELINE_PUBLIC_URL is needed by a worker without the web role: the sandbox gateway calls it")
	}
	if err := c.validateStripe(); err != nil {
		return err
	}
	if _, err := c.smtp(); err != nil {
		return err
	}
	if c.TwilioAccount != "" && (c.TwilioToken == "" || c.TwilioFrom == "") {
		return fmt.Errorf("TWILIO_ACCOUNT_SID: want TWILIO_AUTH_TOKEN and TWILIO_FROM with it")
	}
	if c.NotifyRate < 1 || c.NotifyRate > 10_000 {
		return fmt.Errorf("ROPELINE_NOTIFY_RATE %d: want 1 to 10000", c.NotifyRate)
	}
	if c.Hold < time.Second || c.Hold > 24*time.Hour {
		return fmt.Errorf("ROPELINE_HOLD %s: want 1s to 24h", c.Hold)
	}
	if c.RefundRate < 1 || c.RefundRate > 1000 {
		return fmt.Errorf("ROPELINE_REFUND_RATE %d: want 1 to 1000", c.RefundRate)
	}
	if _, err := fraud.LoadModel(c.FraudModel); err != nil {
		return err
	}
	if c.PollLimit < 0 {
		return fmt.Errorf("ROPELINE_POLL_LIMIT %d: want 0 or more", c.PollLimit)
	}
	if c.JoinLimit < 0 {
		return fmt.Errorf("ROPELINE_JOIN_LIMIT %d: want 0 or more", c.JoinLimit)
	}
	if !slices.Contains([]string{"debug", "info", "warn", "error"}, c.LogLevel) {
		return fmt.Errorf("ROPELINE_LOG_LEVEL %q: want debug, info, warn or error", c.LogLevel)
	}
	if c.LogFormat != "text" && c.LogFormat != "json" {
		return fmt.Errorf("ROPELINE_LOG_FORMAT %q: want text or json", c.LogFormat)
	}
	return nil
}

// validateStripe: all three keys or none, each in its own place, and all of
// the test account or of the live one.
func (c Config) validateStripe() error {
	if c.StripeSecretKey == "" && c.StripePublicKey == "" && c.StripeWebhookSecret == "" {
		return nil
	}
	secret, isSecret := cutAny(c.StripeSecretKey, "sk_", "rk_")
	public, isPublic := cutAny(c.StripePublicKey, "pk_")
	switch {
	case !isSecret:
		return fmt.Errorf("STRIPE_SECRET_KEY: want sk_… or rk_…, with STRIPE_PUBLISHABLE_KEY and STRIPE_WEBHOOK_SECRET")
	case !isPublic:
		return fmt.Errorf("STRIPE_PUBLISHABLE_KEY: want pk_…, with STRIPE_SECRET_KEY and STRIPE_WEBHOOK_SECRET")
	case !strings.HasPrefix(c.StripeWebhookSecret, "whsec_"):
		return fmt.Errorf("STRIPE_WEBHOOK_SECRET: want whsec_…, with STRIPE_SECRET_KEY and STRIPE_PUBLISHABLE_KEY")
	case strings.HasPrefix(secret, "test_") != strings.HasPrefix(public, "test_"):
		return fmt.Errorf("STRIPE_SECRET_KEY and STRIPE_PUBLISHABLE_KEY: one is for tests, the other is not")
	}
	if u, err := url.Parse(c.StripeURL); c.StripeURL != "" && (err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "") {
		return fmt.Errorf("STRIPE_URL %q: want http(s)://host[:port]", c.StripeURL)
	}
	return nil
}

func cutAny(s string, prefixes ...string) (rest string, found bool) {
	for _, p := range prefixes {
		if rest, found = strings.CutPrefix(s, p); found {
			return rest, true
		}
	}
	return s, false
}

// Has tells whether the process has a role.
func (c Config) Has(role string) bool { return slices.Contains(split(c.Roles), role) }

func split(list string) []string {
	var parts []string
	for part := range strings.SplitSeq(list, ",") {
		if part = strings.TrimSpace(part); part != "" {
			parts = append(parts, part)
		}
	}
	return parts
}
