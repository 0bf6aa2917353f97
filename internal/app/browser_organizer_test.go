package app

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/internal/engines"
)

// seen is how soon an organizer's word must show, at the desk and to the fan.
const seen = 2 * time.Second

// organizer is somebody who is signed in, in a browser.
func organizer(t *testing.T, app *App) *browser {
	t.Helper()
	password, err := app.Accounts.EnsureOwner(t.Context())
	if err != nil || password == "" {
		t.Fatalf("owner: %q %v", password, err)
	}
	b := openBrowser(t)
	b.do("be sent to the sign-in", chromedp.Navigate(app.URL()+"/admin"), chromedp.WaitVisible(chromedp.CSS(`input[type="password"]`)))
	b.do("sign in", chromedp.SendKeys(chromedp.CSS(`input[type="email"]`), "owner@ropeline.local"),
		chromedp.SendKeys(chromedp.CSS(`input[type="password"]`), password), chromedp.Submit(chromedp.CSS(`input[type="password"]`)),
		chromedp.WaitVisible(chromedp.CSS(`#create`)))
	return b
}

// sight is something that must come true on a page.
type sight struct {
	page             *browser
	what, expression string
}

// soon waits for the sights of an act that began just now. All pages are asked
// by turns, so that none is late because another one was waited for.
func soon(began time.Time, sights ...sight) {
	for len(sights) > 0 {
		var left []sight
		for _, s := range sights {
			ctx, cancel := s.page.within(10 * time.Second)
			asked := time.Now()
			came, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("!!("+s.expression+")"))
			cancel()
			switch {
			case err == nil && came && asked.Sub(began) > seen:
				s.page.t.Errorf("%s took %s, more than %s", s.what, asked.Sub(began).Round(10*time.Millisecond), seen)
			case err == nil && came:
				s.page.t.Logf("%s took %s", s.what, asked.Sub(began).Round(10*time.Millisecond))
			case asked.Sub(began) > 10*time.Second:
				s.page.fail(s.what, err)
			default:
				left = append(left, s)
			}
		}
		sights = left
		<-time.After(20 * time.Millisecond)
	}
}

func written(selector, text string) string {
	return fmt.Sprintf(`document.querySelector(%q).textContent.includes(%q)`, selector, text)
}

func hidden(selector string, yes bool) string {
	return fmt.Sprintf(`document.querySelector(%q).hidden == %v`, selector, yes)
}

// typed writes over what a field has, as somebody who types does.
func typed(selector, text string) void {
	return chromedp.Evaluate[chromedp.Void](fmt.Sprintf(`{ const field = document.querySelector(%q); field.value = %q; field.dispatchEvent(new Event('input', {bubbles: true})) }`, selector, text))
}

// confirm presses a button and says yes to what the desk asks.
func (b *browser) confirm(step, button string) time.Time {
	b.t.Helper()
	b.do(step, chromedp.Click(chromedp.CSS(button)), chromedp.WaitVisible(chromedp.CSS(`[data-f="steeryes"]`)))
	began := time.Now()
	b.do(step+", yes", chromedp.Click(chromedp.CSS(`[data-f="steeryes"]`)))
	return began
}

