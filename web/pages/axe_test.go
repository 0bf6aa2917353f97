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

// Nothing in any state of any page keeps people out, as far as axe-core can
// tell: no serious and no critical finding. Every scene is seen by light on a
// phone and in the dark on a wide screen; the main ones, marked below, in all
// four ways.
func TestAccessibility(t *testing.T) {
	path, err := chromium.Path()
	if err != nil {
		t.Fatal(err)
	}
	r := newRenderer(t)
	all := scenes(calm)
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
	defer server.Close()

	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true))
	allocator, closeAllocator := chromedp.NewExecAllocator(context.Background(), options...)
	defer closeAllocator()
	browser, closeTab := chromedp.NewContext(allocator)
	defer closeTab()
	defer chromedp.Cancel(browser)

	views := 0
	look := func(width int64, dark bool, which func(string) bool) {
		mode := map[bool]string{false: "light", true: "dark"}[dark] + " " + strconv.FormatInt(width, 10) + " px"
		if err := chromedp.Do(browser, chromedp.EmulateViewport(width, 800), chromium.Dark(dark)); err != nil {
			t.Fatalf("start Chromium: %v", err)
		}
		for n, s := range all {
			if !which(s.name) {
				continue
			}
			views++
			ctx, cancel := context.WithTimeout(browser, 30*time.Second)
			err := chromedp.Do(ctx, chromedp.Navigate(server.URL+"/scene/"+strconv.Itoa(n)))
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
