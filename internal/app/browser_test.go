package app

import (
	"bytes"
	"context"
	"errors"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/ropeline/ropeline/internal/chromium"
	"github.com/ropeline/ropeline/internal/engines"
	"github.com/ropeline/ropeline/loadtest/arrival"
	"github.com/ropeline/ropeline/loadtest/crowd"
)

// browser is a headless Chromium. Screenshots are kept only where
// ROPELINE_SCREENSHOTS names a directory, as `make screenshots` does.
type browser struct {
	t   *testing.T
	ctx context.Context
}

func openBrowser(t *testing.T, more ...chromedp.ExecAllocatorOption) *browser {
	t.Helper()
	path, err := chromium.Path()
	if err != nil {
		t.Fatal(err)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.UserDataDir(t.TempDir()), chromedp.WindowSize(1100, 900),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true))
	options = append(options, more...)
	allocator, closeAllocator := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, closeTab := chromedp.NewContext(allocator)
	t.Cleanup(func() {
		chromedp.Cancel(ctx) // waits until the browser has ended
		closeTab()
		closeAllocator()
	})
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("start Chromium: %v", err)
	}
	return &browser{t, ctx}
}

// void is an action that only acts.
type void = chromedp.Action[chromedp.Void]

// within bounds one step.
func (b *browser) within(d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(b.ctx, d)
}

// do runs one step of the story, which is named when it fails. Where the page
// has replaced what was just found, before anything was done with it, a person
// looks again.
func (b *browser) do(step string, actions ...void) {
	b.t.Helper()
	ctx, cancel := b.within(30 * time.Second)
	defer cancel()
	for _, action := range actions {
		err := chromedp.Do(ctx, action)
		for err != nil && strings.Contains(err.Error(), "Could not find node with given id") {
			err = chromedp.Do(ctx, action)
		}
		if err != nil {
			b.fail(step, err)
		}
	}
}

// read is the text of what a selector finds.
func (b *browser) read(selector string) string {
	b.t.Helper()
	ctx, cancel := b.within(10 * time.Second)
	defer cancel()
	text, err := chromedp.Run(ctx, chromedp.Text(chromedp.CSS(selector)))
	if err != nil {
		b.fail("read "+selector, err)
	}
	return text
}

// holds waits until a JavaScript expression is true.
func holds(expression string) void { return chromedp.Poll[chromedp.Void](expression) }

func (b *browser) fail(step string, err error) {
	b.t.Helper()
	ctx, cancel := b.within(3 * time.Second)
	defer cancel()
	where, _ := chromedp.Run(ctx, chromedp.Location())
	text, _ := chromedp.Run(ctx, chromedp.Text(chromedp.CSS("main")))
	b.t.Fatalf("%s: %v\nat %s the page says:\n%s", step, err, where, text)
}

// shoot lets axe-core judge the page as it is now, live and filled, and keeps
// its picture where pictures are wanted.
func (b *browser) shoot(name string, width, height int64) {
	b.t.Helper()
	b.accessible(name)
	dir := os.Getenv("ROPELINE_SCREENSHOTS")
	if dir == "" {
		return
	}
	b.do("set the window for "+name, chromedp.EmulateViewport(width, height), chromedp.Evaluate[chromedp.Void](`scrollTo(0, 0)`))
	ctx, cancel := b.within(10 * time.Second)
	defer cancel()
	shot, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	if err != nil {
		b.fail("screenshot "+name, err)
	}
	if err := keepPNG(filepath.Join(dir, name+".png"), shot); err != nil {
		b.t.Fatal(err)
	}
}

// keepPNG writes a picture as small as PNG without loss can be.
func keepPNG(path string, shot []byte) error {
	picture, err := png.Decode(bytes.NewReader(shot))
	if err != nil {
		return err
	}
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	small := png.Encoder{CompressionLevel: png.BestCompression}
	return errors.Join(small.Encode(file, picture), file.Close())
}

func (b *browser) accessible(page string) {
	b.t.Helper()
	ctx, cancel := b.within(30 * time.Second)
	defer cancel()
	findings, err := chromium.Findings(ctx)
	if err != nil {
		b.t.Fatalf("%s: %v", page, err)
	}
	for _, finding := range findings {
		b.t.Errorf("%s: %s", page, finding)
	}
}

// scene waits for a scene of the page to be shown.
func scene(name string) void {
	return chromedp.WaitVisible(chromedp.CSS(`[data-scene="` + name + `"]`))
}

