package web_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/ropeline/ropeline/web"
)

// Every route is in the document or says that it is for browsers, and the
// document has no others.
func TestEveryRouteIsInTheDocument(t *testing.T) {
	t.Parallel()
	h := openHouse(t)
	described, browsers := web.Operations(), web.ForBrowsers()
	routes := map[string]bool{}
	for _, r := range h.server.Routes() {
		route := r.Method + " " + r.Path
		routes[route] = true
		switch forBrowsers := slices.Contains(browsers, route); {
		case !described[route] && !forBrowsers:
			t.Errorf("%s is missing from the document of the API: add its line to a section of web/operations_fan.go or operations_desk.go, or to forBrowsers if no program asks it", route)
		case described[route] && forBrowsers:
			t.Errorf("%s is described and for browsers alone", route)
		}
	}
	for route := range described {
		if !routes[route] {
			t.Errorf("%s is in the document of the API, and there is no such route", route)
		}
	}
	for _, route := range browsers {
		if !routes[route] {
			t.Errorf("%s is for browsers, and there is no such route", route)
		}
	}

	// What is served says the same, with the parameters of the paths.
	var served struct {
		OpenAPI string
		Paths   map[string]map[string]struct {
			Parameters []struct{ Name, In string }
		}
	}
	answer := h.ask(t, "GET", "/openapi.json", "")
	if err := json.Unmarshal([]byte(answer.body), &served); err != nil || served.OpenAPI != "3.1.0" {
		t.Fatalf("%v, OpenAPI %q", err, served.OpenAPI)
	}
	found := 0
	for path, methods := range served.Paths {
		for method, operation := range methods {
			found++
			route := strings.ToUpper(method) + " " + strings.NewReplacer("{", ":", "}", "").Replace(path)
			if !routes[route] {
				t.Errorf("%s is served in the document, and there is no such route", route)
			}
			var named, said []string
			for part := range strings.SplitSeq(path, "/") {
				if strings.HasPrefix(part, "{") {
					named = append(named, strings.Trim(part, "{}"))
				}
			}
			for _, p := range operation.Parameters {
				if p.In == "path" {
					said = append(said, p.Name)
				}
			}
			if !slices.Equal(named, said) {
				t.Errorf("%s has the parameters %v in its path, and the document says %v", route, named, said)
			}
		}
	}
	if found != len(described) {
		t.Errorf("the document has %d operations, the table %d", found, len(described))
	}
	if again := h.ask(t, "GET", "/openapi.json", "", "If-None-Match: "+answer.header.Get("ETag")); again.status != http.StatusNotModified {
		t.Errorf("the same document again: %d", again.status)
	}
	if page := h.ask(t, "GET", "/docs/api", "", "Accept: text/html"); page.status != http.StatusOK || strings.Count(page.body, `<details class="api"`) < found {
		t.Errorf("the page to read: %d, %d details", page.status, strings.Count(page.body, `<details class="api"`))
	}
}

// The document is valid OpenAPI 3.1, to the eyes of somebody else's tool; its
// examples are as its schemas say; and no word is said in vain.
func TestTheDocumentIsValid(t *testing.T) {
	document, err := theContract()
	if err != nil {
		t.Fatal(err)
	}
	text, types, err := web.ClosedDocument()
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range types.Unsaid() {
		t.Errorf("fieldWords has words for %s, which is no field", key)
	}
	type media map[string]struct{ Example json.RawMessage }
	var d struct {
		Paths map[string]map[string]struct {
			RequestBody struct{ Content media }
			Responses   map[string]struct{ Content media }
		}
	}
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	sample := strings.NewReplacer("{reservation}", "0dq3k5m2p8r7t1v9b4c6f0h0a1-0dq3k5m2p8r7t1v9b4c6f0h0r1", "{ref}", "pi_1", "{token}", "t", "{queue}", "clerk", "{run}", "1", "{invite}", "i")
	for path, methods := range d.Paths {
		address := sample.Replace(path)
		for strings.Contains(address, "{") {
			from, to := strings.Index(address, "{"), strings.Index(address, "}")
			address = address[:from] + "0dq3k5m2p8r7t1v9b4c6f0h0a1" + address[to+1:]
		}
		if path == "/tickets/{ticket}" {
			address += ".pdf"
		}
		for method, operation := range methods {
			request := func() *http.Request {
				r := httptest.NewRequest(strings.ToUpper(method), address, strings.NewReader(string(operation.RequestBody.Content["application/json"].Example)))
				r.Header.Set("Content-Type", "application/json")
				return r
			}
			if operation.RequestBody.Content["application/json"].Example != nil {
				if err := document.request(request()); err != nil {
					t.Errorf("%s %s: the example of the body: %v", method, path, err)
				}
			}
			for status, response := range operation.Responses {
				for kind, one := range response.Content {
					if one.Example == nil {
						continue
					}
					code, err := strconv.Atoi(status)
					if err == nil {
						err = document.answer(request(), code, http.Header{"Content-Type": {kind}}, one.Example)
					}
					if err != nil {
						t.Errorf("%s %s %s: the example: %v\n%s", method, path, status, err, one.Example)
					}
				}
			}
		}
	}
}

// Every code has a status and words.
func TestEveryCodeHasWords(t *testing.T) {
	for code := range web.Statuses() {
		if web.CodeWords()[code] == "" {
			t.Errorf("%s has no words in web/api_codes.go", code)
		}
	}
	for code := range web.CodeWords() {
		if web.Statuses()[code] == 0 {
			t.Errorf("%s has words, and no status in web/problem.go", code)
		}
	}
}
