package web

import (
	"fmt"
	"net/http"
	"runtime/debug"

	"github.com/gin-gonic/gin"

	"github.com/ropeline/ropeline"
)

// protect wraps the whole site: headers, the size of bodies, and requests
// that a foreign page makes a browser send. A page brings its own policy, see
// pages.Policy.
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
		if s.secure {
			h["Strict-Transport-Security"] = transport
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
