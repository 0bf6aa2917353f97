package web

import (
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/fraud"
)

// thresholdsBody is how the API writes what an event does with scores. Fields
// that are left out keep what they are.
type thresholdsBody struct {
	Version     int64    `json:"version"`
	Enabled     *bool    `json:"enabled"`
	ReviewAt    *float64 `json:"review_at"`
	RejectAt    *float64 `json:"reject_at"`
	ReviewHours *int     `json:"review_hours"`
	AtDeadline  *string  `json:"at_deadline"`
}

type thresholdsView struct {
	Version     int64      `json:"version"` // 0: the defaults
	Enabled     bool       `json:"enabled"`
	ReviewAt    float64    `json:"review_at"`
	RejectAt    float64    `json:"reject_at"`
	ReviewHours int        `json:"review_hours"`
	AtDeadline  string     `json:"at_deadline"`
	ChangedBy   string     `json:"changed_by,omitempty"`
	ChangedAt   *time.Time `json:"changed_at,omitempty"`
}

type thresholdsHistory struct {
	History []thresholdsView `json:"history"`
}

func newThresholdsView(s fraud.Settings) thresholdsView {
	view := thresholdsView{Version: s.Version, Enabled: s.Enabled, ReviewAt: s.ReviewAt, RejectAt: s.RejectAt, ReviewHours: s.ReviewHours,
		AtDeadline: "reject", ChangedBy: s.ChangedBy}
	if s.AtDeadline == fraud.Allow {
		view.AtDeadline = "approve"
	}
	if s.Version > 0 {
		view.ChangedAt = &s.ChangedAt
	}
	return view
}

func (s *Server) scoring() (*fraud.Fraud, error) {
	if s.fraud == nil {
		return nil, ropeline.Errorf(ropeline.CodeNotFound, "This house does not score orders.")
	}
	return s.fraud, nil
}

// getThresholds: GET /admin/events/{id}/fraud, what is in force first, then
// every version before.
func (s *Server) getThresholds(c *gin.Context) error {
	event, err := s.eventOf(c)
	if err != nil {
		return err
	}
	room, err := s.scoring()
	if err != nil {
		return err
	}
	history, err := room.History(c.Request.Context(), event.ID)
	if err != nil {
		return err
	}
	views := make([]thresholdsView, len(history))
	for i, one := range history {
		views[i] = newThresholdsView(one)
	}
	c.Header("Cache-Control", "no-store")
	c.JSON(http.StatusOK, thresholdsHistory{History: views})
	return nil
}

// putThresholds: PUT /admin/events/{id}/fraud. A version in the body must be
// the one in force.
func (s *Server) putThresholds(c *gin.Context) error {
	event, err := s.eventOf(c)
	if err != nil {
		return err
	}
	room, err := s.scoring()
	if err != nil {
		return err
	}
	var body thresholdsBody
	if err := readJSON(c, &body); err != nil {
		return err
	}
	ctx := c.Request.Context()
	history, err := room.History(ctx, event.ID)
	if err != nil {
		return err
	}
	before := history[0]
	after := before
	after.Version = body.Version
	set(&after.Enabled, body.Enabled)
	set(&after.ReviewAt, body.ReviewAt)
	set(&after.RejectAt, body.RejectAt)
	set(&after.ReviewHours, body.ReviewHours)
	if body.AtDeadline != nil {
		after.AtDeadline = map[string]fraud.Decision{"approve": fraud.Allow, "reject": fraud.Reject}[*body.AtDeadline]
	}
	err = s.change(ctx, func(tx pgx.Tx) error {
		if after, err = room.SetSettings(ctx, tx, event.ID, after, account(c).Email); err != nil {
			return err
		}
		return s.record(c, tx, "fraud.settings", "event/"+string(event.ID), newThresholdsView(before), newThresholdsView(after))
	})
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, newThresholdsView(after))
	return nil
}
