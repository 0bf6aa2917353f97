package stripe

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	api "github.com/stripe/stripe-go/v76"
	"github.com/stripe/stripe-go/v76/dispute"
	"github.com/stripe/stripe-go/v76/paymentintent"
	"github.com/stripe/stripe-go/v76/refund"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/checkout/payment"
)

// Name is what payments of this gateway are stored with.
const Name = "stripe"

// Version is the version of the API that calls are made in, and that webhook
// endpoints must be made for.
const Version = "2023-10-16"

// CallTime bounds a call; the library's own limit is 80 s.
const CallTime = 8 * time.Second

// Options open an account.
type Options struct {
	SecretKey     string // sk_… or rk_…
	WebhookSecret string // whsec_…, of the endpoint
	BaseURL       string // of the API, for tests; Stripe's when empty
	Log           *slog.Logger
}

// Gateway is Stripe; safe for concurrent use.
type Gateway struct {
	intents  paymentintent.Client
	refunds  refund.Client
	disputes dispute.Client
	secret   string // of webhooks
	http     *http.Client
}

var _ payment.Provider = (*Gateway)(nil)

// New opens an account; nothing is called yet.
func New(o Options) *Gateway {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	client := &http.Client{Timeout: CallTime, Transport: &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: 3 * time.Second}).DialContext,
		TLSHandshakeTimeout: 3 * time.Second,
		ForceAttemptHTTP2:   true,
		MaxIdleConnsPerHost: 64,
		IdleConnTimeout:     time.Minute,
	}}
	config := &api.BackendConfig{
		HTTPClient: client, MaxNetworkRetries: api.Int64(0), EnableTelemetry: api.Bool(false),
		LeveledLogger: logger{o.Log.With("by", "stripe-go")},
	}
	if o.BaseURL != "" {
		config.URL = api.String(strings.TrimRight(o.BaseURL, "/"))
	}
	backend := api.GetBackendWithConfig(api.APIBackend, config)
	return &Gateway{
		intents: paymentintent.Client{B: backend, Key: o.SecretKey}, refunds: refund.Client{B: backend, Key: o.SecretKey},
		disputes: dispute.Client{B: backend, Key: o.SecretKey}, secret: o.WebhookSecret, http: client,
	}
}

// Close closes connections that are idle.
func (g *Gateway) Close() { g.http.CloseIdleConnections() }

// Name is "stripe".
func (g *Gateway) Name() string { return Name }

// expand asks for the charge of the last attempt, which has the card, the risk
// and what was given back.
var expand = []*string{api.String("latest_charge")}

// Create opens an intent; the same idempotency key gives the same intent.
func (g *Gateway) Create(ctx context.Context, intent payment.Intent) (payment.Object, error) {
	amount, err := toStripe(intent.Amount)
	if err != nil {
		return payment.Object{}, err
	}
	return g.object(attempt(ctx, intent.IdempotencyKey, func(p api.Params) (*api.PaymentIntent, error) {
		return g.intents.New(&api.PaymentIntentParams{
			Params: p, Expand: expand,
			Amount: api.Int64(amount), Currency: api.String(strings.ToLower(intent.Amount.Currency)),
			CaptureMethod:           api.String(string(api.PaymentIntentCaptureMethodManual)),
			AutomaticPaymentMethods: &api.PaymentIntentAutomaticPaymentMethodsParams{Enabled: api.Bool(true)},
			Description:             api.String("Order " + string(intent.OrderID)),
			ReceiptEmail:            text(intent.Email),
			Metadata: map[string]string{
				"house": intent.House, "payment": string(intent.PaymentID), "order": string(intent.OrderID), "event": string(intent.EventID),
			},
		})
	}))
}

// Get reads an intent.
func (g *Gateway) Get(ctx context.Context, ref string) (payment.Object, error) {
	if ref == "" {
		return payment.Object{}, errNoRef
	}
	return g.object(translated(g.intents.Get(ref, &api.PaymentIntentParams{Params: api.Params{Context: ctx}, Expand: expand})))
}

// Capture takes the money of an authorized intent.
func (g *Gateway) Capture(ctx context.Context, ref, key string) (payment.Object, error) {
	if ref == "" {
		return payment.Object{}, errNoRef
	}
	o, err := g.object(attempt(ctx, key, func(p api.Params) (*api.PaymentIntent, error) {
		return g.intents.Capture(ref, &api.PaymentIntentCaptureParams{Params: p, Expand: expand})
	}))
	return g.unless(ctx, ref, o, err, payment.StatusCaptured)
}

// Cancel ends an intent that was not captured.
func (g *Gateway) Cancel(ctx context.Context, ref, key string) (payment.Object, error) {
	if ref == "" {
		return payment.Object{}, errNoRef
	}
	o, err := g.object(attempt(ctx, key, func(p api.Params) (*api.PaymentIntent, error) {
		return g.intents.Cancel(ref, &api.PaymentIntentCancelParams{Params: p, Expand: expand})
	}))
	return g.unless(ctx, ref, o, err, payment.StatusCaptured, payment.StatusCanceled)
}

// unless forgives a refusal when the intent has come to one of these ends
// already, which is what Stripe refuses then.
func (g *Gateway) unless(ctx context.Context, ref string, o payment.Object, err error, ends ...payment.Status) (payment.Object, error) {
	e, ok := errors.AsType[*payment.Error](err)
	if !ok || e.Reason != string(api.ErrorCodePaymentIntentUnexpectedState) {
		return o, err
	}
	now, getErr := g.Get(ctx, ref)
	if getErr != nil {
		return payment.Object{}, getErr
	}
	for _, end := range ends {
		if now.Status == end {
			return now, nil
		}
	}
	return payment.Object{}, err
}

// mostKeys bounds the row of keys of one call.
const mostKeys = 8

// attempt sends a call that changes something, passing over failures that
// Stripe only repeats.
func attempt[T any](ctx context.Context, key string, send func(api.Params) (*T, error)) (*T, error) {
	if key == "" {
		return nil, &payment.Error{Permanent: true, Reason: "idempotency_key_missing"}
	}
	for n := 1; ; n++ {
		got, err := send(api.Params{Context: ctx, IdempotencyKey: api.String(numbered(key, n))})
		if n == mostKeys || !replayed(err) {
			return translated(got, err)
		}
	}
}

func (g *Gateway) object(pi *api.PaymentIntent, err error) (payment.Object, error) {
	if err != nil {
		return payment.Object{}, err
	}
	return objectOf(pi), nil
}

func text(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// currency is Stripe's lower-case name as ISO 4217 writes it.
func currency(c api.Currency) string { return strings.ToUpper(string(c)) }

func money(amount int64, c api.Currency) ropeline.Money { return fromStripe(amount, currency(c)) }
