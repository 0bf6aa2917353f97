package web

import (
	"context"

	"github.com/gin-gonic/gin"
	"github.com/jackc/pgx/v5"
)

// audited does something in a transaction that also writes down who did it.
func (s *Server) audited(c *gin.Context, action, object string, do func(context.Context, pgx.Tx) error) error {
	ctx := c.Request.Context()
	return s.change(ctx, func(tx pgx.Tx) error {
		if err := s.record(c, tx, action, object, nil, nil); err != nil {
			return err
		}
		return do(ctx, tx)
	})
}