// TestOrganizerRunsADrop: an organizer creates an event in the form, opens it,
// throttles, pauses, goes on, gives money back in part and whole, revokes a
// ticket, cancels an order and stops, all through the pages. What the
// organizer does is seen at the desk and by a fan within two seconds.
func TestOrganizerRunsADrop(t *testing.T) {
	t.Parallel()
	app := openTest(t, engines.Test(t), nil)
	desk := organizer(t, app)

	desk.do("fill the form", chromedp.SendKeys(chromedp.CSS("#name"), "The Tightrope Sessions"), chromedp.SendKeys(chromedp.CSS("#venue"), "Old Rope Walk"),
		chromedp.SendKeys(chromedp.CSS("#city"), "Vienna"), typed("#zone", "Europe/Vienna"),
		chromedp.SendKeys(chromedp.CSS(`[name="type"]`), "Standing"), chromedp.SendKeys(chromedp.CSS(`[name="price"]`), "45.00"),
		chromedp.SendKeys(chromedp.CSS(`[name="capacity"]`), "500"), typed("#rate", "60"), typed("#burst", "1"))
	desk.awaits("the preview in the server's words", written(`[data-f="preview"]`, "and 500 tickets: ")+` && `+written(`[data-f="preview"]`, "At 60 a minute, 10,000 fans"))
	desk.do("create the event", chromedp.Click(chromedp.CSS(`#create .large`)), chromedp.WaitVisible(chromedp.CSS(`#desk[data-live]`)))
	ctx, cancel := desk.within(10 * time.Second)
	defer cancel()
	id, err := chromedp.Run(ctx, chromedp.Evaluate[string](`document.getElementById('desk').dataset.event`))
	if err != nil {
		t.Fatal(err)
	}
	event := ropeline.EventID(id)

	desk.do("open the drop", chromedp.Click(chromedp.CSS(`[data-step="drop"]`)), chromedp.Click(chromedp.CSS(`[data-f="phaseask"] [value="yes"]`)))
	desk.awaits("the drop at the desk", `document.querySelector('#desk[data-live] [data-phase]')?.textContent == 'On sale'`)
	for range 150 {
		if _, err := app.Line.Join(t.Context(), event, ropeline.NewID[ropeline.FanID](), nil); err != nil {
			t.Fatal(err)
		}
	}
	fan := desk.tab()
	fan.do("join", chromedp.Navigate(app.URL()+"/events/"+id), chromedp.Click(chromedp.CSS("#join button")), scene("waiting"), linked("live"))
	desk.awaits("the fans at the desk", `Number(document.querySelector('[data-v="waiting"]').textContent) > 10`)

	desk.do("write a lower rate", typed("#q_rate", "6"))
	began := desk.confirm("throttle", `[data-f="quick"] .button`)
	soon(began,
		sight{desk, "the new rate at the desk", written(`[data-v="paceNote"]`, "set: 6 a minute")},
		sight{desk, "that the node has confirmed", written(`[data-f="effect"]`, "confirmed version 2")})

	began = desk.confirm("pause", `[data-f="pause"]`)
	soon(began,
		sight{fan, "the pause on the fan's page", hidden(`[data-scene="waiting"] [data-f="paused"]`, false)},
		sight{desk, "the pause at the desk", hidden(`#desk > [data-f="paused"]`, false)})
	began = desk.confirm("go on", `[data-f="pause"]`)
	soon(began,
		sight{fan, "on the fan's page that the line moves again", hidden(`[data-scene="waiting"] [data-f="paused"]`, true)},
		sight{desk, "at the desk that the line moves again", hidden(`#desk > [data-f="paused"]`, true)})

	desk.do("write to everybody", chromedp.SendKeys(chromedp.CSS("#a_text"), "The doors open at eight."), chromedp.Click(chromedp.CSS(`[data-f="announce"] .button`)), chromedp.WaitVisible(chromedp.CSS(`[data-f="announceyes"]`)))
	began = time.Now()
	desk.do("tell them", chromedp.Click(chromedp.CSS(`[data-f="announceyes"]`)))
	soon(began,
		sight{fan, "the words on the fan's page", hidden(`[data-f="announced"]`, false) + ` && ` + written(`[data-f="announced"]`, "The doors open at eight.")},
		sight{desk, "the words at the desk", written(`[data-f="told"]`, "The doors open at eight.")})

	order := desk.sell(app, event, fan, 3, "person@example.org")
	desk.awaits("the sale at the desk", written(`[data-v="sold"]`, "3")+` && `+written(`[data-v="revenue"]`, "135"))
	orders := desk.tab()
	orders.find(app, "person@", order)
	began = orders.giveBack("amount", "10.00", "10.00 EUR")
	soon(began, sight{desk, "the refund at the desk", written(`[data-v="revenueNote"]`, "€10 given back")})
	fan.do("look at the order again", chromedp.Navigate(app.URL()+"/orders/"+order))
	soon(began, sight{fan, "the refund on the fan's page", written("main", "€10.00")})
	orders.do("revoke a ticket", chromedp.Click(chromedp.CSS(`.plainlist details summary`)), chromedp.SendKeys(chromedp.CSS(`.plainlist details[open] [name="reason"]`), "Sold on"),
		chromedp.Click(chromedp.CSS(`.plainlist details[open] .danger`)))
	orders.yes("revoke it", "void")
	orders.shoot("order-file", 1100, 1500)
	orders.shoot("order-file-phone", 360, 1500)
	orders.giveBack("all", "", "125.00 EUR")
	desk.awaits("the whole refund at the desk", written(`[data-v="revenueNote"]`, "€135 given back"))

	second := openBrowser(t)
	second.do("join as somebody else", chromedp.Navigate(app.URL()+"/events/"+id), chromedp.Click(chromedp.CSS("#join button")))
	other := desk.sell(app, event, second, 1, "other@example.org")
	orders.find(app, "other@example.org", other)
	orders.do("cancel the order", chromedp.SendKeys(chromedp.CSS("#creason"), "The hall burned down"), chromedp.Click(chromedp.CSS("#crestock")), chromedp.Click(chromedp.CSS(`form[action$="/cancel"] .danger`)))
	orders.yes("cancel it", "canceled")
	desk.awaits("that what was taken and given back agree", written(`[data-v="revenueNote"]`, "€180 paid, €180 given back"))
	orders.awaits("the order is canceled", `document.querySelector('.badge.canceled')`+` != null || (location.reload(), false)`)
	var states string
	if err := app.Pool().QueryRow(t.Context(), `select string_agg(distinct o.state || ' ' || t.state, ', ' order by o.state || ' ' || t.state) from orders o join tickets t on t.order_id = o.id`).Scan(&states); err != nil || states != "canceled revoked, paid revoked" {
		t.Errorf("afterwards orders and tickets are %q, %v", states, err)
	}
	orders.do("look for all orders", chromedp.Navigate(app.URL()+"/admin/orders?event="+id), chromedp.WaitVisible(chromedp.CSS("table")))
	orders.shoot("orders", 1100, 900)
	orders.shoot("orders-phone", 360, 900)

	desk.shoot("mission", 1100, 1500)
	desk.shoot("mission-phone", 360, 1500)
	desk.do("stop, and change one's mind", chromedp.Click(chromedp.CSS(`[data-f="stop"]`)), chromedp.WaitVisible(chromedp.CSS(`[data-f="stopask"] [value="no"]`)),
		chromedp.Click(chromedp.CSS(`[data-f="stopask"] [value="no"]`)), chromedp.WaitNotVisible(chromedp.CSS(`[data-f="stopask"] [value="no"]`)))
	desk.do("stop", chromedp.Click(chromedp.CSS(`[data-f="stop"]`)), chromedp.WaitVisible(chromedp.CSS(`[data-f="stopask"] [value="stop"]`)))
	began = time.Now()
	desk.do("stop, yes", chromedp.Click(chromedp.CSS(`[data-f="stopask"] [value="stop"]`)))
	soon(began, sight{desk, "the stop at the desk", hidden(`#desk > [data-f="paused"]`, false)})
	if rules, err := app.Admission.Rules(t.Context(), event); err != nil || !rules.Paused {
		t.Errorf("after the stop: %+v, %v", rules, err)
	}

	desk.do("read the preview of a rate", chromedp.SetValue(chromedp.CSS(`[name="rate_per_minute"][id="rate_per_minute"]`), "7"),
		chromedp.SetValue(chromedp.CSS(`[name="schedule"]`), "5:60, 7.5:90"), chromedp.Click(chromedp.CSS(`[data-f="rules"] .button`)))
	eventually(t, 10*time.Second, "the ramp", func() bool {
		rules, err := app.Admission.Rules(t.Context(), event)
		return err == nil && rules.RatePerMinute == 7 && len(rules.Schedule) == 2 && rules.Schedule[1].RatePerMinute == 90 && rules.ChangedBy == "owner@ropeline.local"
	})
	desk.do("reload, and find the last hour in the plots", chromedp.Reload(), holds(`document.querySelectorAll('[data-plot="line"] path').length >= 2 && document.querySelector('[data-plot="line"] input').max > 1`))
	desk.do("read the report", chromedp.Navigate(app.URL()+"/admin/events/"+id+"/report"), holds(`document.querySelectorAll('[data-plot="admissions"] rect').length > 0 && document.querySelector('[data-plot="sales"] path')`))
	if text := desk.read("main"); !strings.Contains(text, "152") || !strings.Contains(text, "€135.00") {
		t.Errorf("the report says:\n%s", text)
	}
	desk.shoot("report", 1100, 1500)
	desk.shoot("report-phone", 360, 1500)
}

