package pages

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path"
	"regexp"
	"strings"
	"testing"
)

func TestStaticFiles(t *testing.T) {
	r := newRenderer(t)
	address, err := r.static.url("core.css")
	if err != nil {
		t.Fatal(err)
	}
	plain := get(r, address, "br")
	zipped := get(r, address, "deflate, gzip;q=0.8")
	if got := zipped.Header().Get("Content-Encoding"); got != "gzip" {
		t.Fatalf("Content-Encoding is %q", got)
	}
	z, err := gzip.NewReader(zipped.Body)
	if err != nil {
		t.Fatal(err)
	}
	if body, _ := io.ReadAll(z); string(body) != plain.Body.String() || len(body) == 0 {
		t.Error("the gzipped file is another one")
	}
	if got := plain.Header().Get("Cache-Control"); got != "public, max-age=31536000, immutable" {
		t.Errorf("Cache-Control is %q", got)
	}
	if got := get(r, address, "gzip;q=0").Header().Get("Content-Encoding"); got != "" {
		t.Errorf("gzip was refused, yet the encoding is %q", got)
	}

	q := httptest.NewRequest(http.MethodGet, address, nil)
	q.Header.Set("If-None-Match", plain.Header().Get("ETag"))
	w := httptest.NewRecorder()
	r.Static().ServeHTTP(w, q)
	if w.Code != http.StatusNotModified || w.Body.Len() != 0 {
		t.Errorf("known ETag: %d with %d bytes", w.Code, w.Body.Len())
	}

	if old := get(r, "/static/0123456789ab/core.css", ""); old.Code != 200 || old.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("hash of another version: %d, Cache-Control %q", old.Code, old.Header().Get("Cache-Control"))
	}
	for _, missing := range []string{"/static/", "/static/core.css", "/static/x/none.css", "/static/x/../static.go", "/static/x/js", "/static/x/js/"} {
		if w := get(r, missing, ""); w.Code != http.StatusNotFound {
			t.Errorf("%s: %d, want 404", missing, w.Code)
		}
	}
	w = httptest.NewRecorder()
	r.Static().ServeHTTP(w, httptest.NewRequest(http.MethodPost, address, nil))
	if w.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", w.Code)
	}
}

func TestAnUnknownStaticFileFailsThePage(t *testing.T) {
	if _, err := newRenderer(t).static.url("none.js"); err == nil {
		t.Error("a page could name a file that is not there")
	}
}

// markupByScript is how a script could turn data into markup or code.
var markupByScript = regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|setAttribute\('(style|on)|https?://`)

func TestModulesWriteTextOnly(t *testing.T) {
	for name, file := range newRenderer(t).static.files {
		if path.Ext(name) != ".js" {
			continue
		}
		body := strings.ReplaceAll(string(file.plain), "http://www.w3.org/2000/svg", "")
		if vendored(name) { // its comments have addresses
			body = comment.ReplaceAllString(body, "")
		}
		if found := markupByScript.FindString(body); found != "" {
			t.Errorf("%s has %s", name, found)
		}
		if vendored(name) {
			continue
		}
		if source, err := staticFiles.ReadFile("static/" + name); err != nil || !strings.HasPrefix(string(source), "// ") {
			t.Errorf("%s does not say what it is for", name)
		}
	}
}

// vendored tells the files that others have written. Each folder of them has
// their licence.
func vendored(name string) bool { return strings.HasPrefix(name, "js/vendor/") }

var comment = regexp.MustCompile(`(?s)/\*.*?\*/|(?m)(^|\s)//.*$`)

func TestVendoredFilesHaveTheirLicence(t *testing.T) {
	files := newRenderer(t).static.files
	for name := range files {
		if _, ok := files[path.Dir(name)+"/LICENSE"]; vendored(name) && !ok {
			t.Errorf("%s has no licence", name)
		}
	}
}

func TestModulesParse(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		t.Fatal("node was not found; deploy/setup.sh --for-tests installs it on Debian")
	}
	for name, file := range newRenderer(t).static.files {
		if path.Ext(name) != ".js" {
			continue
		}
		check := exec.CommandContext(t.Context(), node, "--input-type=module", "--check")
		check.Stdin = strings.NewReader(string(file.plain))
		if out, err := check.CombinedOutput(); err != nil {
			t.Errorf("%s: %s", name, out)
		}
	}
}
