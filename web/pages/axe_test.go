package pages

import (
	"context"
	"html/template"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/ropeline/ropeline/internal/chromium"
)

// Every page has a scene, so that a new one cannot stay out of the tests that
// go through the scenes: the markup, the weight and the check below.
func TestEveryPageHasAScene(t *testing.T) {
	r := newRenderer(t)
	for _, name := range names {
		r.pages[name] = template.Must(template.New(name).Parse(name))
	}
	drawn := map[string]bool{}
	for _, s := range scenes(calm) {
		drawn[strings.TrimSpace(s.page(t, r).Body.String())] = true
	}
	for _, name := range names {
		if !drawn[name] {
			t.Errorf("the page %s has no scene: add one in scenes (pages_test.go)", name)
		}
	}
}

// openScenes shows scenes to a Chromium, each at its number below the address.
func openScenes(t *testing.T, all []scene) (browser context.Context, address string) {
	t.Helper()
	path, err := chromium.Path()
	if err != nil {
		t.Fatal(err)
	}
	r := newRenderer(t)
	site := http.NewServeMux()
	site.Handle("/static/", r.Static())
	site.HandleFunc("/scene/{n}", func(w http.ResponseWriter, q *http.Request) {
		n, err := strconv.Atoi(q.PathValue("n"))
		if err != nil || n >= len(all) {
			http.NotFound(w, q)
			return
		}
		if err := all[n].draw(r, w); err != nil {
			t.Error(err)
		}
	})
	server := httptest.NewServer(site)
	t.Cleanup(server.Close)

	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true))
	allocator, closeAllocator := chromedp.NewExecAllocator(context.Background(), options...)
	var closeTab context.CancelFunc
	browser, closeTab = chromedp.NewContext(allocator)
	t.Cleanup(func() {
		chromedp.Cancel(browser) // waits until the browser has ended
		closeTab()
		closeAllocator()
	})
	if err := chromedp.Do(browser); err != nil {
		t.Fatalf("start Chromium: %v", err)
	}
	return browser, server.URL + "/scene/"
}

// Nothing in any state of any page keeps people out, as far as axe-core can
// tell: no serious and no critical finding. Every scene is seen by light on a
// phone and in the dark on a wide screen; the main ones, marked below, in all
// four ways.
func TestAccessibility(t *testing.T) {
	all := scenes(calm)
	browser, address := openScenes(t, all)
	views := 0
	look := func(width int64, dark bool, which func(string) bool) {
		mode := map[bool]string{false: "light", true: "dark"}[dark] + " " + strconv.FormatInt(width, 10) + " px"
		if err := chromedp.Do(browser, chromedp.EmulateViewport(width, 800), chromium.Dark(dark)); err != nil {
			t.Fatal(err)
		}
		for n, s := range all {
			if !which(s.name) {
				continue
			}
			views++
			ctx, cancel := context.WithTimeout(browser, 30*time.Second)
			err := chromedp.Do(ctx, chromedp.Navigate(address+strconv.Itoa(n)))
			var findings []string
			if err == nil {
				findings, err = chromium.Findings(ctx)
			}
			cancel()
			if err != nil {
				t.Fatalf("%s, %s: %v", s.name, mode, err)
			}
			for _, finding := range findings {
				t.Errorf("%s, %s: %s", s.name, mode, finding)
			}
		}
	}
	each := func(string) bool { return true }
	main := func(name string) bool {
		return name == "events" || name == "event on_sale" || name == "line waiting" || name == "shop" || name == "gate" || name == "organizer event"
	}
	pages := map[string]bool{}
	first := func(name string) bool { // of each page: another scene has the same colours
		page, _, _ := strings.Cut(name, ",")
		defer func() { pages[page] = true }()
		return !pages[page]
	}
	look(360, false, each)
	look(1280, true, first)
	look(360, true, main)
	look(1280, false, main)
	t.Logf("%d views of %d scenes", views, len(all))
}

// What went wrong and what may be done about it are in sight, whatever a
// server has answered.
func TestCausesAreInSight(t *testing.T) {
	long := "550 5.7.1 <" + strings.Repeat("verylongname", 8) + "@example.com>: " + strings.Repeat("the message was refused. ", 8)
	all := []scene{
		{"messages", 200, func(r *Renderer, w http.ResponseWriter) error {
			return r.Notifications(w, NotificationsView{State: "dead", Rows: []NotificationRow{
				{ID: "0dq3k5m2p8r7t1v9b4c6f0h0d1", Kind: "payment_refused", To: "a…@" + strings.Repeat("example-", 5) + "house.org", Attempts: 16, LastError: long, ChangedAt: noon}}})
		}},
		{"messages to be tried again", 200, func(r *Renderer, w http.ResponseWriter) error {
			return r.Notifications(w, NotificationsView{State: "failed", Rows: []NotificationRow{
				{ID: "0dq3k5m2p8r7t1v9b4c6f0h0d1", Kind: "event_changed", To: "a…@example.com", Attempts: 16, NextAt: &noon, LastError: long, ChangedAt: noon}}})
		}},
		{"tasks", 200, func(r *Renderer, w http.ResponseWriter) error {
			return r.Queues(w, QueuesView{Queue: "letters", State: "archived", Tasks: []TaskRow{
				{ID: "t", Type: "letter", Payload: `{"notification":"0dq3k5m2p8r7t1v9b4c6f0h0d1"}`, Error: long, FailedAt: &noon, NextAt: &noon, Run: true, Archive: true, Delete: true}}})
		}},
	}
	browser, address := openScenes(t, all)
	for _, width := range []int64{1100, 390} {
		for n, s := range all {
			ctx, cancel := context.WithTimeout(browser, 30*time.Second)
			err := chromedp.Do(ctx, chromedp.EmulateViewport(width, 900), chromedp.Navigate(address+strconv.Itoa(n)))
			var hidden string
			if err == nil {
				hidden, err = chromedp.Run(ctx, chromedp.Evaluate[string](`[...document.querySelectorAll('td, td button')]
					.filter((e) => { const box = e.getBoundingClientRect(), sight = e.closest('section').getBoundingClientRect();
						return box.width > 0 && (box.left < sight.left || box.right > Math.min(sight.right, innerWidth)) })
					.map((e) => e.textContent.slice(0, 40)).join(' | ')`))
			}
			cancel()
			if err != nil {
				t.Fatal(err)
			}
			if hidden != "" {
				t.Errorf("%s, %d px: out of sight: %s", s.name, width, hidden)
			}
		}
	}
}
