package web

import (
	"context"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/fraud"
	"github.com/ropeline/ropeline/web/pages"
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

// putThresholds: PUT /admin/events/{id}/fraud, and POST for the form of the
// desk. A version in the body must be
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
	if isForm(c.Request) {
		body, err = postedThresholds(c)
	} else {
		err = readJSON(c, &body)
	}
	if err != nil {
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
	if isForm(c.Request) {
		c.Redirect(http.StatusSeeOther, "/admin/events/"+string(event.ID)+"?fraud=1#h-fraud")
		return nil
	}
	c.JSON(http.StatusOK, newThresholdsView(after))
	return nil
}

// postedThresholds reads the form of the desk, where probabilities are in
// percent; code invalid_request.
func postedThresholds(c *gin.Context) (body thresholdsBody, err error) {
	enabled, at := c.PostForm("enabled") == "yes", c.PostForm("at_deadline")
	body.Enabled, body.AtDeadline = &enabled, &at
	for _, percent := range []struct {
		name, words string
		into        **float64
	}{{"review_at", "From when an order is reviewed", &body.ReviewAt}, {"reject_at", "From when an order is rejected", &body.RejectAt}} {
		value, err := strconv.ParseFloat(strings.ReplaceAll(strings.TrimSpace(c.PostForm(percent.name)), ",", "."), 64)
		if err != nil || outside(value, 0, 100) {
			return body, ropeline.Errorf(ropeline.CodeInvalidRequest, "%s must be 0 to 100 per cent.", percent.words)
		}
		value /= 100
		*percent.into = &value
	}
	hours, err := wholeNumber("How long a review may take", c.PostForm("review_hours"))
	if err != nil {
		return body, err
	}
	version, err := strconv.ParseInt(c.PostForm("version"), 10, 64)
	if err != nil || version < 0 {
		return body, ropeline.Errorf(ropeline.CodeInvalidRequest, "The version of the form is missing: look at the page again.")
	}
	body.ReviewHours, body.Version = &hours, version
	return body, nil
}

// thresholdsPage is what the event's desk shows; nil where orders are not scored.
func (s *Server) thresholdsPage(ctx context.Context, event ropeline.EventID) (*pages.Thresholds, error) {
	if s.fraud == nil {
		return nil, nil
	}
	history, err := s.fraud.History(ctx, event)
	if err != nil {
		return nil, err
	}
	percent := func(p float64) string { return strconv.FormatFloat(math.Round(p*1e4)/1e2, 'f', -1, 64) }
	now := newThresholdsView(history[0])
	return &pages.Thresholds{Version: now.Version, Enabled: now.Enabled, ReviewAt: percent(now.ReviewAt), RejectAt: percent(now.RejectAt),
		ReviewHours: now.ReviewHours, AtDeadline: now.AtDeadline, ChangedBy: now.ChangedBy, ChangedAt: history[0].ChangedAt}, nil
}
