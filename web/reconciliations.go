package web

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/checkout"
	"github.com/ropeline/ropeline/web/pages"
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
	c.Header("Vary", "Accept")
	if wantsPage(c.Request) {
		view := pages.ReconciliationsView{Frame: pages.Frame{Organizer: account(c).Email}}
		for _, r := range list {
			view.Runs = append(view.Runs, reconciliationRow(r))
		}
		if len(list) == reconciliationsPerPage {
			view.Next = "/admin/reconciliations?before=" + strconv.FormatInt(list[len(list)-1].ID, 10)
		}
		return s.pages.Reconciliations(pages.Zip(c.Writer, c.Request), view)
	}
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
	c.Header("Vary", "Accept")
	if wantsPage(c.Request) {
		view := pages.ReconciliationView{Frame: pages.Frame{Organizer: account(c).Email}, Run: reconciliationRow(report), Since: report.Since, Error: report.Error}
		for _, d := range report.Differences {
			row := pages.Difference{Kind: strings.ReplaceAll(string(d.Kind), "_", " "), Ref: d.Ref, Detail: d.Detail, Why: d.Why, At: d.At}
			if _, err := ropeline.ParseID[ropeline.PaymentID](d.Subject); err == nil {
				row.Payment = d.Subject // ours, and so an order's
			} else {
				row.Subject = d.Subject
			}
			if d.Healed {
				view.Healed = append(view.Healed, row)
			} else {
				view.Open = append(view.Open, row)
			}
		}
		return s.pages.Reconciliation(pages.Zip(c.Writer, c.Request), view)
	}
	c.JSON(http.StatusOK, report)
	return nil
}

func reconciliationRow(r checkout.Reconciliation) pages.ReconciliationRow {
	return pages.ReconciliationRow{ID: r.ID, Daily: r.Scope == checkout.ScopeAll, Provider: r.Provider, StartedAt: r.StartedAt, FinishedAt: r.FinishedAt,
		Seen: r.Seen, Ours: r.Ours, Healed: r.Healed, Alerts: r.Alerts, Failed: r.Error != ""}
}
