package app

import (
	"bytes"
	"context"
	_ "embed"
	"io"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/fetch"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/ropeline/ropeline/checkout/payment/stripe/stripefake"
	"github.com/ropeline/ropeline/internal/engines"
)

// standIn is a small script in the place of Stripe's own.
//
//go:embed testdata/stripe_standin.js
var standIn []byte

// wires stand between a browser and the world: Stripe's script is the stand-in,
// Stripe's API is the fake, every other secure address is refused, and whatever
// a page asks for is remembered.
type wires struct {
	api string
	tab *browser

	mu     sync.Mutex
	hosts  map[string]int
	broken bool // Stripe's API cannot be reached
}

func (w *wires) cut(broken bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.broken = broken
}

// intercept takes every request of the tab.
func (w *wires) intercept(t *testing.T) {
	t.Helper()
	w.hosts = map[string]int{}
	var answering sync.WaitGroup
	t.Cleanup(answering.Wait)
	err := chromedp.Listen(w.tab.ctx, func(e any) {
		switch e := e.(type) {
		case *fetch.EventRequestPaused:
			answering.Go(func() { w.answer(e) })
		case *network.EventRequestWillBeSent:
			if u, err := url.Parse(e.Request.URL); err == nil {
				w.mu.Lock()
				w.hosts[u.Scheme+"://"+u.Host]++
				w.mu.Unlock()
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	w.tab.do("stand between the browser and the world", chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		if _, err := cdp.Call(ctx, target, network.Enable, network.EnableParams{}); err != nil {
			return err
		}
		_, err := cdp.Call(ctx, target, fetch.Enable, fetch.EnableParams{Patterns: []*fetch.RequestPattern{{URLPattern: "https://*"}}})
		return err
	}))
}

func (w *wires) answer(p *fetch.EventRequestPaused) {
	u, err := url.Parse(p.Request.URL)
	if err != nil {
		return
	}
	w.mu.Lock()
	broken := w.broken
	w.mu.Unlock()
	ctx, cancel := w.tab.within(20 * time.Second)
	defer cancel()
	act := chromedp.Func(func(ctx context.Context, target *chromedp.Target) (err error) {
		switch {
		case u.Host == "js.stripe.com":
			_, err = cdp.Call(ctx, target, fetch.FulfillRequest, fetch.FulfillRequestParams{RequestID: p.RequestID, ResponseCode: 200,
				ResponseHeaders: []*fetch.HeaderEntry{{Name: "Content-Type", Value: "text/javascript"}}, Body: standIn})
		case u.Host == "api.stripe.com" && !broken:
			status, body := w.forward(ctx, p.Request.Method, u)
			_, err = cdp.Call(ctx, target, fetch.FulfillRequest, fetch.FulfillRequestParams{RequestID: p.RequestID, ResponseCode: status,
				ResponseHeaders: []*fetch.HeaderEntry{{Name: "Content-Type", Value: "application/json"}, {Name: "Access-Control-Allow-Origin", Value: "*"}}, Body: body})
		default:
			_, err = cdp.Call(ctx, target, fetch.FailRequest, fetch.FailRequestParams{RequestID: p.RequestID, ErrorReason: "ConnectionRefused"})
		}
		return err
	})
	_ = chromedp.Do(ctx, act) // a page that is left no longer waits
}

// forward asks the fake, for a browser that knows the publishable key and the
// client secret only.
func (w *wires) forward(ctx context.Context, method string, u *url.URL) (int64, []byte) {
	key := stripefake.PublishableKey
	if method == http.MethodGet {
		key = stripefake.SecretKey // the fake reads intents for servers only
	}
	if u.Query().Get("key") != stripefake.PublishableKey {
		return http.StatusUnauthorized, []byte(`{"error":{"type":"invalid_request_error","message":"no key"}}`)
	}
	request, err := http.NewRequestWithContext(ctx, method, w.api+u.RequestURI(), nil)
	if err != nil {
		return http.StatusBadGateway, nil
	}
	request.Header.Set("Authorization", "Bearer "+key)
	request.Header.Set("Stripe-Version", "2023-10-16")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return http.StatusBadGateway, nil
	}
	defer response.Body.Close()
	body, _ := io.ReadAll(response.Body)
	return int64(response.StatusCode), body
}

// stripeHouse is the program with Stripe's keys, whose webhooks come as they
// are made.
func stripeHouse(t *testing.T) (*App, *stripefake.Server) {
	t.Helper()
	fake := stripefake.New(nil)
	t.Cleanup(fake.Close)
	app := openTest(t, engines.Test(t), func(c *Config) {
		c.Hold, c.StripeURL = 2*time.Minute, fake.URL
		c.StripeSecretKey, c.StripePublicKey, c.StripeWebhookSecret = stripefake.SecretKey, stripefake.PublishableKey, stripefake.WebhookSecret
	})
	ctx, stop := context.WithCancel(context.Background())
	posting := make(chan struct{})
	go func() {
		defer close(posting)
		ticker := time.NewTicker(20 * time.Millisecond)
		defer ticker.Stop()
		for {
			for _, m := range fake.Webhooks() {
				request, _ := http.NewRequestWithContext(ctx, http.MethodPost, app.URL()+"/payments/webhook", bytes.NewReader(m.Body))
				request.Header = m.Header.Clone()
				response, err := http.DefaultClient.Do(request)
				if ctx.Err() != nil {
					return
				}
				if err != nil {
					t.Error(err)
					continue
				}
				if response.Body.Close(); response.StatusCode != http.StatusNoContent {
					t.Errorf("a webhook was answered with %d", response.StatusCode)
				}
			}
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
		}
	}()
	t.Cleanup(func() { stop(); <-posting; http.DefaultClient.CloseIdleConnections() })
	return app, fake
}

// TestPersonPaysByStripe is a person on the payment page with Stripe's form: a
// card that is declined, a network that is lost, a bank that asks on its own
// site and sends the browser back, and a paid order. The page asks nobody but
// its own site and Stripe.
func TestPersonPaysByStripe(t *testing.T) {
	t.Parallel()
	app, fake := stripeHouse(t)
	event, err := app.CreateEvent(t.Context(), testEvent(50), testRules(), "test")
	if err != nil {
		t.Fatal(err)
	}
	b := openBrowser(t)
	w := &wires{api: fake.URL, tab: b}
	w.intercept(t)
	b.do("open the event", chromedp.Navigate(app.URL()+"/events/"+string(event.ID)), chromedp.WaitVisible(chromedp.CSS("#join button")))
	b.do("join", chromedp.Click(chromedp.CSS("#join button")), scene("turn"))
	b.do("enter", chromedp.Click(chromedp.CSS(`[data-scene="turn"] button`)), scene("choose"))
	b.awaits("choose one", `(() => {
		const more = document.querySelector('[data-step="1"]'), reserve = document.querySelector('[data-f="reserve"]');
		if (document.readyState !== 'complete' || !more) return false;
		if (reserve.disabled) more.click();
		return !reserve.disabled;
	})()`)
	b.do("reserve", holds("(document.querySelector('[data-f=\"reserve\"]').click(), true)"), scene("held"))
	b.do("order", chromedp.SendKeys(chromedp.CSS("#email"), "person@example.org"))
	w.mu.Lock()
	for host := range w.hosts {
		if host != app.URL() && host != "data://" {
			t.Errorf("before the payment a page asks %s", host)
		}
	}
	w.mu.Unlock()
	b.do("go to the payment", chromedp.Click(chromedp.CSS(`[data-f="pay"]`)), chromedp.WaitVisible(chromedp.CSS(`#standin`)))
	b.shoot("stripe", 1100, 1000)
	b.shoot("stripe-phone", 360, 740)
	pay := func(number, says string) {
		t.Helper()
		b.do("pay with "+number, chromedp.Evaluate[chromedp.Void](`document.querySelector('#standin').value = '`+number+`'`),
			chromedp.Click(chromedp.CSS(`[data-f="pay"]`)))
		if says != "" {
			b.do("be told: "+says, holds(`document.querySelector('[data-f="trouble"]').textContent.includes('`+says+`') && !document.querySelector('[data-f="pay"]').disabled`))
		}
	}
	pay(stripefake.Declines, "Your card was declined.")
	w.cut(true)
	pay(stripefake.Approves, "No connection")
	w.cut(false)
	b.do("the bank will say no", chromedp.Evaluate[chromedp.Void](`localStorage.setItem('bank', 'no')`))
	pay(stripefake.Asks3DS, "")
	b.awaits("come back from the bank's site", `!!document.querySelector('[data-f="trouble"]')?.textContent.includes('Your bank could not tell') && !location.search && !!document.querySelector('#standin')`)
	b.do("the bank will say yes", chromedp.Evaluate[chromedp.Void](`localStorage.setItem('bank', 'yes')`))
	pay(stripefake.Asks3DS, "")
	b.awaits("hold the ticket", `!!document.querySelector('#order[data-state="paid"] img[src$="/qr.png"]')`)

	w.mu.Lock()
	defer w.mu.Unlock()
	for host := range w.hosts {
		switch host {
		case app.URL(), "https://js.stripe.com", "https://api.stripe.com", "data://":
		default:
			t.Errorf("the page asked %s", host)
		}
	}
	var order string
	if err := app.Pool().QueryRow(t.Context(), "select order_id from payments").Scan(&order); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/orders/" + order + "/pay", "/orders/0dq3k5m2p8r7t1v9b4c6f0h0d1/pay", "/orders/x/pay"} {
		response, err := http.Get(app.URL() + path)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(response.Body)
		response.Body.Close()
		if response.StatusCode < 400 || response.StatusCode >= 500 || bytes.Contains(body, []byte("_secret_")) {
			t.Errorf("a stranger at %s is answered with %d: %s", path, response.StatusCode, body)
		}
	}
	var brand, country string
	if err := app.Pool().QueryRow(t.Context(), "select card_brand, card_country from payments where provider = 'stripe' and state = 'confirmed'").Scan(&brand, &country); err != nil || brand != "visa" || country != "DE" {
		t.Errorf("%v: the card is kept as %s of %s", err, brand, country)
	}
}
