package pages

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

func TestMarkup(t *testing.T) {
	r := newRenderer(t)
	for _, s := range scenes(calm) {
		t.Run(s.name, func(t *testing.T) {
			page := s.page(t, r).Body.String()
			balanced(t, page)
			tidy(t, r, page)
		})
	}
}

// Whatever an organizer, a fan or a link brings stays text.
func TestHostileStringsStayText(t *testing.T) {
	r := newRenderer(t)
	for _, evil := range []string{
		`</title></noscript></textarea><script>alert(1)</script><img src=x onerror=alert(1)>`,
		`" onmouseover="alert(1)" style="color:red" x="`,
		`' onfocus='alert(1)' autofocus x='`,
		"javascript:alert(1)",
		"{{.Now}}\u2028\x00<!--",
	} {
		for _, s := range scenes(sayings{name: evil, text: evil, token: evil}) {
			page := s.page(t, r).Body.String()
			balanced(t, page)
			tidy(t, r, page)
			for n := range parsed(t, page).Descendants() {
				if n.Type == html.ElementNode && strings.HasPrefix(attr(n, "href"), "javascript:") {
					t.Errorf("%s: a link leads to %s", s.name, attr(n, "href"))
				}
			}
		}
	}
}

func TestHostileNameIsShown(t *testing.T) {
	const evil = `<b onclick="x">Tom & "Jerry"</b>`
	w := httptest.NewRecorder()
	v := EventView{Offer: Offer{Event: eventOf(sayings{name: evil})}}
	if err := newRenderer(t).Event(w, v); err != nil {
		t.Fatal(err)
	}
	for n := range parsed(t, w.Body.String()).Descendants() {
		if n.Type == html.ElementNode && n.Data == "h1" {
			if got := text(n); got != evil {
				t.Errorf("the heading says %q, want %q", got, evil)
			}
		}
	}
}

var void = strings.Fields("meta link input img br hr")

// inParagraph ends a paragraph: a browser closes the p before them.
var inParagraph = strings.Fields("p div ul ol dl table form section article header h1 h2 h3 fieldset")

// balanced fails for a tag that is not closed where it was opened, which a
// browser would quietly mend.
func balanced(t *testing.T, page string) {
	t.Helper()
	var open []string
	for z := html.NewTokenizer(strings.NewReader(page)); ; {
		switch z.Next() {
		case html.ErrorToken:
			if len(open) > 0 {
				t.Errorf("still open at the end: %v", open)
			}
			return
		case html.StartTagToken:
			name := z.Token().Data
			if slices.Contains(open, "p") && slices.Contains(inParagraph, name) {
				t.Errorf("<%s> inside a paragraph: %v", name, open)
			}
			if !slices.Contains(void, name) {
				open = append(open, name)
			}
		case html.EndTagToken:
			name := z.Token().Data
			if len(open) == 0 || open[len(open)-1] != name {
				t.Fatalf("</%s> closes %v", name, open)
			}
			open = open[:len(open)-1]
		}
	}
}

// tidy checks a page against the rules of the package doc.
func tidy(t *testing.T, r *Renderer, page string) {
	t.Helper()
	count, ids, labelled := map[string]int{}, map[string]bool{}, map[string]bool{}
	doc := parsed(t, page)
	for n := range doc.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		count[n.Data]++
		if id := attr(n, "id"); id != "" {
			if ids[id] {
				t.Errorf("id %q is there twice", id)
			}
			ids[id] = true
		}
		if n.Data == "label" {
			labelled[attr(n, "for")] = true
		}
	}
	for n := range doc.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		for _, a := range n.Attr {
			if strings.HasPrefix(a.Key, "on") || a.Key == "style" || a.Key == "srcdoc" {
				t.Errorf("<%s %s=%q>", n.Data, a.Key, a.Val)
			}
			switch a.Key {
			case "href", "src", "action":
				reachable(t, r, n.Data, a.Val)
			case "aria-describedby", "aria-labelledby", "for":
				if !ids[a.Val] {
					t.Errorf("%s=%q leads nowhere", a.Key, a.Val)
				}
			}
		}
		switch n.Data {
		case "style", "iframe", "object", "base":
			t.Errorf("<%s> is not for our pages", n.Data)
		case "script":
			if attr(n, "src") == "" || n.FirstChild != nil || attr(n, "type") != "module" {
				t.Errorf("an inline script: %s", text(n))
			}
		case "input", "textarea", "select":
			if attr(n, "type") != "hidden" && !labelled[attr(n, "id")] && !within(n, "label") {
				t.Errorf("<%s name=%q> has no label", n.Data, attr(n, "name"))
			}
		case "img":
			if attr(n, "alt") == "" || attr(n, "width") == "" || attr(n, "height") == "" {
				t.Errorf("<img src=%q> lacks words or size", attr(n, "src"))
			}
		case "html":
			if attr(n, "lang") != "en" {
				t.Error("no language")
			}
		case "title":
			if strings.TrimSpace(text(n)) == "" {
				t.Error("no title")
			}
		}
	}
	if count["h1"] != 1 || count["main"] != 1 || count["title"] != 1 {
		t.Errorf("%d h1, %d main, %d title; want one of each", count["h1"], count["main"], count["title"])
	}
	if said := strings.ToLower(text(doc)); strings.Contains(said, "queue") || strings.Contains(said, "waiting list") {
		t.Error("the page calls the line by another word")
	}
}

// reachable fails for an address elsewhere, and for a static file that is not there.
func reachable(t *testing.T, r *Renderer, element, address string) {
	t.Helper()
	if element == "img" && strings.HasPrefix(address, "data:image/png;base64,") {
		return
	}
	if strings.Contains(address, "//") || element != "a" && !strings.HasPrefix(address, "/") {
		t.Errorf("<%s> leads to %q", element, address)
	}
	if strings.HasPrefix(address, "/static/") {
		w := httptest.NewRecorder()
		r.Static().ServeHTTP(w, httptest.NewRequest(http.MethodGet, address, nil))
		if w.Code != http.StatusOK {
			t.Errorf("%s: %d", address, w.Code)
		}
	}
}

func parsed(t *testing.T, page string) *html.Node {
	t.Helper()
	doc, err := html.ParseWithOptions(strings.NewReader(page), html.ParseOptionEnableScripting(false))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func attr(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

func text(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data)
		}
	}
	return b.String()
}

func within(n *html.Node, name string) bool {
	for p := range n.Ancestors() {
		if p.Data == name {
			return true
		}
	}
	return false
}
