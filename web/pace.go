package web

import (
	"fmt"
	"net/http"
	"strconv"

	"github.com/gin-gonic/gin"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/internal/pacelog"
)

// pace: GET /events/{id}/pace?after=SEQ&limit=N, a page of the event's pace
// log as NDJSON. The Link header leads to the next page, if there is one; all
// pages one after the other are what `ropeline verify log` reads.
func (s *Server) pace(c *gin.Context) error {
	event, err := s.eventOf(c)
	if err != nil {
		return err
	}
	after, err := queryNumber(c, "after", 0, 1<<53)
	if err != nil {
		return err
	}
	limit, err := queryNumber(c, "limit", pacelog.PageSize, pacelog.PageSize)
	if err != nil {
		return err
	}
	text, next, err := s.admission.Pace(c.Request.Context(), event.ID, after, int(max(limit, 1)))
	if err != nil {
		return err
	}
	if next > 0 {
		c.Header("Link", fmt.Sprintf(`</events/%s/pace?after=%d&limit=%d>; rel="next"`, event.ID, next, max(limit, 1)))
	}
	c.Header("Cache-Control", "no-store")
	c.Data(http.StatusOK, "application/x-ndjson", text)
	return nil
}

// queryNumber is a number from 0 to most in the query, or what it is without.
func queryNumber(c *gin.Context, name string, without, most int64) (int64, error) {
	text := c.Query(name)
	if text == "" {
		return without, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 || n > most {
		return 0, ropeline.Errorf(ropeline.CodeInvalidRequest, "%s must be a number from 0 to %d.", name, most)
	}
	return n, nil
}
