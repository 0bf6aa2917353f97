package pages

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"io"
	"net/http"
	"net/http/httptest"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/ropeline/ropeline/internal/qr"
)

const headers = 250 // bytes allowed for the headers of each answer (HTTP/1.1)

var imported = regexp.MustCompile(`(?:from|import\() ?['"](\./[a-z]+\.js)['"]`)

// The waiting page is at most 14 KB on the wire with all that it loads, lazy
// modules, QR codes and headers counted; the others at most 60 KB. An
// organizer's picture has bounds of its own, see TestPictures.
func TestWeight(t *testing.T) {
	r := newRenderer(t)
	full := calm
	full.text = strings.Repeat("A full paragraph about one night in November, told at its usual length. ", 8)
	full.token = noise(320) // as long as a signed pass, and as hard to compress
	for _, s := range scenes(full) {
		page := s.page(t, r).Body.Bytes()
		most := 60 * 1024
		if strings.HasPrefix(s.name, "line ") {
			most = 14 * 1024
		}
		sum := len(zip(t, page)) + headers
		loaded := loads(t, r, page)
		for _, address := range loaded {
			sum += weight(t, r, address) + headers
		}
		t.Logf("%-28s %6d bytes, %d files", s.name, sum, 1+len(loaded))
		if sum > most {
			t.Errorf("%s: %d bytes on the wire, most %d", s.name, sum, most)
		}
	}
}

// Modules that the waiting page needs at once are asked for at once.
func TestModulesOfTheWaitingPageArePreloaded(t *testing.T) {
	r := newRenderer(t)
	w := httptest.NewRecorder()
	if err := r.Line(w, lines(eventOf(calm), calm)[0]); err != nil {
		t.Fatal(err)
	}
	address, _ := r.static.url("js/line.js")
	for _, match := range imported.FindAllStringSubmatch(get(r, address, "").Body.String(), -1) {
		link := `<link rel="modulepreload" href="` + path.Join(path.Dir(address), match[1]) + `">`
		if lazy := strings.HasPrefix(match[0], "import("); lazy == strings.Contains(w.Body.String(), link) {
			t.Errorf("%s: preloaded is %v", match[1], !lazy)
		}
	}
}

// loads is everything that a browser fetches for a page, the imports of
// modules included.
func loads(t *testing.T, r *Renderer, page []byte) []string {
	var all []string
	var add func(string)
	add = func(address string) {
		if address == "" || strings.HasPrefix(address, "data:") || strings.HasPrefix(address, "/pictures/") || slices.Contains(all, address) {
			return // a data: URL is weighed with the page
		}
		all = append(all, address)
		if !strings.HasPrefix(address, "/static/") {
			return
		}
		answer := get(r, address, "")
		if answer.Code != http.StatusOK {
			t.Fatalf("%s: %d", address, answer.Code)
		}
		if path.Ext(address) == ".js" {
			for _, match := range imported.FindAllStringSubmatch(answer.Body.String(), -1) {
				add(path.Join(path.Dir(address), match[1]))
			}
		}
	}
	for n := range parsed(t, string(page)).Descendants() {
		if n.Type == html.ElementNode && (n.Data == "link" || n.Data == "script" || n.Data == "img") {
			add(attr(n, "href") + attr(n, "src"))
		}
	}
	return all
}

// code is as long as a ticket's, and as hard to draw.
var code = strings.ToUpper(base32.HexEncoding.EncodeToString([]byte(noise(100))))

// weight is how many bytes an address brings, packed as it travels.
func weight(t *testing.T, r *Renderer, address string) int {
	t.Helper()
	if strings.HasPrefix(address, "/static/") {
		return get(r, address, "gzip").Body.Len()
	}
	if !strings.HasPrefix(address, "/tickets/") || !strings.HasSuffix(address, "/qr.png") {
		t.Errorf("a page loads %s, of which nobody knows the weight", address)
	}
	png, err := qr.PNG(code, qr.Medium, 360)
	if err != nil {
		t.Fatal(err)
	}
	return len(png)
}

// A picture keeps its room on the page before it is there, comes in a width
// that fits, and in a list only when it is near.
func TestPictures(t *testing.T) {
	r := newRenderer(t)
	shown := 0
	for _, s := range scenes(calm) {
		for n := range parsed(t, s.page(t, r).Body.String()).Descendants() {
			if n.Type != html.ElementNode || n.Data != "img" {
				continue
			}
			if attr(n, "width") == "" || attr(n, "height") == "" {
				t.Errorf("%s: %s takes no room before it is there", s.name, attr(n, "src"))
			}
			if !strings.HasPrefix(attr(n, "src"), "/pictures/") {
				continue
			}
			shown++
			smallest := strings.HasSuffix(attr(n, "src"), "/480.jpg")
			if lazy := attr(n, "loading") == "lazy"; !smallest || lazy == strings.Contains(attr(n, "srcset"), "960w") || strings.HasPrefix(s.name, "events") != lazy && strings.HasPrefix(s.name, "event") {
				t.Errorf("%s: %s, srcset %q, loading %q", s.name, attr(n, "src"), attr(n, "srcset"), attr(n, "loading"))
			}
		}
	}
	if shown == 0 {
		t.Error("no page shows a picture")
	}
}

func get(r *Renderer, address, encoding string) *httptest.ResponseRecorder {
	q := httptest.NewRequest(http.MethodGet, address, nil)
	q.Header.Set("Accept-Encoding", encoding)
	w := httptest.NewRecorder()
	r.Static().ServeHTTP(w, q)
	return w
}

// noise is n characters that do not compress beyond base64.
func noise(n int) string {
	var b strings.Builder
	for i := 0; b.Len() < n; i++ {
		sum := sha256.Sum256([]byte{byte(i)})
		b.WriteString(base64.RawURLEncoding.EncodeToString(sum[:]))
	}
	return b.String()[:n]
}

func TestZip(t *testing.T) {
	r := newRenderer(t)
	for encoding, want := range map[string]string{"gzip, br": "gzip", "br": "", "": ""} {
		q := httptest.NewRequest(http.MethodGet, "/", nil)
		q.Header.Set("Accept-Encoding", encoding)
		for range 2 { // the second takes the pooled writer
			w := httptest.NewRecorder()
			if err := r.Events(Zip(w, q), EventsView{}); err != nil {
				t.Fatal(err)
			}
			if got := w.Header().Get("Content-Encoding"); got != want {
				t.Fatalf("%q: Content-Encoding %q", encoding, got)
			}
			body := io.Reader(w.Body)
			if want == "gzip" {
				z, err := gzip.NewReader(body)
				if err != nil {
					t.Fatal(err)
				}
				body = z
			}
			if page, err := io.ReadAll(body); err != nil || !strings.HasSuffix(string(page), "</html>\n") {
				t.Errorf("%q: %v, page %.40q", encoding, err, page)
			}
		}
	}
}

func zip(t *testing.T, plain []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(plain); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
