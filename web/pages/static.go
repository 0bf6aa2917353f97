package pages

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"

	"github.com/tdewolff/minify/v2"
	"github.com/tdewolff/minify/v2/css"
	"github.com/tdewolff/minify/v2/js"
)

//go:embed static
var staticFiles embed.FS

// tree is the static files, minified and packed once: each plain and gzipped.
type tree struct {
	hash  string // of all names and contents
	files map[string]packed
}

type packed struct {
	kind   string // media type
	etag   string
	plain  []byte
	zipped []byte // nil when gzip does not make it smaller
}

// kinds are told here because the machine's mime tables differ.
var kinds = map[string]string{
	".css": "text/css; charset=utf-8",
	".js":  "text/javascript; charset=utf-8",
	".svg": "image/svg+xml",
}

func packStatic() (*tree, error) {
	t := &tree{files: map[string]packed{}}
	sum := sha256.New()
	err := fs.WalkDir(staticFiles, "static", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		plain, err := staticFiles.ReadFile(name)
		if err != nil {
			return err
		}
		if !strings.Contains(name, "/vendor/") {
			if plain, err = minified(name, plain); err != nil {
				return err
			}
		}
		fmt.Fprintf(sum, "%s %d\n", name, len(plain))
		sum.Write(plain)
		t.files[strings.TrimPrefix(name, "static/")] = pack(name, plain)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("pages: static files: %w", err)
	}
	t.hash = hex.EncodeToString(sum.Sum(nil)[:6])
	return t, nil
}

// minified is a stylesheet or module of ours without comments and spaces. Names
// stay, so that an error in a browser's console can be found in the source.
func minified(name string, plain []byte) ([]byte, error) {
	m := minify.New()
	var small bytes.Buffer
	var err error
	switch path.Ext(name) {
	case ".css":
		err = new(css.Minifier).Minify(m, &small, bytes.NewReader(plain), nil)
	case ".js":
		err = (&js.Minifier{KeepVarNames: true}).Minify(m, &small, bytes.NewReader(plain), nil)
	default:
		return plain, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return small.Bytes(), nil
}

func pack(name string, plain []byte) packed {
	kind := kinds[path.Ext(name)]
	if kind == "" {
		kind = mime.TypeByExtension(path.Ext(name))
	}
	own := sha256.Sum256(plain)
	p := packed{kind: kind, etag: hex.EncodeToString(own[:8]), plain: plain}
	var zipped bytes.Buffer
	z, _ := gzip.NewWriterLevel(&zipped, gzip.BestCompression)
	z.Write(plain)
	z.Close()
	if zipped.Len() < len(plain) {
		p.zipped = zipped.Bytes()
	}
	return p
}

func (t *tree) url(name string) (string, error) {
	if _, ok := t.files[name]; !ok {
		return "", fmt.Errorf("no static file %q", name)
	}
	return "/static/" + t.hash + "/" + name, nil
}

func (t *tree) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	hash, name, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/static/"), "/")
	file, ok := t.files[name]
	if !ok {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	if hash != t.hash {
		h.Set("Cache-Control", "no-store") // a page of another version asks; see doc.go
	}
	h.Set("Content-Type", file.kind)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Vary", "Accept-Encoding")
	body, etag := file.plain, `"`+file.etag+`"`
	if file.zipped != nil && acceptsGzip(r) {
		body, etag = file.zipped, `"`+file.etag+`-gz"`
		h.Set("Content-Encoding", "gzip")
	}
	h.Set("ETag", etag)
	if r.Header.Get("If-None-Match") == etag {
		h.Del("Content-Encoding")
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if r.Method == http.MethodGet {
		w.Write(body)
	}
}

// acceptsGzip reads Accept-Encoding as browsers write it: "gzip;q=0" refuses.
func acceptsGzip(r *http.Request) bool {
	for part := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		name, q, _ := strings.Cut(strings.TrimSpace(part), ";")
		if strings.TrimSpace(name) == "gzip" {
			q = strings.ReplaceAll(q, " ", "")
			return q != "q=0" && q != "q=0.0" && q != "q=0.00" && q != "q=0.000"
		}
	}
	return false
}
