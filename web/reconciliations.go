package web

import (
	"net/http"
	"strconv"

	"github.com/gin-gonic/gin"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/checkout"
)

const reconciliationsPerPage = 50

type reconciliationsView struct {
	Reconciliations []checkout.Reconciliation `json:"reconciliations"`
}

// listReconciliations: GET /admin/reconciliations?before=<id>, the newest first.
func (s *Server) listReconciliations(c *gin.Context) error {
	var before int64
	if asked := c.Query("before"); asked != "" {
		var err error
		if before, err = strconv.ParseInt(asked, 10, 64); err != nil || before < 1 {
			return ropeline.Errorf(ropeline.CodeInvalidRequest, "before must be the number of a reconciliation.")
		}
	}
	list, err := s.checkout.Reconciliations(c.Request.Context(), before, reconciliationsPerPage)
	if err != nil {
		return err
	}
	c.Header("Cache-Control", "no-store")
	c.JSON(http.StatusOK, reconciliationsView{Reconciliations: append([]checkout.Reconciliation{}, list...)})
	return nil
}

// getReconciliation: GET /admin/reconciliations/{id}, with what differed.
func (s *Server) getReconciliation(c *gin.Context) error {
	id, err := strconv.ParseInt(c.Param("run"), 10, 64)
	if err != nil {
		return ropeline.Errorf(ropeline.CodeNotFound, "There is no such reconciliation.")
	}
	report, err := s.checkout.ReconciliationOf(c.Request.Context(), id)
	if err != nil {
		return err
	}
	c.Header("Cache-Control", "no-store")
	c.JSON(http.StatusOK, report)
	return nil
}