// sell lets the fan in and to the tickets, and returns the order.
func (b *browser) sell(app *App, event ropeline.EventID, fan *browser, tickets int, email string) string {
	b.t.Helper()
	rules, err := app.Admission.Rules(b.t.Context(), event)
	if err == nil {
		rules.RatePerMinute, rules.Burst = 6000, 200
		_, err = app.Admission.SetRules(b.t.Context(), event, rules, 0, "test")
	}
	if err != nil {
		b.t.Fatal(err)
	}
	fan.awaits("the turn", hidden(`[data-scene="turn"]`, false))
	fan.do("enter", chromedp.Click(chromedp.CSS(`[data-scene="turn"] button`)), scene("choose"))
	for range tickets {
		fan.do("one more", chromedp.Click(chromedp.CSS(`[data-step="1"]`)))
	}
	fan.do("buy", chromedp.Click(chromedp.CSS(`[data-f="reserve"]`)), scene("held"), chromedp.SendKeys(chromedp.CSS("#email"), email),
		chromedp.Click(chromedp.CSS(`[data-f="pay"]`)), chromedp.WaitVisible(chromedp.CSS(`[data-outcome="approve"]`)), chromedp.Click(chromedp.CSS(`[data-outcome="approve"]`)),
		chromedp.WaitVisible(chromedp.CSS(`#order[data-state="paid"]`)))
	var order string
	if err := app.Pool().QueryRow(b.t.Context(), "select id from orders where event_id = $1 and email = $2", event, email).Scan(&order); err != nil {
		b.t.Fatal(err)
	}
	return order
}

