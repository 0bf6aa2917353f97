package app

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/internal/chromium"
	"github.com/ropeline/ropeline/internal/engines"
)

// reached waits until the page says, or no longer says, that the network is away.
func reached(yes bool) void {
	return holds(`document.querySelector('[data-f="reach"]').hidden == ` + map[bool]string{true: "true", false: "false"}[yes])
}

// TestDeadEndsInTheBrowser goes wherever a person may get stuck between the
// shop and the tickets: each place says what has happened and leads on.
func TestDeadEndsInTheBrowser(t *testing.T) {
	t.Parallel()
	const hold = 40 * time.Second
	app := openTest(t, engines.Test(t), func(c *Config) { c.Hold = hold })
	rules := testRules()
	rules.ShowUp, rules.Shop = 2*time.Minute, 20*time.Minute
	event, err := app.CreateEvent(t.Context(), testEvent(7), rules, "test")
	if err != nil {
		t.Fatal(err)
	}
	path := app.URL() + "/events/" + string(event.ID)
	say := func(where, words string) {
		t.Helper()
		t.Logf("%-40s %s", where, strings.Join(strings.Fields(words), " "))
	}
	seen := func(b *browser, where, selector, words string) {
		t.Helper()
		b.do(where, holds(`[...document.querySelectorAll('`+selector+`')].some(e => e.getBoundingClientRect().height > 0 && e.textContent.includes('`+words+`'))`))
		say(where, b.read(selector))
	}
	const trouble, title = `[data-f="trouble"]`, `.headline`

	b := openBrowser(t)
	b.do("join and enter", chromedp.Navigate(path), chromedp.Click(chromedp.CSS("#join button")), scene("turn"),
		chromedp.Click(chromedp.CSS(`[data-scene="turn"] button`)), scene("choose"))
	b.do("reload while choosing", chromedp.Reload(), scene("choose"))
	b.do("lose the network while choosing", offline(true), reached(false))
	say("no network in the shop", b.read(`[data-f="reach"]`))
	b.do("have it again", offline(false), reached(true))

	reserve := func() {
		t.Helper()
		b.do("reserve", chromedp.Click(chromedp.CSS(`[data-scene="choose"] [data-step="1"]`)), chromedp.Click(chromedp.CSS(`[data-f="reserve"]`)))
	}
	reserve()
	b.do("reload what is held", scene("held"), chromedp.Reload(), scene("held"))
	two := b.tab()
	two.do("see it in a second tab", chromedp.Navigate(path+"/shop"), scene("held"))
	b.do("go to the payment", front(), chromedp.SendKeys(chromedp.CSS("#email"), "person@example.org"), chromedp.Click(chromedp.CSS(`[data-f="pay"]`)),
		chromedp.WaitVisible(chromedp.CSS(`[data-outcome="decline"]`)))
	b.do("have the card declined", chromedp.Click(chromedp.CSS(`[data-outcome="decline"]`)))
	seen(b, "a declined card", trouble, "Nothing was taken; you can try again")
	b.do("go back", chromedp.NavigateBack(), scene("held"), holds(`!document.querySelector('[data-f="pay"]').disabled`))
	b.do("go to the same payment again", chromedp.Click(chromedp.CSS(`[data-f="pay"]`)), chromedp.WaitVisible(chromedp.CSS(`[data-outcome="approve"]`)))
	payment := b.address()
	b.do("look at the order instead", chromedp.Click(chromedp.CSS(`.more a`)), chromedp.WaitVisible(chromedp.CSS(`#order[data-state="pending"]`)))
	b.do("lose the network there", offline(true), reached(false))
	say("no network on the order's page", b.read(`[data-f="reach"]`))
	b.do("have it again there", offline(false), reached(true))
	b.do("wait on the payment's page", chromedp.Navigate(payment), chromedp.WaitVisible(chromedp.CSS(`[data-outcome="approve"]`)))
	eventually(t, 2*hold, "the hold runs out on the payment's page", func() bool {
		ctx, cancel := b.within(5 * time.Second)
		defer cancel()
		yes, err := chromedp.Run(ctx, chromedp.Evaluate[bool](`document.querySelector('#order')?.dataset.state == 'expired'`))
		return err == nil && yes
	})
	seen(b, "the hold ran out while paying", title, "The hold ran out")
	two.awaits("the hold ran out in the shop", `document.querySelector('[data-f="trouble"]').textContent.includes('ran out') && !document.querySelector('[data-scene="choose"]').hidden`)
	b.do("open the payment afterwards", chromedp.Navigate(payment), chromedp.WaitVisible(chromedp.CSS(`#order[data-state="expired"]`)))
	seen(b, "the payment's page after the hold", title, "The hold ran out")

	b.do("choose again", chromedp.Navigate(path+"/shop"), scene("choose"))
	for range 3 {
		b.do("one more", chromedp.Click(chromedp.CSS(`[data-scene="choose"] [data-step="1"]`)))
	}
	reserve()
	b.do("pay", scene("held"), chromedp.Click(chromedp.CSS(`[data-f="pay"]`)), chromedp.WaitVisible(chromedp.CSS(`[data-outcome="approve"]`)), chromedp.Click(chromedp.CSS(`[data-outcome="approve"]`)),
		chromedp.WaitVisible(chromedp.CSS(`#order[data-state="paid"] img[src$="/qr.png"]`)))
	b.do("go back after paying", chromedp.NavigateBack(), chromedp.WaitVisible(chromedp.CSS(`a.button[href^="/orders/"]`)))
	seen(b, "back after paying", ".card .lead", ".")

	b.do("be back in the shop", chromedp.Navigate(path+"/shop"), chromedp.WaitVisible(chromedp.CSS(`a.button[href="/users/me/tickets"]`)))
	seen(b, "the shop after paying", `[data-f="overtitle"]`, "You have ordered these tickets")

	b.do("give a ticket away", chromedp.Navigate(app.URL()+"/users/me/tickets"), chromedp.Click(chromedp.CSS(`a[href$="/transfer"]`)), chromedp.WaitVisible(chromedp.CSS("#email")))
	b.both("give")
	b.do("to whom", chromedp.SendKeys(chromedp.CSS("#email"), "friend@example.org"), chromedp.Click(chromedp.CSS(".form button")), chromedp.WaitVisible(chromedp.CSS("button.danger")))
	b.both("give-sure")
	b.do("surely", chromedp.Click(chromedp.CSS("button.danger")), chromedp.WaitVisible(chromedp.CSS(".ticket.transferred")))
	seen(b, "a ticket given away", ".stamp", "Given to friend@example.org")
	b.both("given")
	b.do("see all of them", chromedp.Navigate(app.URL()+"/users/me/tickets"), chromedp.WaitVisible(chromedp.CSS(".ticket.transferred")))
	b.both("my-tickets")
	b.do("an order of nobody's", chromedp.Navigate(app.URL()+"/orders/"+string(ropeline.NewID[ropeline.OrderID]())), chromedp.WaitVisible(chromedp.CSS(".card.empty")))
	b.both("not-here")
}

func front() void {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, page.BringToFront, cdp.Empty{})
		return err
	})
}

// address is where the browser is.
func (b *browser) address() string {
	b.t.Helper()
	ctx, cancel := b.within(10 * time.Second)
	defer cancel()
	at, err := chromedp.Run(ctx, chromedp.Evaluate[string](`location.href`))
	if err != nil {
		b.fail("where are we", err)
	}
	return at
}

// both looks at a page as a phone in the light and a computer in the dark do.
func (b *browser) both(name string) {
	b.t.Helper()
	b.do("light", chromium.Dark(false))
	b.shoot(name+"-phone", 360, 740)
	b.do("dark", chromium.Dark(true))
	b.shoot(name+"-dark", 1100, 900)
	b.do("light", chromium.Dark(false))
}
