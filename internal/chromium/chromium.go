// Package chromium is for tests: it finds the machine's browser, and asks
// axe-core (https://github.com/dequelabs/axe-core) what of a page keeps people
// out. Nothing of it is in the program.
package chromium

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// Path is where the browser is.
func Path() (string, error) {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "headless-shell"} {
		if found, err := exec.LookPath(name); err == nil {
			return found, nil
		}
	}
	return "", fmt.Errorf("no Chromium was found; deploy/setup.sh --for-tests installs it on Debian")
}

// Dark switches a page between the light and the dark scheme.
func Dark(yes bool) chromedp.Action[chromedp.Void] {
	scheme := "light"
	if yes {
		scheme = "dark"
	}
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"}},
		})
		return err
	})
}

// axe is read once.
var axe = sync.OnceValues(func() (string, error) {
	_, here, _, _ := runtime.Caller(0)
	file := filepath.Join(filepath.Dir(here), "../../deploy/axe/node_modules/axe-core/axe.min.js")
	text, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("axe-core is not there; deploy/setup.sh --for-tests installs it: %w", err)
	}
	return string(text), nil
})

// Findings are what is serious or critical of the page that ctx shows, in a
// line each.
func Findings(ctx context.Context) ([]string, error) {
	source, err := axe()
	if err != nil {
		return nil, err
	}
	found, err := chromedp.Run(ctx, chromedp.Evaluate[string](source+`;
axe.run(document, {resultTypes: ['violations']}).then(r => r.violations
	.filter(v => v.impact === 'serious' || v.impact === 'critical')
	.flatMap(v => v.nodes.map(n => v.impact + ' ' + v.id + ' (' + v.help + '): ' + n.target.join(' ') + ' ' + n.failureSummary.replace(/\s+/g, ' ')))
	.join('\n'))`, chromedp.EvalAwaitPromise))
	if err != nil || found == "" {
		return nil, err
	}
	return strings.Split(found, "\n"), nil
}
