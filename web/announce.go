package web

import (
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline/catalog"
)

const announcementsShown = 50

// announcementBody is what everybody who waits or shops is told.
type announcementBody struct {
	Text    string `json:"text"`    // up to 280 characters, one line
	Minutes int64  `json:"minutes"` // 0: until it is taken back
}

type announcementsView struct {
	Now           *catalog.Announcement  `json:"now"` // null: nothing is told
	Announcements []catalog.Announcement `json:"announcements"`
}

// announce: PUT /admin/events/{id}/announcement tells everybody, instead of
// what was told before.
func (s *Server) announce(c *gin.Context) error {
	event, err := s.eventOf(c)
	if err != nil {
		return err
	}
	var body announcementBody
	if err := readJSON(c, &body); err != nil {
		return err
	}
	lasting := time.Duration(min(max(body.Minutes, -1), 1<<20)) * time.Minute
	var after catalog.Announcement
	ctx := c.Request.Context()
	err = s.change(ctx, func(tx pgx.Tx) error {
		var before *catalog.Announcement
		before, after, err = s.catalog.Announce(ctx, tx, event.ID, body.Text, lasting, account(c).Email)
		if err != nil {
			return err
		}
		return s.record(c, tx, "event.announce", "event/"+string(event.ID), before, after)
	})
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, after)
	return nil
}

// retract: DELETE /admin/events/{id}/announcement takes back what is told.
// Taking back nothing is done.
func (s *Server) retract(c *gin.Context) error {
	event, err := s.eventOf(c)
	if err != nil {
		return err
	}
	err = s.change(c.Request.Context(), func(tx pgx.Tx) error {
		before, err := s.catalog.Retract(c.Request.Context(), tx, event.ID, account(c).Email)
		if err != nil || before == nil {
			recorded(c) // nothing was changed
			return err
		}
		return s.record(c, tx, "event.retract", "event/"+string(event.ID), before, nil)
	})
	if err != nil {
		return err
	}
	c.Status(http.StatusNoContent)
	return nil
}

// listAnnouncements: GET /admin/events/{id}/announcements, the newest first.
func (s *Server) listAnnouncements(c *gin.Context) error {
	event, err := s.eventOf(c)
	if err != nil {
		return err
	}
	view := announcementsView{}
	if view.Now, err = s.catalog.Announced(c.Request.Context(), event.ID); err != nil {
		return err
	}
	view.Announcements, err = s.catalog.Announcements(c.Request.Context(), event.ID, announcementsShown)
	if err != nil {
		return err
	}
	c.Header("Cache-Control", "no-store")
	c.JSON(http.StatusOK, view)
	return nil
}