// TestPersonBuysTicket is a person's way in a real browser, in the same line
// as a crowd: join, see the position fall, reload, enter, reserve, pay, and
// hold the ticket with its QR code.
func TestPersonBuysTicket(t *testing.T) {
	t.Parallel()
	app := openTest(t, engines.Test(t), func(c *Config) { c.Hold = time.Minute })
	event := testEvent(500)
	event.Name, event.Venue.Name, event.Venue.City = "The Tightrope Sessions", "Old Rope Walk", "Vienna"
	event.TicketTypes[0].Name = "Standing"
	rules := testRules()
	rules.RatePerMinute, rules.Burst, rules.MaxShoppers, rules.ShowUp = 240, 1, 500, time.Minute
	event, err := app.CreateEvent(t.Context(), event, rules, "test")
	if err != nil {
		t.Fatal(err)
	}
	stay, goHome := context.WithCancel(context.Background())
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		crowd.Crowd{BaseURL: app.URL(), Event: event.ID, Fans: 120, Seed: 2,
			Arrival: arrival.Arrival{Shape: arrival.Constant, Over: 2 * time.Second}}.Run(stay)
	}()
	t.Cleanup(func() { goHome(); <-gone })
	eventually(t, 20*time.Second, "a crowd in the line", func() bool {
		snapshot, err := app.Line.Snapshot(t.Context(), event.ID)
		return err == nil && snapshot.Waiting > 60
	})

	b := openBrowser(t)
	b.do("see the list", chromedp.Navigate(app.URL()+"/"), chromedp.WaitVisible(chromedp.CSS(`a[href="/events/`+string(event.ID)+`"]`)))
	b.shoot("events", 1100, 800)
	b.do("open the event", chromedp.Navigate(app.URL()+"/events/"+string(event.ID)), chromedp.WaitVisible(chromedp.CSS("#join button")))
	b.shoot("event", 1100, 900)
	b.do("join", chromedp.Click(chromedp.CSS("#join button")), scene("waiting"))
	number, first := b.read(`[data-f="number"]`), b.read(`[data-f="position"]`)
	b.shoot("line", 1100, 900)
	b.do("see the position fall", holds(`Number(document.querySelector('[data-f="position"]').textContent.replace(/\D/g, '')) < `+digits(first)))
	b.shoot("line-phone", 360, 740)

	b.do("reload and keep the number", chromedp.Reload(), scene("waiting"))
	if again := b.read(`[data-f="number"]`); again != number {
		t.Errorf("the number was %s and is %s after a reload", number, again)
	}
	fast := rules
	fast.RatePerMinute, fast.Burst = 6000, 200
	if _, err := app.Admission.SetRules(t.Context(), event.ID, fast, 0, "test"); err != nil {
		t.Fatal(err)
	}
	b.do("be let in", scene("turn"))
	b.shoot("turn", 1100, 800)
	b.do("enter", chromedp.Click(chromedp.CSS(`[data-scene="turn"] button`)), scene("choose"))
	b.do("choose two", chromedp.Click(chromedp.CSS(`[data-step="1"]`)), chromedp.Click(chromedp.CSS(`[data-step="1"]`)))
	b.shoot("shop", 1100, 800)
	b.do("reserve", chromedp.Click(chromedp.CSS(`[data-f="reserve"]`)), scene("held"))
	b.do("order", chromedp.SendKeys(chromedp.CSS("#email"), "person@example.org"))
	b.shoot("held", 1100, 800)
	b.do("go to the payment", chromedp.Click(chromedp.CSS(`[data-f="pay"]`)), chromedp.WaitVisible(chromedp.CSS(`[data-outcome="approve"]`)))
	b.shoot("payment", 1100, 1000)
	b.do("pay", chromedp.Click(chromedp.CSS(`[data-outcome="approve"]`)))
	b.do("hold the tickets", chromedp.WaitVisible(chromedp.CSS(`#order[data-state="paid"] img[src$="/qr.png"]`)),
		holds(`[...document.querySelectorAll('img[src$="/qr.png"]')].filter(i => i.complete && i.naturalWidth > 100).length == 2`))
	b.shoot("order", 1100, 1100)
	if email := b.read(".bills"); !strings.Contains(email, "person@example.org") || !strings.Contains(email, "90") {
		t.Errorf("the receipt says %q", email)
	}
	b.do("see all tickets", chromedp.Navigate(app.URL()+"/users/me/tickets"), chromedp.WaitVisible(chromedp.CSS(`img[src$="/qr.png"]`)))

	var tickets int
	if err := app.Pool().QueryRow(t.Context(), "select count(*) from tickets t join orders o on o.id = t.order_id where o.email = 'person@example.org'").Scan(&tickets); err != nil || tickets != 2 {
		t.Errorf("%d tickets, %v", tickets, err)
	}
}

// digits keeps the digits of a formatted number.
func digits(s string) string {
	return strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, s)
}

// TestPersonWorksToJoin joins an event where that costs work: the browser does
// it by itself.
func TestPersonWorksToJoin(t *testing.T) {
	t.Parallel()
	app := openTest(t, engines.Test(t), nil)
	rules := testRules()
	rules.Work, rules.Paused = 3000, true
	event, err := app.CreateEvent(t.Context(), testEvent(5), rules, "test")
	if err != nil {
		t.Fatal(err)
	}
	b := openBrowser(t)
	b.do("open the event", chromedp.Navigate(app.URL()+"/events/"+string(event.ID)), chromedp.WaitVisible(chromedp.CSS("#join button")))
	b.do("join", chromedp.Click(chromedp.CSS("#join button")), scene("waiting"))
	if number := digits(b.read(`[data-f="number"]`)); number == "" {
		t.Error("no number")
	}
}
