package app

import (
	"context"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/internal/engines"
)

// quietLine is an event whose line stands still, with so many fans in it.
func quietLine(t *testing.T, fans int) (*App, ropeline.Event, []ropeline.FanID) {
	t.Helper()
	app := openTest(t, engines.Test(t), nil)
	rules := testRules()
	rules.Paused = true
	event, err := app.CreateEvent(t.Context(), testEvent(50), rules, "test")
	if err != nil {
		t.Fatal(err)
	}
	var ahead []ropeline.FanID
	for range fans {
		fan := ropeline.NewID[ropeline.FanID]()
		if _, err := app.Line.Join(t.Context(), event.ID, fan, nil); err != nil {
			t.Fatal(err)
		}
		ahead = append(ahead, fan)
	}
	return app, event, ahead
}

func (b *browser) tab() *browser {
	b.t.Helper()
	ctx, closeTab := chromedp.NewContext(b.ctx)
	b.t.Cleanup(closeTab)
	if err := chromedp.Do(ctx); err != nil { // without a deadline, which would be the tab's
		b.t.Fatalf("open a tab: %v", err)
	}
	return &browser{b.t, ctx}
}

func offline(yes bool) void {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, network.OverrideNetworkState, network.OverrideNetworkStateParams{Offline: yes, DownloadThroughput: -1, UploadThroughput: -1})
		return err
	})
}

func shows(at string) void { return holds(position(at)) }

// awaits is holds for a tab in the background, where a browser draws nothing.
func (b *browser) awaits(what, expression string) {
	b.t.Helper()
	eventually(b.t, 20*time.Second, what, func() bool {
		ctx, cancel := b.within(5 * time.Second)
		defer cancel()
		yes, err := chromedp.Run(ctx, chromedp.Evaluate[bool](expression))
		return err == nil && yes
	})
}

func position(at string) string {
	return `document.querySelector('[data-f="position"]').textContent == '` + at + `'`
}

func linked(state string) void {
	return holds(`document.querySelector('[data-f="link"]').dataset.state == '` + state + `'`)
}

// TestTwoTabsAndOffline: two tabs stand on one number and both live; a reload
// keeps it; a tab that was offline comes back to the truth.
func TestTwoTabsAndOffline(t *testing.T) {
	t.Parallel()
	app, event, ahead := quietLine(t, 5)
	leave := func() {
		t.Helper()
		if err := app.Line.Leave(t.Context(), event.ID, ahead[0], ""); err != nil {
			t.Fatal(err)
		}
		ahead = ahead[1:]
	}
	one := openBrowser(t)
	one.do("join", chromedp.Navigate(app.URL()+"/events/"+string(event.ID)), chromedp.Click(chromedp.CSS("#join button")), scene("waiting"), shows("5"), linked("live"))
	number := one.read(`[data-f="number"]`)
	two := one.tab()
	two.do("open a second tab", chromedp.Navigate(app.URL()+"/events/"+string(event.ID)+"/line"), scene("waiting"), shows("5"), linked("live"))
	if other := two.read(`[data-f="number"]`); other != number {
		t.Errorf("the tabs have numbers %s and %s", number, other)
	}
	leave()
	one.awaits("the news in the first tab", position("4"))
	two.do("hear in the second tab", shows("4"), chromedp.Reload(), scene("waiting"), shows("4"), linked("live"))

	two.do("lose the network", offline(true), linked("off"))
	leave()
	one.awaits("the news in the tab that is not offline", position("3"))
	two.do("come back to the truth", offline(false), linked("live"), shows("3"))
}

// TestEventStreamWhereSocketsAreRefused: the page goes on over an event stream
// when no WebSocket opens.
func TestEventStreamWhereSocketsAreRefused(t *testing.T) {
	t.Parallel()
	app, event, ahead := quietLine(t, 2)
	b := openBrowser(t)
	b.do("refuse sockets", chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{
			Source: `window.WebSocket = class { constructor() { setTimeout(() => this.onclose({ code: 1006 }), 10) } close() {} }`,
		})
		return err
	}))
	b.do("join and go live without a socket", chromedp.Navigate(app.URL()+"/events/"+string(event.ID)), chromedp.Click(chromedp.CSS("#join button")),
		scene("waiting"), shows("2"), linked("live"))
	if err := app.Line.Leave(t.Context(), event.ID, ahead[0], ""); err != nil {
		t.Fatal(err)
	}
	b.do("hear over the stream", shows("1"), linked("live"))
}
