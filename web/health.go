package web

import (
	"context"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/ropeline/ropeline"
)

// healthz says that the process answers.
func (s *Server) healthz(c *gin.Context) error {
	c.String(http.StatusOK, "ok\n")
	return nil
}

// readyz says that both engines answer within a second: traffic is welcome.
func (s *Server) readyz(c *gin.Context) error {
	ctx, cancel := context.WithTimeout(c.Request.Context(), time.Second)
	defer cancel()
	if err := s.pool.Ping(ctx); err != nil {
		return ropeline.Unavailable(err)
	}
	if err := s.redis.Read.Ping(ctx).Err(); err != nil {
		return ropeline.Unavailable(err)
	}
	c.String(http.StatusOK, "ready\n")
	return nil
}
