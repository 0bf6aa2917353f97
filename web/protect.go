package web

import (
	"fmt"
	"net/http"
	"runtime/debug"

	"github.com/gin-gonic/gin"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/web/pages"
)

// protect wraps the whole site: headers, the size of bodies, and requests
// that a foreign page makes a browser send.
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
	return cross.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", pages.Policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		if s.secure {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		if r.Body != nil && r.Body != http.NoBody {
			r.Body = http.MaxBytesReader(w, r.Body, mostBody)
		}
		next.ServeHTTP(w, r)
	}))
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
