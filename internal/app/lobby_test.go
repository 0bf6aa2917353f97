package app

import (
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/ropeline/ropeline/internal/engines"
)

// TestFanChecksTheDraw is a fan's way through the lobby in a browser: in,
// drawn, and then every number computed again there, within the site's policy.
func TestFanChecksTheDraw(t *testing.T) {
	t.Parallel()
	app := openTest(t, engines.Test(t), nil)
	planned, rules, lobby := testEvent(50), testRules(), time.Now().Add(-time.Second)
	planned.LobbyAt, planned.DropAt, rules.Paused = &lobby, time.Now().Add(8*time.Second), true
	event, err := app.CreateEvent(t.Context(), planned, rules, "test")
	if err != nil {
		t.Fatal(err)
	}
	b := openBrowser(t)
	page := app.URL() + "/events/" + string(event.ID)
	b.do("enter the lobby", chromedp.Navigate(page), chromedp.Click(chromedp.CSS(`#join .button`)), chromedp.WaitVisible(chromedp.CSS(`[data-scene="lobby"]`)))
	b.shoot("lobby", 390, 844)
	b.do("be drawn", chromedp.WaitVisible(chromedp.CSS(`[data-scene="waiting"]`)))
	if number := b.read(`[data-f="number"]`); number != "0" {
		t.Errorf("the only fan of the lobby has number %q", number)
	}
	eventually(t, 5*time.Second, "the end of the draw", func() bool {
		d, err := app.Line.Draw(t.Context(), event.ID)
		return err == nil && d.DoneAt != nil
	})
	b.do("check the draw", chromedp.Navigate(page+"/fairness"), chromedp.Click(chromedp.CSS(`#check`)),
		holds(`document.getElementById('result').dataset.holds === 'yes'`))
	if said := b.read(`#result`); !strings.Contains(said, "1 in the lobby") || !strings.Contains(said, "your number is 0") {
		t.Errorf("the page says %q", said)
	}
	b.shoot("fairness", 1100, 1400)

	// A house that shows another list than the one it drew is found out.
	if _, err := app.Pool().Exec(t.Context(), `update draw_entrants set fans = convert_to('0000000000000000000000000a', 'UTF8') where event_id = $1`, event.ID); err != nil {
		t.Fatal(err)
	}
	b.do("check a forged list", chromedp.Navigate(page+"/fairness?again"), chromedp.Click(chromedp.CSS(`#check`)),
		holds(`document.getElementById('result').dataset.holds === 'no'`))
}
