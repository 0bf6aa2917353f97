package app

import (
	"context"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// scripts switches the page's JavaScript off or on, from the next page on.
func scripts(on bool) void {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !on})
		return err
	})
}

// press clicks a button where the page runs no script.
func (b *browser) press(step, selector string) {
	b.t.Helper()
	b.awaits(step+": "+selector, `document.querySelector('`+selector+`')?.getBoundingClientRect().height > 0`)
	b.do(step, chromedp.Click(chromedp.CSS(selector)))
}

// TestWaitingWithoutJavaScript: join, a page that refreshes itself, giving up
// the place after being asked, and entering, all by plain forms.
func TestWaitingWithoutJavaScript(t *testing.T) {
	t.Parallel()
	app, event, ahead := quietLine(t, 3)
	path := app.URL() + "/events/" + string(event.ID)
	shown := func(name string) string {
		return `document.querySelector('[data-scene="` + name + `"]')?.getBoundingClientRect().height > 0`
	}
	at := func(address string) string { return `location.href.split('?')[0] == '` + address + `'` }
	b := openBrowser(t)
	b.do("switch scripts off", scripts(false), chromedp.Navigate(path))
	b.press("join", "#join button")
	b.awaits("the place", shown("waiting")+" && "+position("3"))
	if err := app.Line.Leave(t.Context(), event.ID, ahead[0], ""); err != nil {
		t.Fatal(err)
	}
	b.awaits("the page refreshes itself", position("2"))

	b.press("give up the place", `[data-do="leave"]:not([hidden])`)
	b.awaits("being asked", at(path+"/leave"))
	b.press("keep it", ".card a[href$=\"/line\"]")
	b.awaits("the place as it was", shown("waiting")+" && "+position("2"))
	b.press("give it up", `[data-scene="waiting"] [data-do="leave"]`)
	b.press("answer yes", ".card form button")
	b.awaits("the event's page", at(path))

	b.press("join again", "#join button")
	b.awaits("a new place", shown("waiting")+" && "+position("2"))
	rules := testRules()
	rules.ShowUp = time.Minute
	if _, err := app.Admission.SetRules(t.Context(), event.ID, rules, 0, "test"); err != nil {
		t.Fatal(err)
	}
	b.awaits("the turn", shown("turn"))
	b.press("enter", `[data-f="enter"] button`)
	b.awaits("the shop", at(path+"/shop"))
}

func lifecycle(state page.SetWebLifecycleStateState) void {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, page.SetWebLifecycleState, page.SetWebLifecycleStateParams{State: state})
		return err
	})
}

// TestTabThatSlept: a tab that the browser froze, as phones do, wakes to the
// truth: first where it stands by then, and after a second sleep its turn.
func TestTabThatSlept(t *testing.T) {
	t.Parallel()
	app, event, ahead := quietLine(t, 4)
	b := openBrowser(t)
	b.do("join", chromedp.Navigate(app.URL()+"/events/"+string(event.ID)), chromedp.Click(chromedp.CSS("#join button")), scene("waiting"), shows("4"), linked("live"))
	number := b.read(`[data-f="number"]`)
	b.do("sleep", lifecycle(page.SetWebLifecycleStateStateFrozen))
	for _, fan := range ahead[:3] {
		if err := app.Line.Leave(t.Context(), event.ID, fan, ""); err != nil {
			t.Fatal(err)
		}
	}
	b.do("wake", lifecycle(page.SetWebLifecycleStateStateActive))
	b.awaits("the truth", position("1")+` && document.querySelector('[data-f="link"]').dataset.state == 'live'`)
	if again := b.read(`[data-f="number"]`); again != number {
		t.Errorf("the number was %s and is %s after the sleep", number, again)
	}

	b.do("sleep again", lifecycle(page.SetWebLifecycleStateStateFrozen))
	rules := testRules()
	rules.ShowUp = time.Minute
	if _, err := app.Admission.SetRules(t.Context(), event.ID, rules, 0, "test"); err != nil {
		t.Fatal(err)
	}
	eventually(t, 20*time.Second, "the turn comes while the tab sleeps", func() bool {
		snapshot, err := app.Line.Snapshot(t.Context(), event.ID)
		return err == nil && snapshot.Waiting == 0
	})
	b.do("wake", lifecycle(page.SetWebLifecycleStateStateActive))
	b.awaits("the turn", `!document.querySelector('[data-scene="turn"]').hidden`)
}
