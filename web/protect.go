package web

import (
	"fmt"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"
	"unicode/utf8"

	"github.com/gin-gonic/gin"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/web/pages"
)

// protect wraps the whole site: headers, the size of bodies, and requests
// that a foreign page makes a browser send. What is no page has the headers of
// pages.Bare, a page its own (pages.Policy).
func (s *Server) protect(next http.Handler) http.Handler {
	cross := http.NewCrossOriginProtection()
	for origin := range s.origins {
		if origin != "://" {
			if err := cross.AddTrustedOrigin(origin); err != nil {
				s.log.Warn("origin is not usable", "origin", origin, "error", err)
			}
		}
	}
	cross.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		writeProblem(w, problemOf(ropeline.Errorf(ropeline.CodeCrossOrigin, "The request comes from another site.")))
	}))
	nosniff, transport := []string{"nosniff"}, []string{"max-age=31536000"}
	return cross.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h["X-Content-Type-Options"] = nosniff
		if !strings.HasPrefix(r.URL.Path, "/static/") { // a worker's script is bound by the policy that it comes with
			for key, value := range pages.Bare {
				h[key] = value
			}
		}
		if s.secure {
			h["Strict-Transport-Security"] = transport
		}
		if !isText(r.URL) {
			writeProblem(w, problemOf(ropeline.Errorf(ropeline.CodeInvalidRequest, "The address is not valid UTF-8 text.")))
			return
		}
		if r.Method == http.MethodHead && !streams(r.URL.Path) {
			r = r.Clone(r.Context())
			r.Method = http.MethodGet // net/http leaves the body out by itself
		}
		if r.Body != nil && r.Body != http.NoBody {
			most := int64(mostBody)
			if takesPicture(r.URL.Path) {
				most = mostUpload
			}
			r.Body = http.MaxBytesReader(w, r.Body, most)
		}
		next.ServeHTTP(w, r)
	}))
}

// isText tells whether an address is text that Postgres can compare with.
func isText(u *url.URL) bool {
	query, err := url.QueryUnescape(u.RawQuery)
	return err == nil && plain(u.Path) && plain(query)
}

func plain(s string) bool { return utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 }

// streams tells the addresses that answer for as long as the caller listens.
func streams(path string) bool {
	return strings.HasSuffix(path, "/ws") || strings.HasSuffix(path, "/sse")
}

// recover answers a panic with a problem and logs where it was.
func (s *Server) recover(c *gin.Context) {
	defer func() {
		v := recover()
		if v == nil {
			return
		}
		if v == http.ErrAbortHandler {
			panic(v)
		}
		s.log.Error("panic", "value", fmt.Sprint(v), "stack", string(debug.Stack()))
		if !c.Writer.Written() {
			writeProblem(c.Writer, problemOf(fmt.Errorf("panic: %v", v)))
		}
		c.Abort()
	}()
	c.Next()
}

func noRoute(*gin.Context) error {
	return ropeline.Errorf(ropeline.CodeNotFound, "There is nothing at this address.")
}

func noMethod(*gin.Context) error {
	return ropeline.Errorf(ropeline.CodeMethodNotAllowed, "This address does not know that method.")
}
