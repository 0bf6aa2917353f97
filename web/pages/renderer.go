package pages

import (
	"bytes"
	"compress/gzip"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"strconv"
	"strings"
	"sync"
)

//go:embed templates/*.html
var templateFiles embed.FS

// Policy is the Content-Security-Policy that the pages are written for:
// nothing inline, nothing from elsewhere. 'self' in connect-src covers the
// WebSocket of the waiting page.
const Policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// Bare are the headers of answers that are no pages: nothing may be loaded from
// them, nobody may frame or keep them. A page, and a handler that says
// otherwise, replace them.
var Bare = http.Header{
	"Content-Security-Policy": {"default-src 'none'; frame-ancestors 'none'"},
	"Referrer-Policy":         {"no-referrer"},
	"Cache-Control":           {"no-store"},
}

// unsaid tells that no handler has set a header: it is absent, or the very
// value of Bare.
func unsaid(h http.Header, key string) bool {
	is, bare := h[key], Bare[key]
	return len(is) == 0 || len(bare) > 0 && &is[0] == &bare[0]
}

// StripePolicy is Policy for the one page with something from elsewhere: the
// card form is Stripe's, in frames of its own, and so are the card's data
// (https://docs.stripe.com/security/guide#content-security-policy).
const StripePolicy = "default-src 'none'; script-src 'self' https://js.stripe.com https://*.js.stripe.com; style-src 'self'; img-src 'self' data:; " +
	"connect-src 'self' https://api.stripe.com; frame-src https://js.stripe.com https://*.js.stripe.com https://hooks.stripe.com; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// names are the pages; each has a template of its name beside the layout.
var names = []string{
	"events", "event", "line", "fairness", "shop", "order", "sandbox_pay", "stripe_pay", "tickets",
	"link", "confirm", "problem", "form", "account", "people", "security", "audit", "login", "organizer", "organizer_event",
	"gates", "gate", "report", "reviews", "orders", "order_file", "reconciliations", "reconciliation", "notifications", "queues", "api",
}

// Renderer draws the pages. It is made once and is safe for concurrent use.
type Renderer struct {
	pages  map[string]*template.Template
	static *tree
	zips   sync.Pool // of *gzip.Writer: a new one costs a megabyte
}

// New parses the embedded templates and packs the static files.
func New() (*Renderer, error) {
	static, err := packStatic()
	if err != nil {
		return nil, err
	}
	r := &Renderer{pages: make(map[string]*template.Template, len(names)), static: static}
	layout, err := template.New("layout.html").Funcs(words).Funcs(template.FuncMap{"static": static.url}).
		ParseFS(templateFiles, "templates/layout.html", "templates/parts.html")
	if err != nil {
		return nil, fmt.Errorf("pages: %w", err)
	}
	for _, name := range names {
		page, err := layout.Clone()
		if err == nil {
			page, err = page.ParseFS(templateFiles, "templates/"+name+".html")
		}
		if err != nil {
			return nil, fmt.Errorf("pages: %s: %w", name, err)
		}
		r.pages[name] = page
	}
	return r, nil
}

// Static serves the stylesheets, modules and pictures under /static/. The path
// carries the hash of the whole tree, so that modules can import each other by
// relative names and a browser may keep them for ever.
func (r *Renderer) Static() http.Handler { return r.static }

// Zip tells the Renderer that the client of q takes gzip, if it does; use it
// around the writer of a page. The pages reflect nothing from the address, so
// their length tells nothing about the tokens in them (BREACH).
func Zip(w http.ResponseWriter, q *http.Request) http.ResponseWriter {
	if acceptsGzip(q) {
		return zipping{w}
	}
	return w
}

type zipping struct{ http.ResponseWriter }

// draw writes a page with the headers that belong to it; a header that the
// handler has set already stays.
func (r *Renderer) draw(w http.ResponseWriter, status int, name string, view any) error {
	var page bytes.Buffer
	if err := r.pages[name].Execute(&page, view); err != nil {
		return fmt.Errorf("pages: %s: %w", name, err)
	}
	body := []byte(squeeze(page.String()))
	h := w.Header()
	if _, ok := w.(zipping); ok {
		body = r.zip(body)
		h.Set("Content-Encoding", "gzip")
	}
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	for key, value := range map[string]string{
		"Content-Security-Policy": Policy,
		"Referrer-Policy":         "same-origin",
		"X-Content-Type-Options":  "nosniff",
		"Permissions-Policy":      "camera=(), microphone=(), geolocation=()", // the gate's page says otherwise
		"Cache-Control":           "private, no-cache",
	} {
		if unsaid(h, key) {
			h.Set(key, value)
		}
	}
	h.Add("Vary", "Accept, Accept-Encoding") // the same addresses answer JSON to programs
	w.WriteHeader(status)
	_, err := w.Write(body)
	return err
}

func (r *Renderer) zip(plain []byte) []byte {
	z, ok := r.zips.Get().(*gzip.Writer)
	if !ok {
		z = gzip.NewWriter(nil)
	}
	defer r.zips.Put(z)
	var b bytes.Buffer
	z.Reset(&b)
	z.Write(plain) // into memory: cannot fail
	z.Close()
	return b.Bytes()
}

// squeeze drops the indentation and the empty lines of the templates: the
// waiting page has a budget. No page has pre-formatted text.
func squeeze(page string) string {
	var b strings.Builder
	b.Grow(len(page))
	for line := range strings.Lines(page) {
		if line = strings.TrimSpace(line); line != "" {
			b.WriteString(line)
			b.WriteByte('\n')
		}
	}
	return b.String()
}