// find searches the desk's orders and opens the one that is found.
func (b *browser) find(app *App, text, order string) {
	b.t.Helper()
	b.do("search for "+text, chromedp.Navigate(app.URL()+"/admin/orders"), chromedp.SendKeys(chromedp.CSS("#q"), text), chromedp.Submit(chromedp.CSS("#q")))
	b.awaits("what was found for "+text, `document.readyState == 'complete' && location.search.includes('q=')`)
	b.do("open the order", chromedp.Click(chromedp.CSS(`table a[href="/admin/orders/`+order+`"]`)), chromedp.WaitVisible(chromedp.CSS("#h-story")))
}

// giveBack refunds by the form of an order's page, and returns when that began.
func (b *browser) giveBack(what, amount, comesTo string) time.Time {
	b.t.Helper()
	b.do("choose what goes back", chromedp.Click(chromedp.CSS("#w-"+what)), chromedp.SendKeys(chromedp.CSS("#reason"), "It rained"))
	if amount != "" {
		b.do("write the amount", chromedp.SendKeys(chromedp.CSS("#amount"), amount))
	}
	b.do("see what it comes to", chromedp.Click(chromedp.CSS(`form[action$="/refunds"] .button`)), chromedp.WaitVisible(chromedp.CSS(`[name="sure"] ~ .danger`)))
	if text := b.read("main"); !strings.Contains(text, comesTo) {
		b.t.Errorf("the refund comes to %s, and the page says:\n%s", comesTo, text)
	}
	return b.yes("give it back", "")
}

// yes answers a page that asks before it does something, and waits for the
// words of the page that follows. It returns when the answer was given.
func (b *browser) yes(step, says string) time.Time {
	b.t.Helper()
	b.do(step+"?", chromedp.WaitVisible(chromedp.CSS(`[name="sure"] ~ .danger`)))
	began := time.Now()
	b.do(step, chromedp.Click(chromedp.CSS(`[name="sure"] ~ .danger`)), chromedp.WaitVisible(chromedp.CSS(".banner.good")))
	if text := b.read(".banner.good"); !strings.Contains(strings.ToLower(text), says) {
		b.t.Errorf("%s: the page says %q", step, text)
	}
	return began
}
